# SPDX-License-Identifier: BSL-1.0
"""Threads parked at once: as many as the system lets a native program have, the same number under weft, and a
million under weft. Time and memory of each thread."""
import json

from runner.machine import available_memory
from runner.records import Case, Goal
from runner.session import Missing, Peer

TITLE = "Threads parked at once, of 16 KiB stacks, on one condition variable"
MANY = 1_000_000
BYTES_A_THREAD = 12_000  # what it takes at most


def case(name, title, unit, goals=(), **more):
    return Case("threads", name, title, unit, tuple(goals), statistic="median", **more)


CASES = [
    case("made", "threads", "", lower_is_better=False, goals=[Goal("weft, a million", MANY)]),
    case("create_us", "create and park", "µs"),
    case("join_us", "wake and join", "µs"),
    case("resident", "resident memory", "bytes", goals=[Goal("weft, a million", 8704)]),
    case("page_tables", "page tables", "bytes"),
    case("kernel_stacks", "kernel stack", "bytes"),
]


def measure(session):
    program = session.build / "bench/threads/parked"
    weft = session.weft(1)
    wanted = MANY // 10 if session.quick else MANY
    room = available_memory() * 3 // 4 // BYTES_A_THREAD
    native = {}

    def run(command, count):
        session.fetch_memory(count * BYTES_A_THREAD)
        return json.loads(session.run([*command, count], timeout=1200))

    def run_native():
        native.update(run([program], min(wanted, room)))
        return native

    def run_weft():
        if not native:
            raise Missing("no native run to compare with")
        return run([*weft, program], native["made"])

    def run_million():
        if session.quick:
            raise Missing("not in a quick run")
        if room < MANY:
            raise Missing(f"memory for {room} threads only")
        return run([*weft, program], MANY)

    session.alternate(CASES, [Peer("native", run_native), Peer("weft", run_weft), Peer("weft, a million", run_million)],
                      1 if session.quick else 2)
