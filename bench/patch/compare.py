#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What operations of a threaded program cost, in processor time, natively and under weft, in turn (A B A B ...), pinned to one
processor, as one table: the minimum of all rounds, the median beside it, and the goal.

usage: compare.py BUILD [--rounds N] [--quick] [--cpu N] [--json FILE] [CASE...]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

# name, what it is, goal under weft in ns (of a prototype, on the machine it was written on), and whether the goal
# is what is added to the native cost
ROWS = [
    ("getppid", "getppid, made by the kernel", 16.0, True),
    ("gettid", "gettid", 10.0, False),
    ("read_zero", "read a byte of /dev/zero", None, False),
    ("yield", "sched_yield, 2 threads, a turn", 19.5, False),
    ("mutex_free", "lock+unlock a free mutex", None, False),
    ("mutex", "mutex held over a yield, 2 threads, a turn", None, False),
    ("condition", "condition variable, a turn", 174.0, False),
    ("semaphore", "semaphores, a turn", 77.0, False),
    ("socketpair", "socket pair, there and back", None, False),
    ("create_join", "create+join a thread", 1450.0, False),
    ("create_join_many", "create+join, a hundred at a time", 1450.0, False),
]


def run(command, case, cpu):
    done = subprocess.run(["taskset", "-c", str(cpu), *command, case], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=300, check=True)
    return float(done.stdout)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def number(value):
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def show(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for i, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")
        if i == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("case", nargs="*")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=pathlib.Path, help="write every figure there")
    arguments = parser.parse_intermixed_args()
    rounds = 2 if arguments.quick else max(arguments.rounds, 1)
    program = str(arguments.build / "bench/patch/calls")
    ways = {"native": [program], "weft": [str(arguments.build / "patch/launcher/weft"), program]}

    print(f"ns an operation, minimum of {rounds} rounds in turn, processor {arguments.cpu}, "
          f"load {os.getloadavg()[0]:.1f}")
    rows = [("", "native", "median", "weft", "median", "native / weft", "goal")]
    results = []
    for case, title, goal, added in ROWS:
        if arguments.case and case not in arguments.case:
            continue
        found = {name: [] for name in ways}
        for i in range(rounds):
            for name, command in ways.items():
                progress(f"{case}: round {i + 1} of {rounds}, {name}")
                found[name].append(run(command, case, arguments.cpu))
        progress("")
        native, weft = min(found["native"]), min(found["weft"])
        text = "–" if goal is None else number(native + goal if added else goal)
        verdict = "" if goal is None else (" ✔" if weft <= (native + goal if added else goal) else " ✘")
        rows.append((title, number(native), number(statistics.median(found["native"])), number(weft),
                     number(statistics.median(found["weft"])), f"{native / weft:.1f}", text + verdict))
        results.append({"case": case, **found, "goal": goal, "added": added})
    show(rows)
    print("goal: a prototype's figures from another machine; for getppid what it added, here to the native cost")
    if arguments.json:
        arguments.json.write_text(json.dumps({"rounds": rounds, "load": os.getloadavg(), "rows": results}))


if __name__ == "__main__":
    main()
