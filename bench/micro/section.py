# SPDX-License-Identifier: BSL-1.0
"""What the operations of a runtime cost: each program has the same cases, written in its own way."""
import json

from runner.records import Case, Goal
from runner.session import Failure, Missing, Peer

TITLE = "Micro: processor time of one operation, on one processor"


def case(name, title, unit="ns", goals=(), **more):
    return Case("micro", name, title, unit, tuple(Goal("weft", limit, of) for of, limit in goals), **more)


# The ids are those of the programs; seconds is how long a round lasts.
CASES = [
    case("yield/2", "yield, 2 fibers", goals=[("Boost.Fiber", 0.15), ("Asio", 0.1)]),
    case("yield/1000", "yield, 1000 fibers", goals=[("Boost.Fiber", 0.2)]),
    case("yield_6_frames/2", "yield through 6 frames", goals=[("weft on jump_fcontext", 0.25)]),
    case("spawn_join/1000", "spawn+join, batches of 1000", goals=[("Asio", 0.1), ("Go", 0.15)]),
    case("spawn_join/1000000", "spawn+join, batch of 1M", goals=[("tokio", 0.3)]),
    case("skynet/1000000", "skynet 1M", "ms", goals=[("tokio", 0.06), ("Go", 0.02)]),
    case("mutex", "lock+unlock a free mutex", goals=[("pthread", 1.1)]),
    case("mutex_handed_over", "mutex handed over, 2 fibers", goals=[("Go", 0.1)]),
    case("condition_ping_pong", "condition variable, a turn"),
    case("semaphore", "acquire+release a free semaphore"),
    case("semaphore_ping_pong", "semaphores, a turn"),
]
SIZE = case("bytes", "memory of a sleeping fiber, 1M", "bytes", goals=[(None, 4400)])
START = case("sleepers", "start a sleeper, 1M", goals=[("Go", 0.6)])

LONG = {"spawn_join/1000000", "skynet/1000000"}
# Nanoseconds in the unit of a case.
UNITS = {"ns": 1, "ms": 1e6}
# What takes minutes, and is left out of a quick run.
SLOW = {("Boost.Fiber", "skynet/1000000")}


def programs(build):
    """{peer: (command, environment)}"""
    micro = build / "bench/micro"
    return {
        "weft": ([micro / "micro-weft"], {}),
        "Boost.Fiber": ([micro / "micro-boost-fiber"], {}),
        "weft on jump_fcontext": ([micro / "micro-weft"], {"WEFT_CONTEXT": "boost"}),
        "pthread": ([micro / "micro-pthread"], {}),
    }


# Those that are there for one row.
ONLY = {"weft on jump_fcontext": {"yield_6_frames/2"}}


def measure(session):
    seconds = 0.05 if session.quick else 0.2

    def peer(name, program, wanted, rounds=None):
        command, environment = program

        def run():
            text = session.run([*command, wanted.name, seconds], environment=environment)
            try:
                line = json.loads(text.strip().rsplit("\n", 1)[-1])
            except ValueError as wrong:
                raise Failure(f"{name}: no figures: {text[-200:]!r}") from wrong
            figures = {key: value for key, value in line.items() if key in (SIZE.name,)}
            if "ns" in line:
                figures[wanted.name] = line["ns"] / UNITS[wanted.unit]
            return figures

        def too_long():
            raise Missing("not in a quick run")

        return Peer(name, too_long if session.quick and (name, wanted.name) in SLOW else run, rounds)

    all_programs = programs(session.build)
    for each in [*CASES, START]:
        peers = [peer(name, program, each) for name, program in all_programs.items()
                 if name not in ONLY or each.name in ONLY[name]]
        long = each.name in LONG or each is START
        session.alternate([SIZE, each] if each is START else [each], peers,
                          max(session.rounds // 3, 1) if long else None)
