#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
import socket
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
from program import PATIENCE, running

PROGRAM = sys.argv.pop(1)
IDLE = 0.3


class TcpProxy(unittest.TestCase):
    def setUp(self):
        self.target = socket.create_server(("127.0.0.1", 0))
        self.target.settimeout(PATIENCE)
        self.addCleanup(self.target.close)
        context = running(PROGRAM, 0, "127.0.0.1", self.target.getsockname()[1], IDLE)
        self.proxy = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def pair(self):
        """Both ends of a connection through the proxy."""
        client = self.proxy.connect()
        self.addCleanup(client.close)
        server, _ = self.target.accept()
        server.settimeout(PATIENCE)
        self.addCleanup(server.close)
        return client, server

    def test_both_ways_and_half_closed(self):
        client, server = self.pair()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(server.makefile("rb").read(), b"question")
        server.sendall(b"answer")
        server.close()
        self.assertEqual(client.makefile("rb").read(), b"answer")

    def test_large_both_ways_at_once(self):
        client, server = self.pair()
        data = bytes(range(256)) * 30_000
        def send(end):
            end.sendall(data)
            end.shutdown(socket.SHUT_WR)
        senders = [threading.Thread(target=send, args=(end,)) for end in (client, server)]
        got = {}
        readers = [threading.Thread(target=lambda e=end: got.update({e: e.makefile("rb").read()}))
                   for end in (client, server)]
        for thread in senders + readers:
            thread.start()
        for thread in senders + readers:
            thread.join()
        self.assertTrue(got[client] == data and got[server] == data)

    def test_an_idle_connection_is_ended_on_both_sides(self):
        client, server = self.pair()
        begun = time.monotonic()
        client.sendall(b"then silence")
        self.assertEqual(server.recv(100), b"then silence")
        self.assertEqual(server.recv(1), b"")
        self.assertEqual(client.recv(1), b"")
        self.assertGreaterEqual(time.monotonic() - begun, IDLE)
        self.proxy.terminate()
        status, errors = self.proxy.wait()
        self.assertEqual(status, 0)
        self.assertIn("Connection timed out", errors)

    def test_who_only_listens_is_not_idle(self):
        client, server = self.pair()
        for _ in range(8):
            time.sleep(IDLE / 4)
            server.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")

    def test_a_target_that_refuses(self):
        self.target.close()
        with self.proxy.connect() as client:
            self.assertEqual(client.recv(1), b"")
        self.proxy.terminate()
        status, errors = self.proxy.wait()
        self.assertEqual(status, 0)
        self.assertIn("Connection refused", errors)

    def test_stop_lets_connections_end(self):
        client, server = self.pair()
        client.sendall(b"late")
        self.proxy.terminate()
        self.assertEqual(server.recv(4), b"late")
        client.close()
        self.assertEqual(server.recv(1), b"")
        server.close()
        self.assertEqual(self.proxy.wait(), (0, ""))


if __name__ == "__main__":
    unittest.main()
