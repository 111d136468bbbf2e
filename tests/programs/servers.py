# SPDX-License-Identifier: BSL-1.0
"""Servers with threads, under weft."""

import socket

from fetching import get_many
from stage import check, program, same, some_bytes


def fetch_all(stage, process, files, port, connect_port=None):
    """Every file many times, 40 requests at once; then the answer for a file that is not there."""
    paths = [f"/{name}" for name in files] * 60
    with stage.few_kernel_threads(process):
        outcomes = get_many(port, paths, 40, connect_port)
        missing = get_many(port, ["/missing.bin"] * 20, 20, connect_port)
    for path, (status, body) in zip(paths, outcomes):
        same(status, 200, f"the status of {path}")
        check(body == files[path[1:]], f"the body of {path} differs from the file")
    same({status for status, _ in missing}, {404}, "the status of a file that is not there")


def tinyproxy(stage, _):
    files = {"small.txt": b"a small file\n", "large.bin": some_bytes(300_000, 2)}
    origin = stage.origin(files)
    path = program("tinyproxy", "tinyproxy")

    def command(port):
        settings = stage.folder / "tinyproxy.conf"
        settings.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 200\n"
                            "LogLevel Error\nAllow 127.0.0.1\n")
        return [path, "-d", "-c", settings]

    process, port = stage.server(command)
    fetch_all(stage, process, files, origin, connect_port=port)
    # Clients that have connected and say nothing: a thread for each, which no other waits for.
    quiet = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(50)]
    fetch_all(stage, process, files, origin, connect_port=port)
    for connection in quiet:
        connection.close()
    same(stage.stop(process), 0, "tinyproxy's status after SIGTERM")


def weborf(stage, _):
    files = {"small.txt": b"a small file\n", "large.bin": some_bytes(300_000, 3)}
    root = stage.folder / "files"
    root.mkdir()
    for name, content in files.items():
        (root / name).write_bytes(content)
    path = program("weborf", "weborf")
    process, port = stage.server(lambda p: [path, "-i", "127.0.0.1", "-p", p, "-b", root])
    fetch_all(stage, process, files, port)


class Memcache:
    """The text protocol, as far as the case needs it."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port), 20).makefile("rwb")

    def ask(self, request):
        self.stream.write(request)
        self.stream.flush()

    def line(self):
        return self.stream.readline()

    def statistics(self):
        self.ask(b"stats\r\n")
        found = {}
        while (words := self.line().split())[0] != b"END":
            found[words[1].decode()] = words[2].decode()
        return found


def memcached(stage, _):
    path = program("memcached", "memcached")
    memcslap = program("memcslap", "libmemcached-tools")
    process, port = stage.server(lambda p: [path, "-u", "nobody", "-l", "127.0.0.1", "-p", p,
                                            "-U", "0", "-t", "4", "-m", "64"])
    with stage.few_kernel_threads(process):
        clients = [Memcache(port) for _ in range(30)]
        for i, client in enumerate(clients):
            value = some_bytes(500 + i, i)
            client.ask(b"set key%d 0 0 %d\r\n%s\r\n" % (i, len(value), value))
        for client in clients:
            same(client.line(), b"STORED\r\n", "the answer to set")
        for i, client in enumerate(clients):
            client.ask(b"get key%d\r\nget nothing\r\n" % ((i + 7) % 30))
        for i, client in enumerate(clients):
            value = some_bytes(500 + (i + 7) % 30, (i + 7) % 30)
            same(client.line(), b"VALUE key%d 0 %d\r\n" % ((i + 7) % 30, len(value)), "get")
            same(client.stream.read(len(value) + 2), value + b"\r\n", "the value")
            same(client.line(), b"END\r\n", "the end of a value")
            same(client.line(), b"END\r\n", "the end of no value")
        before = clients[0].statistics()
        for kind, load in (("set", 0), ("get", 500)):
            stage.run([memcslap, "--servers", f"127.0.0.1:{port}", "--concurrency=30",
                       "--execute-number=200", f"--test={kind}", f"--initial-load={load}"])
        after = clients[1].statistics()
    for counter, least in (("cmd_set", 6000), ("cmd_get", 6000)):
        count = int(after[counter]) - int(before[counter])
        check(count >= least, f"{counter} grew by {count}, not by {least}")
    same(after["threads"], "4", "memcached's own threads")
    same(stage.stop(process), 0, "memcached's status after SIGTERM")
