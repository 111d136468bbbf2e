#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the same thread-per-connection echo server natively and under weft, and compares.

    demo.py BUILD_DIR [--idle N] [--active N] [--seconds S]

Every echo is checked by the client. Exits with 0 only if both runs were free of errors.
"""

import argparse
import json
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from runner.server import Server  # noqa: E402

RESERVED_DESCRIPTORS = 100  # what both programs need besides one descriptor a connection
BYTES_A_THREAD = 64 * 1024  # what a native connection costs at most: its stack, the kernel's, sockets
RUN_LIMIT = 60  # seconds, for one of the two runs; a normal one takes about ten


class Line:
    """One line that is written over on a terminal, and few plain lines elsewhere."""

    def __init__(self):
        self.tty = sys.stdout.isatty()
        self.last = ""
        self.shown = time.monotonic()

    def show(self, text):
        if self.tty:
            print("\r" + text.ljust(len(self.last)), end="", flush=True)
            self.last = text
        elif time.monotonic() - self.shown >= 2:
            print(text, flush=True)
            self.shown = time.monotonic()

    def done(self, text):
        if self.tty:
            self.show(text)
            print()
        else:
            print(text, flush=True)
        self.last = ""


def read_number(path, default=None):
    """The first number in a small file of the kernel's, or the default ("max", no such file)."""
    try:
        return int(pathlib.Path(path).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return default


def fields(path):
    """The "Name: value" lines of a file under /proc."""
    found = {}
    for line in pathlib.Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        found[name] = value.split()
    return found


def kernel_stacks():
    return int(fields("/proc/meminfo")["KernelStack"][0])


def settled_kernel_stacks():
    """KernelStack once the threads of whatever ran before are really gone."""
    now = kernel_stacks()
    for _ in range(20):
        before, _ = now, time.sleep(0.15)
        now = kernel_stacks()
        if abs(now - before) < 128:
            break
    return now


def scale(idle, active):
    """As many idle connections as descriptors, memory and threads allow, and why fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        hard = soft
    limits = []
    if hard != resource.RLIM_INFINITY:
        limits.append((hard - RESERVED_DESCRIPTORS, f"{hard} descriptors a process"))
    available = int(fields("/proc/meminfo")["MemAvailable"][0]) * 1024
    limits.append((available // 2 // BYTES_A_THREAD, f"{available >> 20} MiB of memory available"))
    pids = read_number("/sys/fs/cgroup/pids.max")
    if pids is not None:
        used = read_number("/sys/fs/cgroup/pids.current", 0)
        limits.append((pids - used - 100, f"{pids} threads in this control group"))
    threads = read_number("/proc/sys/kernel/threads-max")
    if threads is not None:
        limits.append((threads // 2, f"{threads} threads in this system"))
    maps = read_number("/proc/sys/vm/max_map_count")
    if maps is not None:  # a native thread's stack takes two mappings: it and its guard
        limits.append(((maps - 1000) // 2, f"{maps} mappings a process"))
    most, why = min(limits)
    if idle + active <= most:
        return idle, active, None
    active = max(1, min(active, most // 2))
    return max(0, most - active), active, why


class EchoServer(Server):
    """The echo server, natively or under weft, and what it takes."""

    def __init__(self, command):
        self.kernel_stacks_before = settled_kernel_stacks()
        super().__init__(command)

    def sample(self):
        status = fields(f"/proc/{self.pid}/status")
        kernel = kernel_stacks() - self.kernel_stacks_before + int(status["VmPTE"][0])
        return {
            "threads": int(status["Threads"][0]),
            "resident": int(status["VmRSS"][0]),
            "kernel": max(0, kernel),
        }


def lines_of(stream, deadline):
    """The lines of a pipe, each as soon as it is complete."""
    rest = b""
    while time.monotonic() < deadline:
        if not select.select([stream], [], [], 1)[0]:
            continue
        piece = os.read(stream.fileno(), 65536)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    raise RuntimeError(f"the client did not end within {RUN_LIMIT} s")


def watch(client, server, name, line):
    """Follows the client's progress; samples the server while all connections are open."""
    sample = None
    messages = []
    for text in lines_of(client.stderr, time.monotonic() + RUN_LIMIT):
        words = text.split()
        if words[:1] == ["open"]:
            line.show(f"{name}: {words[1]} of {words[2]} connections")
        elif words[:1] == ["active"]:
            line.show(f"{name}: {words[1]} echoes")
            sample = sample or server.sample()
        elif words[:1] == ["recheck"]:
            line.show(f"{name}: checking {words[1]} of {words[2]} idle connections")
        else:
            messages.append(text)
    return sample, messages


def measure(name, prefix, build, idle, active, seconds, line):
    server = EchoServer(prefix + [str(build / "bench/echo/thread_server")])
    client = None
    try:
        client = subprocess.Popen(
            [str(build / "bench/echo/load_client"), "--port", str(server.port),
             "--idle", str(idle), "--active", str(active), "--seconds", str(seconds),
             "--server-pid", str(server.pid), "--progress"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        sample, messages = watch(client, server, name, line)
        output = client.stdout.read()
        status = client.wait(5)
        if status != 0 or sample is None:
            raise RuntimeError("\n".join(messages) or f"the client ended with status {status}")
        result = json.loads(output) | sample
    finally:
        if client is not None:
            if client.poll() is None:
                client.kill()
            client.wait()
            client.stdout.close()
            client.stderr.close()
        ended = server.stop()
    if ended != 0:
        raise RuntimeError(f"the server ended with status {ended} instead of 0")
    line.done(f"{name}: {result['connections']} connections, {result['requests']} echoes, "
              "every byte checked")
    return result


ROWS = (  # title, key, format, divisor
    ("kernel threads", "threads", "{:,.0f}", 1),
    ("resident memory, MiB", "resident", "{:,.1f}", 1024),
    ("kernel memory, MiB", "kernel", "{:,.1f}", 1024),
    ("connections/s", "connections_per_second", "{:,.0f}", 1),
    ("requests/s", "requests_per_second", "{:,.0f}", 1),
    ("p50, ms", "p50_us", "{:.3f}", 1000),
    ("p99, ms", "p99_us", "{:.3f}", 1000),
    ("p99.9, ms", "p999_us", "{:.3f}", 1000),
    ("server CPU a request, µs", "server_cpu_us_per_request", "{:.2f}", 1),
)


def print_table(native, weft):
    print()
    print(f"{'':26}{'native':>12}{'weft':>12}{'weft/native':>14}")
    for title, key, form, divisor in ROWS:
        ratio = f"{weft[key] / native[key]:.4g}x" if native[key] else "-"
        print(f"{title:26}{form.format(native[key] / divisor):>12}"
              f"{form.format(weft[key] / divisor):>12}{ratio:>14}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--active", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=6)
    arguments = parser.parse_args()

    build = arguments.build.resolve()
    weft = build / "patch/launcher/weft"
    for needed in (weft, build / "bench/echo/thread_server", build / "bench/echo/load_client"):
        if not os.access(needed, os.X_OK):
            sys.exit(f"demo: {needed} is missing: build the project first")

    idle, active, short = scale(arguments.idle, arguments.active)
    print(f"A thread-per-connection echo server in plain pthreads, the same binary twice: "
          f"{idle} idle and {active} active connections, {arguments.seconds:g} s of 64-byte echoes.")
    if short is not None:
        print(f"Scaled down from {arguments.idle} idle and {arguments.active} active "
              f"connections: {short}.")
    line = Line()
    try:
        native = measure("native", [], build, idle, active, arguments.seconds, line)
        patched = measure("weft", [str(weft)], build, idle, active, arguments.seconds, line)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        line.done("")
        sys.exit(f"demo: {error}")
    print_table(native, patched)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    main()
