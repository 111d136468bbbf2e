# SPDX-License-Identifier: BSL-1.0
"""Whether what an operation costs grows with the number of fibers, and what a million of them cost that do nothing."""
import json

from runner.records import Case, Goal
from runner.session import Failure, Peer

TITLE = "Growth: processor time of one operation among so many fibers"
COUNTS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
MOST = {"Boost.Fiber": 100_000, "State Threads": 100_000}  # more take them minutes
OPERATIONS = {
    "yield_among": "a switch, all yield in turn",
    "park_among": "a wake-up and a park, all wait",
    "timer_among": "set and cancel a timer, all sleep",
}
# What is left of it is what waking up the one who looks at the clock takes.
IDLE = Case("growth", "idle_among/1000000", "a second while 1,000,000 sleep", "µs", (Goal("weft", 500.0),))


def measure(session):
    micro = session.build / "bench/micro"
    programs = {name: micro / f"micro-{file}" for name, file in (
        ("weft", "weft"), ("Boost.Fiber", "boost-fiber"), ("State Threads", "state-threads"))}

    def peer(name, case, unit):
        def run():
            text = session.run([programs[name], case.name, "0.1"])
            try:
                line = json.loads(text)
            except ValueError as wrong:
                raise Failure(f"{name}: no figures: {text[-200:]!r}") from wrong
            return {case.name: line["ns"] / unit} if "ns" in line else {}

        return Peer(name, run)

    session.alternate([IDLE], [peer("weft", IDLE, 1e3)], min(session.rounds, 3))
    # A million take seconds to start.
    counts = (10, 10_000, 100_000) if session.quick else COUNTS
    for operation, title in OPERATIONS.items():
        curve = {}
        for count in counts:
            case = Case("growth", f"{operation}/{count}", f"{title}, {count:,}", "ns")
            names = [name for name in programs if count <= MOST.get(name, count)]
            found = session.alternate([case], [peer(name, case, 1) for name in names],
                                      1 if session.quick else min(session.rounds, 3)).get(case.name, {})
            for name, record in found.items():
                if record.values:
                    curve.setdefault(name, []).append((count, record.value))
        for name, points in curve.items():
            session.keep_curve(f"growth/{operation}", name, points, f"{title[0].upper()}{title[1:]}",
                               ("fibers", "ns of processor time"))
