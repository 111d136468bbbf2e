# SPDX-License-Identifier: BSL-1.0
"""What a case runs on: a private folder, processes natively or under weft, and their end."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

A_HANDFUL = 10  # kernel threads that a process may have under weft, however many threads it makes


class Failure(Exception):
    """What a case found wrong; its text is for the person who reads the test's log."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def same(actual, expected, what):
    check(actual == expected, f"{what}: {shorten(actual)} instead of {shorten(expected)}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:160]}... ({len(text)} characters)"


def program(name, package):
    """The path of a program, or a failure that says which package has it."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin")
    check(path is not None, f"{name} is not installed: apt-get install {package}")
    return path


def some_bytes(size, seed):
    return random.Random(seed).randbytes(size)


def kernel_threads(pid):
    """How many kernel threads the process has; 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("Threads:"):
                return int(line.split()[1])
    return 0


class Stage:
    def __init__(self, weft):
        self.weft = [weft] if weft else []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-program-"))
        self.folder.chmod(0o755)  # servers that drop root still have to read it
        self.started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, command, under_weft, log="log", environment=None):
        """A process in a session of its own, its output in a file of the stage's folder."""
        prefix = self.weft if under_weft else []
        home = {"HOME": str(self.folder), "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"}
        with open(self.folder / log, "wb") as output:
            process = subprocess.Popen(
                prefix + [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True, cwd=self.folder,
                env=os.environ | home | (environment or {}))
        self.started.append(process)
        return process

    def text(self, log):
        return (self.folder / log).read_text(errors="replace")

    def stop(self, process, number=signal.SIGTERM):
        """Ends a process, politely first, and whatever it has left in its group; its status."""
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait(5)

    def run(self, command, under_weft=True, timeout=40, log="run", environment=None):
        """Runs a program to its end, which must be a success; its output."""
        process = self.start(command, under_weft, log, environment)
        with self.few_kernel_threads(process, under_weft):
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired as late:
                raise Failure(f"{command[0]} did not end within {timeout} s:\n"
                              f"{self.text(log)[-2000:]}") from late
        same(status, 0, f"the status of {command[0]}, which wrote\n{self.text(log)[-2000:]}\n")
        return self.text(log)

    @contextlib.contextmanager
    def few_kernel_threads(self, process, under_weft=True):
        """Counts a process's kernel threads again and again meanwhile: never more than a handful."""
        most, over = 0, threading.Event()

        def count():
            nonlocal most
            while not over.wait(0.02):
                most = max(most, kernel_threads(process.pid))

        counter = threading.Thread(target=count)
        counter.start()
        try:
            yield
        finally:
            over.set()
            counter.join()
        if under_weft and self.weft:
            check(most <= A_HANDFUL, f"the process had {most} kernel threads under weft")
        print(f"{self.name_of(process)}: at most {most} kernel threads")

    def name_of(self, process):
        """The program's name, without weft's before it."""
        words = process.args[1:] if self.weft and process.args[0] == self.weft[0] else process.args
        return pathlib.Path(words[0]).name

    def server(self, command_for_port, under_weft=True, log="server", greeting_timeout=15):
        """Starts a server on a free port; again on another, should somebody have taken that one."""
        for _ in range(5):
            port = free_port()
            process = self.start(command_for_port(port), under_weft, log)
            if self.answers(process, port, greeting_timeout):
                return process, port
            self.stop(process)
        raise Failure(f"{command_for_port(0)[0]} did not start:\n{self.text(log)[-2000:]}")

    @staticmethod
    def answers(process, port, timeout):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            time.sleep(0.05)
        return False

    def origin(self, files):
        """A native lighttpd that serves these files, and its port."""
        root = self.folder / "www"
        root.mkdir()
        for name, content in files.items():
            (root / name).write_bytes(content)
        lighttpd = program("lighttpd", "lighttpd")

        def command(port):
            configuration = self.folder / "lighttpd.conf"
            configuration.write_text(
                f'server.document-root = "{root}"\nserver.port = {port}\n'
                'server.bind = "127.0.0.1"\nserver.max-connections = 1024\n'
                'server.max-fds = 4096\nserver.max-keep-alive-requests = 100000\n')
            return [lighttpd, "-D", "-f", configuration]

        return self.server(command, under_weft=False, log="lighttpd")[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
