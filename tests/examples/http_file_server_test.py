#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
import http.client
import os
import pathlib
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
from program import PATIENCE, running

PROGRAM = sys.argv.pop(1)
LARGE = bytes(range(256)) * 40_000  # more than sockets hold


class HttpFileServer(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        outside = pathlib.Path(scratch.name)
        (outside / "secret.txt").write_text("not to be served")
        root = outside / "site"
        (root / "sub dir").mkdir(parents=True)
        (root / "index.html").write_text("<p>home</p>")
        (root / "sub dir" / "index.html").write_text("<p>sub</p>")
        (root / "sub dir" / "note.txt").write_text("note")
        (root / "data").write_bytes(LARGE)
        (root / "empty.css").write_text("")
        (root / "way-out").symlink_to(outside / "secret.txt")
        os.mkfifo(root / "fifo")
        context = running(PROGRAM, root, 0)
        self.server = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def client(self):
        client = http.client.HTTPConnection(*self.server.address, timeout=PATIENCE)
        self.addCleanup(client.close)
        return client

    def get(self, client, path, method="GET"):
        client.request(method, path)
        answer = client.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()

    def raw(self, text):
        """Status line of the answer, after which the server closes."""
        with self.server.connect() as peer:
            peer.sendall(text)
            answer = b"".join(iter(lambda: peer.recv(4096), b""))
        return answer.split(b"\r\n")[0].decode()

    def test_files_over_one_connection(self):
        client = self.client()
        self.assertEqual(self.get(client, "/"), (200, "text/html", b"<p>home</p>"))
        first = client.sock
        self.assertEqual(self.get(client, "/sub%20dir/"), (200, "text/html", b"<p>sub</p>"))
        self.assertEqual(self.get(client, "/sub%20dir/note.txt?x=1"), (200, "text/plain", b"note"))
        self.assertEqual(self.get(client, "/data"), (200, "application/octet-stream", LARGE))
        self.assertEqual(self.get(client, "/empty.css"), (200, "text/css", b""))
        self.assertEqual(self.get(client, "/none")[0], 404)
        self.assertEqual(self.get(client, "/")[0], 200)
        self.assertIs(client.sock, first)

    def test_head(self):
        client = self.client()
        client.request("HEAD", "/data")
        answer = client.getresponse()
        self.assertEqual((answer.status, answer.getheader("Content-Length")), (200, str(len(LARGE))))
        self.assertEqual(answer.read(), b"")
        self.assertEqual(self.get(client, "/")[0], 200)

    def test_no_way_out(self):
        client = self.client()
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/sub%20dir/../../secret.txt", "/way-out", "//etc/passwd",
                     "/fifo", "/none/../index.html"):
            self.assertEqual(self.get(client, path)[0], 404, path)

    def test_bad_requests(self):
        host = b"Host: x\r\n\r\n"
        for text in (b"DELETE / HTTP/1.1\r\n" + host, b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/2\r\n" + host,
                     b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET /%zz HTTP/1.1\r\n" + host,
                     b"GET /%4 HTTP/1.1\r\n" + host, b"GET /%00 HTTP/1.1\r\n" + host, b"GET x HTTP/1.1\r\n" + host):
            self.assertEqual(self.raw(text), "HTTP/1.1 400 Bad Request", text)

    def test_close_when_asked(self):
        self.assertEqual(self.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 OK")
        self.assertEqual(self.raw(b"GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK")

    def test_slow_clients_keep_nobody_waiting(self):
        with self.server.connect() as slow:
            slow.sendall(b"GET /data HTTP/1.1\r\nHost")
            self.assertEqual(self.get(self.client(), "/")[0], 200)

    def test_graceful_stop(self):
        with self.server.connect() as peer:
            peer.sendall(b"GET /data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            got = peer.recv(1)
            self.server.terminate()
            with self.assertRaises(OSError):  # soon it accepts nobody any more
                for _ in range(PATIENCE * 100):
                    self.server.connect().close()
                    time.sleep(0.01)
            while part := peer.recv(65536):
                got += part
        self.assertTrue(got.endswith(LARGE))
        self.assertEqual(self.server.wait(), (0, ""))

    def test_stop_does_not_wait_for_the_idle_for_long(self):
        client = self.client()
        self.assertEqual(self.get(client, "/")[0], 200)
        self.server.terminate()
        self.assertEqual(self.server.wait(), (0, ""))
        self.assertEqual(client.sock.recv(1), b"")


if __name__ == "__main__":
    unittest.main()
