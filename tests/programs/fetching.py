# SPDX-License-Identifier: BSL-1.0
"""HTTP clients of the tests' own, and a server whose answers take their time; all native."""

import concurrent.futures
import http.client
import http.server
import threading
import time


def get(port, path, connect_port=None, timeout=20):
    """The status and the body of one request; through a proxy if connect_port is the proxy's."""
    connection = http.client.HTTPConnection("127.0.0.1", connect_port or port, timeout=timeout)
    try:
        target = f"http://127.0.0.1:{port}{path}" if connect_port else path
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get_many(port, paths, at_once, connect_port=None):
    """Requests, so many at a time; their outcomes in order."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda path: get(port, path, connect_port), paths))


class SlowServer:
    """Answers each request after a delay; tells how many were under way at once."""

    def __init__(self, delay, body):
        outer = self
        self.most = 0
        under_way = 0
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                nonlocal under_way
                with lock:
                    under_way += 1
                    outer.most = max(outer.most, under_way)
                time.sleep(delay)
                with lock:
                    under_way -= 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
