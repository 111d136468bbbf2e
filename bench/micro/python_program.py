# SPDX-License-Identifier: BSL-1.0
"""What the micro-benchmarks in Python have in common: the command line and the output (bench/micro/program.hpp)."""
import json
import os
import sys
import time

TURNS = 2_000  # of each of two
MOST = 100_000  # "many": a million take minutes


def many():
    return min(int(os.environ.get("BENCH_MANY", MOST)), MOST)


def spans(count):
    """Seconds, all within one."""
    random = 1
    for _ in range(count):
        random = (random * 1664525 + 1013904223) % 2**32
        yield (random >> 8) % 1_000_000 / 1e6


def memory_in_use():
    with open("/proc/self/status", encoding="ascii") as status:
        return sum(int(line.split()[1]) * 1024 for line in status if line.startswith(("VmRSS:", "VmPTE:")))


class Sample:
    """Nanoseconds of a case that measures by itself, and its further figures."""

    def __init__(self, ns, **more):
        self.figures = {"ns": ns, **more}


def count_up():
    i = 0
    while True:
        yield i
        i += 1


def generator(rounds):
    """The language's own."""
    numbers = count_up()
    for _ in range(1000 * rounds):
        next(numbers)
    return 1000 * rounds


def run(cases, once):
    """`cases`: {name: function of rounds that returns how many operations they were, or a Sample}; of the names in
    `once`, one round is long enough."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} CASE SECONDS")
    name, seconds = sys.argv[1], float(sys.argv[2])
    figures = {}
    rounds = 1
    while name in cases:
        begin = time.process_time_ns()
        result = cases[name](rounds)
        taken = time.process_time_ns() - begin
        if isinstance(result, Sample):
            figures = result.figures
            break
        if name in once or taken >= seconds * 1e9:
            figures = {"ns": taken / result}
            break
        rounds *= 2
    print(json.dumps({"case": name, **figures} if figures else {}), flush=True)
    os._exit(0)  # sleepers may be left
