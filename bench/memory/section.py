# SPDX-License-Identifier: BSL-1.0
"""What it takes to have very many: bytes of each fiber that sleeps, its handle and page tables included, and the
processor time to start it. The programs are those of the micro-benchmarks."""
from runner.records import Case, Goal
from runner.sections import load
from runner.session import Missing, Peer

TITLE = "Memory: what sleepers take, and how long it takes to start them"

# At most so many: Python needs minutes for more, Boost.Fiber's and State Threads' stacks are mappings, of which a
# process has 65,530, and of kernel threads there are 32,768 at most.
MOST = {"gevent": 100_000, "asyncio": 100_000, "std::thread": 10_000, "std::thread, patched": 10_000}
BARS = [("memory", "Memory of a sleeper", ["bytes/*"],
         ["Boost.Fiber", "Asio", "State Threads", "Go", "tokio", "std::thread", "std::thread, patched", "gevent",
          "asyncio"], "weft")]
NOT_HERE = {"bare jump_fcontext", "a pthread alone"}


def cases_of(count):
    goals = count == 1_000_000
    name = f"{count // 1000}k" if count < 1_000_000 else "1M"
    return [
        Case("memory", f"bytes/{name}", f"{name} sleepers: memory of each", "bytes",
             (Goal("weft", 4400),) if goals else ()),
        Case("memory", f"start/{name}", f"{name} sleepers: start of each", "ns",
             (Goal("weft", 0.6, "Go"),) if goals else ()),
    ]


def measure(session):
    micro = load("micro")

    def peer(name, program, count, size, start):
        command, environment = program
        most = MOST.get(name, count)
        environment = {**environment, "BENCH_MANY": str(min(most, count))}

        def figures_of(line):
            return {size.name: line["bytes"], start.name: line["ns"]} if "bytes" in line else {}

        def too_many():
            raise Missing(f"not more than {most:,}")

        if most * 10 <= count and name.startswith(("gevent", "asyncio")):
            return Peer(name, too_many)
        return micro.peer(session, name, (command, environment), "sleepers", figures_of, many=True)

    for count in (100_000,) if session.quick else (100_000, 1_000_000):
        size, start = cases_of(count)
        session.alternate([size, start], [peer(name, program, count, size, start)
                                          for name, program in micro.programs(session).items() if name not in NOT_HERE],
                          1 if session.quick else max(session.rounds // 2, 2))
