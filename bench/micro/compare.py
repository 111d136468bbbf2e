#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the micro benchmarks of weft and Boost.Fiber in turn (A B A B ...), each pinned to the same processor,
and prints one table of process CPU time: the minimum of all rounds, the median beside it, and weft's ratios.

usage: compare.py BUILD [--rounds N] [--quick] [--cpu N] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

# Nanoseconds (or what the unit says) of a 600-line prototype without exceptions, cancellation, results and
# thread safety, each the minimum of six rounds on the machine it was written on.
FLOOR = {
    "yield/2": 4.1,
    "yield/1000": 6.3,
    "yield_6_frames/2": 9.7,
    "spawn_join/1000": 7.0,
    "spawn_join/1000000": 30.0,
    "skynet/1000000": 8.7,
    "sleepers": 4208.0,
}

# name, what it is, unit, divisor from nanoseconds, whether one run is long enough to be a round of its own
ROWS = [
    ("yield/2", "yield, 2 fibers", "ns", 1, False),
    ("yield/1000", "yield, 1000 fibers", "ns", 1, False),
    ("yield_6_frames/2", "yield through 6 frames", "ns", 1, False),
    ("spawn_join/1000", "spawn+join, batches of 1000", "ns", 1, False),
    ("spawn_join/1000000", "spawn+join, batch of 1M", "ns", 1, True),
    ("skynet/1000000", "skynet 1M", "ms", 1e6, True),
    ("mutex", "lock+unlock a free mutex", "ns", 1, False),
    ("mutex_handed_over", "mutex handed over, 2 fibers", "ns", 1, False),
    ("condition_ping_pong", "condition variable, a turn", "ns", 1, False),
    ("semaphore", "acquire+release a free semaphore", "ns", 1, False),
    ("semaphore_ping_pong", "semaphores, a turn", "ns", 1, False),
    ("sleepers", "start a sleeper", "ns", 1, True),
]
# Boost.Fiber has none.
WEFT_ALONE = {"semaphore", "semaphore_ping_pong"}


class Program:
    def __init__(self, name, path, environment=None):
        self.name = name
        self.path = path
        self.environment = {**os.environ, **(environment or {})}

    def run(self, case, cpu, long):
        """One round of one case: nanoseconds an operation, and bytes if the case counts those."""
        command = ["taskset", "-c", str(cpu), str(self.path), f"--benchmark_filter=^{case}(/|$)",
                   "--benchmark_format=json"]
        # Long cases run twice in one process, since the first time also pays for fresh memory, once for all.
        command.append("--benchmark_repetitions=2" if long and case != "sleepers" else "--benchmark_min_time=0.2")
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=600, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{self.path} failed on {case}: {done.stderr.decode()[-500:]}")
        # What a library may print to standard output comes before.
        text = done.stdout.decode()
        runs = [run for run in json.loads(text[text.index("{"):])["benchmarks"]
                if run["run_type"] == "iteration"]
        failed = next((run for run in runs if run.get("error_occurred")), None)
        if failed or not runs:
            raise SystemExit(f"{self.name}: {case}: {failed['error_message'] if failed else 'no such case'}")
        best = min(runs, key=lambda run: run["cpu_time"])
        return best["cpu_time"] / best["operations"], best.get("bytes")


def progress(text):
    """What is going on, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def measure(programs, case, cpu, long, rounds):
    """{program: [(ns, bytes), ...]}, the programs in turn."""
    found = {program.name: [] for program in programs}
    for number in range(rounds):
        for program in programs:
            progress(f"{case}: round {number + 1} of {rounds}, {program.name}")
            found[program.name].append(program.run(case, cpu, long))
    progress("")
    return found


def number(value):
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def ratio(value, other):
    return f"{value / other:.2f}" if value is not None and other else "–"


class Table:
    def __init__(self):
        self.rows = [("", "weft", "median", "Boost.Fiber", "median", "weft / Boost.Fiber", "floor", "weft / floor")]
        self.results = []

    def add(self, title, unit, weft, peer, floor):
        best = min(weft)
        other = min(peer) if peer else None
        self.rows.append((f"{title}, {unit}", number(best), number(statistics.median(weft)), number(other),
                          number(statistics.median(peer) if peer else None), ratio(best, other), number(floor), ratio(best, floor)))
        self.results.append({"case": title, "unit": unit, "weft": weft, "boost_fiber": peer, "floor": floor})

    def show(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(len(self.rows[0]))]
        for i, row in enumerate(self.rows):
            cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
            print("| " + " | ".join(cells) + " |")
            if i == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=6, help="of the short cases; the long ones run a third")
    parser.add_argument("--quick", action="store_true", help="two rounds, and no case that takes minutes")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=pathlib.Path, help="write every figure there")
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else max(arguments.rounds, 1)

    directory = arguments.build / "bench" / "micro"
    weft = Program("weft", directory / "micro-weft")
    boost = Program("Boost.Fiber", directory / "micro-boost-fiber")
    weft_on_boost_jump = Program("weft on jump_fcontext", directory / "micro-weft", {"WEFT_CONTEXT": "boost"})

    print(f"process CPU time, minimum of {rounds} rounds in turn (long cases {max(rounds // 3, 1)}), "
          f"processor {arguments.cpu}, load {os.getloadavg()[0]:.1f}")
    table = Table()
    notes = []
    for case, title, unit, divisor, long in ROWS:
        if case in WEFT_ALONE or (arguments.quick and case == "skynet/1000000"):
            peers = [weft]
        else:
            peers = [weft, boost]
        if case == "yield_6_frames/2":
            peers.append(weft_on_boost_jump)
        found = measure(peers, case, arguments.cpu, long, max(rounds // 3, 1) if long else rounds)
        times = {name: [time / divisor for time, _ in runs] for name, runs in found.items()}
        if case == "sleepers":
            sizes = {name: [size for _, size in runs] for name, runs in found.items()}
            table.add("memory of a sleeping fiber", "bytes", sizes["weft"], sizes["Boost.Fiber"], FLOOR["sleepers"])
            table.add(title, unit, times["weft"], times["Boost.Fiber"], None)
            notes.append("sleepers: a million of weft's, a hundred thousand of Boost.Fiber's (16 KiB stacks, pooled)")
        else:
            table.add(title, unit, times["weft"], times.get("Boost.Fiber", []), FLOOR.get(case))
        if weft_on_boost_jump.name in times:
            slow = min(times[weft_on_boost_jump.name])
            notes.append(f"{title}: {min(times['weft']) / slow:.2f} of the same chain on jump_fcontext "
                         f"({number(slow)} ns)")
        if case == "mutex":
            threads = measure([weft], "thread_mutex", arguments.cpu, False, rounds)["weft"]
            fastest = min(time for time, _ in threads)
            notes.append(f"{title}: {min(times['weft']) / fastest:.2f} of a pthread mutex in a program of one thread "
                         f"({number(fastest)} ns)")
    table.show()
    for note in notes:
        print(note)
    print("floor: the prototype's figures from another run on another machine, for orientation; "
          "the ratio to Boost.Fiber is of this run")
    if arguments.json:
        arguments.json.write_text(json.dumps({"rounds": rounds, "load": os.getloadavg(), "rows": table.results}))


if __name__ == "__main__":
    main()
