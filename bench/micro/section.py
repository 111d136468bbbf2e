# SPDX-License-Identifier: BSL-1.0
"""What the operations of a runtime cost: each program has the same cases, written in its own way."""
import json

from runner.records import Case, Goal
from runner.session import Failure, Missing, Peer

TITLE = "Micro: processor time of one operation, on one processor"

BARS = [("micro", "One operation: what others take", [
    "yield/2", "yield/1000", "yield_6_frames/2", "spawn_join/1000", "spawn_join/many", "skynet", "channel", "queue",
    "mutex", "mutex_handed_over", "timers", "sleepers", "bytes"],
    ["Boost.Fiber", "Asio", "Go", "tokio", "std::thread", "gevent"], None)]
# Peers that are there for some rows.
ONLY = {"bare jump_fcontext": {"yield/2", "yield_2_frames/2", "yield_6_frames/2"}, "a pthread alone": {"mutex"}}
# Who takes seconds for what is long.
SLOW = {"gevent", "asyncio"}
MEMORY_OF_MANY = 5 << 30
# Nanoseconds in the unit of a case.
UNITS = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}
# What the program calls it.
NAMES = {("a pthread alone", "mutex"): "mutex_alone"}


def programs(session):
    """{peer: (command, environment)}; each command is run with a case's name and seconds."""
    micro, peers = session.build / "bench/micro", session.build / "bench/peers"
    scripts = session.source / "bench/micro"
    return {
        "weft": ([micro / "micro-weft"], {}),
        "Boost.Fiber": ([micro / "micro-boost-fiber"], {}),
        "Asio": ([micro / "micro-asio"], {}),
        "coroutines by hand": ([micro / "micro-language-floor"], {}),
        "State Threads": ([micro / "micro-state-threads"], {}),
        "Go": ([peers / "go-micro"], {"GOMAXPROCS": "1"}),
        "tokio": ([peers / "tokio-micro"], {}),
        "std::thread": ([micro / "micro-threads"], {}),
        "std::thread, patched": ([*session.weft(1), micro / "micro-threads"], {}),
        "gevent": (["/usr/bin/python3", scripts / "gevent_cases.py"], {}),
        "asyncio": (["/usr/bin/python3", scripts / "asyncio_cases.py"], {}),
        "bare jump_fcontext": ([micro / "micro-bare-jump"], {}),
        "a pthread alone": ([micro / "micro-threads"], {}),
    }


def cases(quick):
    """(case, whether it is long); the names are those of the programs."""
    count = "100k" if quick else "1M"

    def case(name, title, goals=(), unit="ns", long=False, **more):
        # Goals are for a million.
        goals = tuple(Goal("weft", limit, of) for limit, of in goals if not (quick and long))
        return Case("micro", name, title, unit, goals, **more), long

    return [
        case("yield/2", "yield, 2 fibers", [(0.15, "Boost.Fiber"), (0.1, "Asio")]),
        case("yield/1000", "yield, 1000 fibers", [(0.2, "Boost.Fiber")]),
        case("yield_2_frames/2", "yield through 2 frames"),
        case("yield_6_frames/2", "yield through 6 frames", [(0.25, "bare jump_fcontext")]),
        case("spawn_join/1000", "spawn+join, batches of 1000", [(0.1, "Asio"), (0.15, "Go")]),
        case("spawn_join/many", f"spawn+join, a batch of {count}", [(0.3, "tokio")], long=True),
        case("skynet", f"skynet {count}", [(0.06, "tokio"), (0.02, "Go")], "ms", long=True),
        case("stack", "spawn+join, 256 KiB stacks, 16 written"),
        case("channel", "channel ping-pong, a message", [(0.15, "Go")]),
        case("queue", "queue of 64, an item"),
        case("mutex", "lock+unlock a free mutex", [(1.1, "a pthread alone")]),
        case("mutex_handed_over", "mutex held over a yield, 2 fibers", [(0.1, "Go")]),
        case("condition_ping_pong", "condition variable, a turn"),
        case("semaphore", "acquire+release a free semaphore"),
        case("semaphore_ping_pong", "semaphores, a turn"),
        case("future_get", "wait for a future that is set"),
        case("future_callback", "callback of a future"),
        case("generator", "next of a generator"),
        case("exception", "exception thrown after a switch"),
        case("exception_held", "exception held over a switch"),
        case("timers", f"{count} timers, each", [(1.2, "tokio")], long=True),
        case("sleep_late", "a sleep of 1 ms, too long by", unit="µs", statistic="median", most_load=0.5),
    ]


def peer(session, name, program, wanted, figures_of, *, rounds=None, many=False):
    """Runs a program for one case, in at most so many rounds. `figures_of(line)` makes the figures out of what it
    prints. `many`: it makes a million of something."""
    command, environment = program
    seconds = 0.03 if session.quick else 0.2
    if session.quick:
        environment = {"BENCH_MANY": "100000", **environment}

    def run():
        session.check_program(command)
        if name == "gevent":
            session.check_module(name)
        if many:
            session.fetch_memory(MEMORY_OF_MANY // (10 if session.quick else 1))
        text = session.run([*command, NAMES.get((name, wanted), wanted), seconds], environment=environment)
        try:
            line = json.loads(text.strip().rsplit("\n", 1)[-1])
        except ValueError as wrong:
            raise Failure(f"{name}: no figures: {text[-200:]!r}") from wrong
        return figures_of(line)

    return Peer(name, run, rounds)


def measure(session):
    all_programs = programs(session)
    for case, long in cases(session.quick):

        def figures_of(line, case=case):
            return {case.name: line["ns"] / UNITS[case.unit]} if "ns" in line else {}

        def left_out():
            raise Missing("not in a quick run")

        # A million of them take some peers minutes: once, if no goal depends on it.
        judged = {"weft", *(goal.of for goal in case.goals)}
        peers = [Peer(name, left_out) if session.quick and long and name in SLOW
                 else peer(session, name, program, case.name, figures_of, many=long,
                           rounds=1 if long and name not in judged else None)
                 for name, program in all_programs.items() if case.name in ONLY.get(name, (case.name,))]
        session.alternate([case], peers, max(session.rounds // 2, 2) if long else None)
