#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
"""The HTTP server on Python's gevent: gevent_server.py [PORT]"""
import socket
import sys

from gevent.pywsgi import WSGIServer


def answer(_, start_response):
    body = b"Hello, world!"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


server = WSGIServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), answer, log=None, backlog=4096)
server.start()
# It sends head and body by two writes, the second of which would wait for the acknowledgement of the first.
server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # those that it accepts inherit it
print("listening", server.server_port, flush=True)
server.serve_forever()
