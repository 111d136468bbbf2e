# SPDX-License-Identifier: BSL-1.0
"""Echo servers: each has one processor, and a client on another that keeps every connection busy with messages of 64
bytes and checks each byte that comes back."""
import contextlib
import json

from runner.records import Case, Goal
from runner.server import Server
from runner.session import Failure, Missing, Peer

TITLE = "Echo: 64 bytes to and fro over so many connections, the server on one processor, its load on another"
BARS = [("echo-cpu", "Echo over so many connections: the server's processor time a request", ["cpu/*"],
         ["epoll, a buffer each", "weft", "weft on io_uring", "threads, patched", "patched on io_uring", "threads",
          "io_uring", "Asio", "tokio", "Go", "gevent"], "epoll")]
KERNEL_STACK_KIB = 16  # of each thread, on x86-64
MOST_LOAD = 0.5


def cases_of(connections):
    def case(name, title, unit, goals=(), **more):
        return Case("echo", f"{name}/{connections}", f"{connections:,}: {title}", unit, tuple(goals), statistic="median",
                    reference="epoll", most_load=MOST_LOAD, **more)

    cost = [Goal("threads, patched", 1.05, "epoll")]
    if connections >= 100:
        cost += [Goal("weft", 1.03, "epoll"), Goal("weft on io_uring", 0.96, "epoll")]
    return [
        case("cpu", "server's CPU a request", "µs", cost),
        case("throughput", "requests", "/s", lower_is_better=False),
        case("p50", "latency, half", "µs"),
        case("p99", "latency, 99 %", "µs", [Goal("threads, patched", 1.0, "epoll")] if connections >= 100 else []),
        case("p999", "latency, 99.9 %", "µs"),
        # The server's resident memory and page tables, and the stacks of its threads in the kernel.
        case("memory", "memory a connection", "KiB"),
    ]


def commands(session):
    """{peer: (command, environment)}"""
    echo, peers = session.build / "bench/echo", session.build / "bench/peers"
    here = session.source / "bench/echo"
    epoll, ring = {"WEFT_BACKEND": "epoll"}, {"WEFT_BACKEND": "io_uring"}
    return {
        "epoll": ([echo / "echo-epoll"], {}),
        "epoll, a buffer each": ([echo / "echo-epoll", "0", "each"], {}),
        "weft": ([echo / "echo-weft"], epoll),
        "weft on io_uring": ([echo / "echo-weft"], ring),
        "threads, patched": ([*session.weft(1), echo / "thread_server"], epoll),
        "patched on io_uring": ([*session.weft(1), echo / "thread_server"], ring),
        "threads": ([echo / "thread_server"], {}),
        "io_uring": ([echo / "echo-io_uring"], {}),
        "Asio": ([echo / "echo-asio"], {}),
        "tokio": ([peers / "tokio-echo"], {}),
        "Go": ([peers / "go-echo"], {}),
        "gevent": (["/usr/bin/python3", here / "gevent_server.py"], {}),
    }


def memory_kib(result, connections):
    resident, tables, threads = (after - before for before, after in (
        result["server_resident_kib"], result["server_page_tables_kib"], result["server_threads"]))
    return (resident + tables + threads * KERNEL_STACK_KIB) / connections


def figures(result, connections, fresh):
    of = {"cpu": result["server_cpu_us_per_request"], "throughput": result["requests_per_second"],
          "p50": result["p50_us"], "p99": result["p99_us"], "p999": result["p999_us"]}
    # Of one connection it is mostly what the first of all takes; later ones are given what earlier ones gave back.
    if connections >= 100 and fresh:
        of["memory"] = memory_kib(result, connections)
    return {f"{name}/{connections}": value for name, value in of.items()}


def measure(session):
    # Short and many: what disturbs lasts longer than a round, and meets all peers of it.
    seconds = 0.4 if session.quick else 0.5
    rounds = session.rounds if session.quick else session.rounds * 3
    client = session.build / "bench/echo/load_client"

    def peer(name, command, environment, connections, servers):
        started = []  # its server, which runs on while the others' are measured

        def run():
            session.check_program(command, environment)
            if name == "gevent":
                session.check_module("gevent")
            try:
                fresh = not started
                if fresh:
                    started.append(servers.enter_context(Server(command, environment, processor=session.processor)))
                server = started[0]
                text = session.run([client, "--port", server.port, "--active", connections, "--seconds", seconds,
                                    "--server-pid", server.pid], processor=session.other_processor, timeout=120)
            except RuntimeError as error:
                raise Failure(str(error)) from error
            result = json.loads(text)
            session.keep_curve(f"echo/latency/{connections}", name, result["latency_us"])
            return figures(result, connections, fresh)

        def left_out():
            raise Missing("not in a quick run")

        # Thousands of kernel threads take seconds to start.
        return Peer(name, left_out if session.quick and name == "threads" and connections > 100 else run)

    for connections in (100, 1000) if session.quick else (1, 100, 1000, 8000):
        with contextlib.ExitStack() as servers:
            session.alternate(cases_of(connections),
                              [peer(name, *how, connections, servers) for name, how in commands(session).items()], rounds)
