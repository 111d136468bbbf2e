# SPDX-License-Identifier: BSL-1.0
"""Runs an example, for its test."""
import contextlib
import re
import signal
import socket
import subprocess

PATIENCE = 30  # seconds, for what takes milliseconds


class Server:
    """A server that runs; its first line says where: `address` is a pair for socket.create_connection."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.greeting = self.process.stdout.readline()
        host, port = re.search(r"([\d.]+):(\d+)", self.greeting).groups()
        self.address = (host, int(port))

    def connect(self, room=None):
        """`room`: bytes that the kernel keeps for who does not read."""
        peer = socket.socket()
        if room:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        peer.settimeout(PATIENCE)
        try:
            peer.connect(self.address)
        except OSError:
            peer.close()
            raise
        return peer

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Exit status and what it wrote to standard error."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


@contextlib.contextmanager
def running(*command):
    server = Server([str(part) for part in command])
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()
