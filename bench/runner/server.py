# SPDX-License-Identifier: BSL-1.0
"""Starts a server that says where it listens, and ends it."""

import os
import select
import signal
import subprocess
import time


class Server:
    """A program that writes "listening PORT" first, and serves until SIGTERM. `weft` in front of it execs it, so that
    the pid is its own."""

    def __init__(self, command, environment=None, limit=15, processor=None):
        command = [str(word) for word in command]
        if processor is not None:
            command = ["taskset", "-c", str(processor), *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        env={**os.environ, **(environment or {})})
        try:
            self.port = self._port(time.monotonic() + limit)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"{' '.join(command)}: {error}") from None

    def _port(self, deadline):
        text = b""
        while not text.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RuntimeError("does not say where it listens")
            piece = os.read(self.process.stdout.fileno(), 1)
            if not piece:
                raise RuntimeError("ended at its start")
            text += piece
        words = text.split()
        if len(words) != 2 or words[0] != b"listening":
            raise RuntimeError(f"wrote {text!r}")
        return int(words[1])

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def stop(self):
        """Its status: 0 if it ends at SIGTERM by itself, -15 if it does not handle that."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
