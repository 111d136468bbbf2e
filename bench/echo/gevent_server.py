#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
"""The echo server on Python's gevent: gevent_server.py [PORT]"""
import socket
import sys

from gevent.server import StreamServer


def serve(peer, _):
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := peer.recv(4096):
        peer.sendall(data)


server = StreamServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), serve, backlog=4096)
server.start()
print("listening", server.server_port, flush=True)
server.serve_forever()
