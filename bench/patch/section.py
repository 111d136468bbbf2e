# SPDX-License-Identifier: BSL-1.0
"""What operations of a threaded program cost, natively and under weft."""
from runner.records import Case, Goal
from runner.session import Failure, Peer

TITLE = "Threads: processor time of one operation of a pthreads program, natively and under weft"


def case(name, title, prototype=None, added=None):
    """The goal is what a prototype took of the native figure on the machine it was written on: nanoseconds of both; or
    how many it added."""
    goals = () if prototype is None else (Goal("weft", round(prototype[0] / prototype[1], 3), "native"),)
    if added is not None:
        goals = (Goal("weft", added, "native", added=True),)
    return Case("patch", name, title, "ns", goals)


CASES = [
    case("getppid", "getppid, made by the kernel", added=16.0),
    case("gettid", "gettid", (10, 87)),
    case("read_zero", "read a byte of /dev/zero"),
    case("yield", "sched_yield, 2 threads, a turn", (19.5, 545)),
    case("mutex_free", "lock+unlock a free mutex"),
    case("mutex", "mutex held over a yield, 2 threads, a turn"),
    case("condition", "condition variable, a turn", (174, 1839)),
    case("semaphore", "semaphores, a turn", (77, 894)),
    case("socketpair", "socket pair, there and back"),
    case("create_join", "create+join a thread", (1450, 9100)),
    case("create_join_many", "create+join, a hundred at a time", (1450, 9100)),
]


def measure(session):
    program = session.build / "bench/patch/calls"
    seconds = 0.05 if session.quick else 0.15

    def peer(name, command, wanted):
        def run():
            text = session.run([*command, wanted.name, seconds])
            try:
                return {wanted.name: float(text)}
            except ValueError as wrong:
                raise Failure(f"{name}: no figure: {text[-200:]!r}") from wrong

        return Peer(name, run)

    for each in CASES:
        session.alternate([each], [peer("weft", [*session.weft(1), program], each),
                                   peer("native", [program], each)])
