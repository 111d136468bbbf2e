# SPDX-License-Identifier: BSL-1.0
"""HTTP servers that answer every request with the same short text, under wrk, which keeps its connections open and
has one request on each."""
import http.client
import re
import shutil
import tempfile
import time

from runner.records import Case
from runner.server import Server
from runner.session import Failure, Missing, Peer

TITLE = "HTTP: a short answer over so many connections by wrk, the server on one processor, wrk on another"
BARS = [("http-cpu", "HTTP over so many connections: the server's processor time a request", ["cpu/*"],
         ["weft on io_uring", "threads, patched", "threads", "Asio", "hyper", "Go", "gevent", "nginx"], "weft")]
BODY = b"Hello, world!"
MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6}


def cases_of(connections):
    def case(name, title, unit, **more):
        return Case("http", f"{name}/{connections}", f"{connections:,}: {title}", unit, statistic="median", **more)

    return [
        case("cpu", "server's CPU a request", "µs"),
        case("throughput", "requests", "/s", lower_is_better=False),
        case("p50", "latency, half", "µs"),
        case("p99", "latency, 99 %", "µs"),
    ]


def check_answer(port):
    """Twice over one connection, as wrk asks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        for _ in range(2):
            connection.request("GET", "/")
            answer = connection.getresponse()
            if (answer.status, answer.read()) != (200, BODY):
                raise Failure(f"answered {answer.status}")
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"did not answer: {error!r}") from error
    finally:
        connection.close()


def processes_of(pid):
    """The process and its children: nginx serves in one."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return [pid, *(int(word) for word in children.read().split())]


def processor_seconds(pids):
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)  # the clock of another process's time


def latency_of(text):
    """{percentage: microseconds} of what wrk prints, which puts a space behind seconds."""
    latency = {part: float(value) * MICROSECONDS[unit]
               for part, value, unit in re.findall(r"^ +(\d+)% +([\d.]+)(us|ms|s) *$", text, re.MULTILINE)}
    if not {"50", "99"} <= latency.keys():
        raise Failure(f"wrk told no latency: {text!r}")
    return latency


def load(session, server, connections):
    check_answer(server.port)
    seconds = 1 if session.quick else 2
    pids = processes_of(server.pid)
    before = processor_seconds(pids)
    text = session.run([session.tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                        f"http://127.0.0.1:{server.port}/"], processor=session.other_processor, timeout=60)
    used = processor_seconds(pids) - before
    for wrong in ("Socket errors", "Non-2xx"):
        if wrong in text:
            raise Failure(re.search(f".*{wrong}.*", text)[0].strip())
    requests = int(re.search(r"(\d+) requests in", text)[1])
    latency = latency_of(text)
    found = {"cpu": used * 1e6 / requests, "throughput": float(re.search(r"Requests/sec: +([\d.]+)", text)[1]),
             "p50": latency["50"], "p99": latency["99"]}
    return {f"{name}/{connections}": value for name, value in found.items()}


def commands(session, folder):
    """{peer: (command, environment)}"""
    built, peers = session.build / "bench/http", session.build / "bench/peers"
    here = session.source / "bench/http"
    epoll, ring = {"WEFT_BACKEND": "epoll"}, {"WEFT_BACKEND": "io_uring"}
    return {
        "weft": ([built / "http-weft"], epoll),
        "weft on io_uring": ([built / "http-weft"], ring),
        "threads, patched": ([*session.weft(1), built / "http-threads"], epoll),
        "threads": ([built / "http-threads"], {}),
        "Asio": ([built / "http-asio"], {}),
        "hyper": ([peers / "tokio-http"], {}),
        "Go": ([peers / "go-http"], {}),
        "gevent": (["/usr/bin/python3", here / "gevent_server.py"], {}),
        "nginx": (["/usr/bin/python3", here / "nginx_server.py", "/usr/sbin/nginx", folder], {}),
    }


def measure(session):
    def peer(name, command, environment, connections):
        def run():
            session.check_program([word for word in command if word != folder], environment)
            session.tool("wrk")
            if name == "gevent":
                session.check_module("gevent")
            try:
                with Server(command, environment, processor=session.processor) as server:
                    return load(session, server, connections)
            except RuntimeError as error:
                raise Failure(str(error)) from error

        def left_out():
            raise Missing("not in a quick run")

        slow = name == "threads" and connections > 100
        return Peer(name, left_out if session.quick and slow else run, 1 if session.quick else None)

    folder = tempfile.mkdtemp(prefix="weft-nginx-")
    try:
        for connections in (100,) if session.quick else (1, 100, 1000):
            session.alternate(cases_of(connections),
                              [peer(name, *how, connections) for name, how in commands(session, folder).items()])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
