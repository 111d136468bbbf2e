#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Starts an HTTP server and asks it a thousand times over ten connections, in turn.

    http_test.py SERVER [ARGUMENT...]
"""
import http.client
import pathlib
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from runner.server import Server  # noqa: E402

with Server(sys.argv[1:]) as server:
    connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=20) for _ in range(10)]
    for i in range(1000):
        connection = connections[i % 10]
        connection.request("GET", f"/{i}")
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        assert answer.read() == b"Hello, world!"
    # Two requests that come at once, the second in two parts.
    with socket.create_connection(("127.0.0.1", server.port), 20) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHos")
        peer.sendall(b"t: x\r\n\r\n")
        text = b""
        while text.count(b"Hello, world!") < 2:
            piece = peer.recv(4096)
            assert piece, text
            text += piece
    assert server.is_running(), "the server ended by itself"
