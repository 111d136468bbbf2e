# SPDX-License-Identifier: BSL-1.0
"""An HTTP server with a thread for each connection and 50 clients, in one process: python_http.py REQUESTS"""
import concurrent.futures
import http.client
import http.server
import sys
import threading

CLIENTS = 50


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        answer = self.path.encode()[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


def talk(number):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    for i in range(int(sys.argv[1]) // CLIENTS):
        path = f"/{number}/{i}"
        connection.request("GET", path)
        assert connection.getresponse().read() == path.encode()[::-1]
    connection.close()


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever).start()
with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
    list(pool.map(talk, range(CLIENTS)))
server.shutdown()
