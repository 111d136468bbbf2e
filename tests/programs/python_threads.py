# SPDX-License-Identifier: BSL-1.0
"""Threads of the interpreter's: run by /usr/bin/python3, natively or under weft."""

import concurrent.futures
import http.client
import http.server
import queue
import socketserver
import subprocess
import threading
import time


def timers():
    fired = threading.Event()
    order = []
    for delay in (0.15, 0.05, 0.1):
        threading.Timer(delay, lambda d=delay: order.append(d)).start()
    threading.Timer(0.3, fired.set).start()
    assert not fired.wait(0.01)
    assert fired.wait(20)
    assert order == [0.05, 0.1, 0.15], order


def queues():
    """Producers and consumers over a small queue: every item exactly once."""
    items, results = queue.Queue(4), []

    def produce(first):
        for i in range(first, first + 200):
            items.put(i)

    def consume():
        while (item := items.get()) is not None:
            results.append(item)

    producers = [threading.Thread(target=produce, args=(k * 200,)) for k in range(6)]
    consumers = [threading.Thread(target=consume) for _ in range(6)]
    for thread in producers + consumers:
        thread.start()
    for thread in producers:
        thread.join()
    for _ in consumers:
        items.put(None)
    for thread in consumers:
        thread.join()
    assert sorted(results) == list(range(1200))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = body[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    request_queue_size = 128
    daemon_threads = True


def http_server_and_clients():
    """A thread for each connection on both sides, in one process."""
    server = Server(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()

    def talk(number):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        for i in range(10):
            body = b"%d/%d " % (number, i) * (i * 50 + 1)
            connection.request("POST", "/", body)
            assert connection.getresponse().read() == body[::-1]
        connection.close()
        return number

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert list(pool.map(talk, range(60))) == list(range(60))
    server.shutdown()
    serving.join()
    server.server_close()


def sleeps():
    began = time.monotonic()
    threads = [threading.Thread(target=time.sleep, args=(0.3,)) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.3 <= time.monotonic() - began < 10


def thread_locals():
    storage, barrier, wrong = threading.local(), threading.Barrier(20), []

    def work(number):
        storage.number = number
        barrier.wait()
        if storage.number != number:
            wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    assert len({thread.native_id for thread in threads}) == 20
    for thread in threads:
        thread.join()
    assert not wrong


def subprocesses():
    def call(number):
        return subprocess.run(["sh", "-c", f"sleep 0.1; echo {number}; exit {number}"],
                              stdout=subprocess.PIPE, check=False)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, done in enumerate(pool.map(call, range(8))):
            assert (done.returncode, done.stdout) == (number, b"%d\n" % number)


for name, part in (("timers", timers), ("queues", queues), ("http", http_server_and_clients),
                   ("sleeps", sleeps), ("local", thread_locals), ("subprocesses", subprocesses)):
    part()
    print(name, "ok", flush=True)
