#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What weft adds to the start of a process: /bin/true natively, with the library preloaded by hand, and through the
launcher, in turns (A B C A B C ...), so that all three meet the same machine.

    startup.py --weft BUILD/patch/launcher/weft [--library BUILD/patch/libweft-patch.so] [--rounds N] [--cpu N]
"""
import argparse
import os
import pathlib
import statistics
import time

PROGRAM = "/bin/true"


def once(command, environment):
    """Milliseconds from making the process to its end."""
    began = time.perf_counter_ns()
    pid = os.posix_spawn(command[0], command, environment)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise RuntimeError(f"{command} ended with status {status:#x}")
    return (time.perf_counter_ns() - began) / 1e6


def ways(launcher, library):
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("WEFT_")}
    return {
        "native": ([PROGRAM], clean),
        "preloaded": ([PROGRAM], {**clean, "LD_PRELOAD": str(library)}),
        "launched": ([str(launcher), PROGRAM], clean),
    }


def rounds(launcher, library):
    """Endless rounds of one run each way: {way: milliseconds}."""
    all_ways = ways(launcher, library)
    for command, environment in all_ways.values():
        once(command, environment)  # files into the cache
    while True:
        yield {name: once(*way) for name, way in all_ways.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", required=True, type=pathlib.Path)
    parser.add_argument("--library", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--cpu", type=int, help="run all on this one")
    arguments = parser.parse_args()
    launcher = arguments.weft.resolve()
    library = (arguments.library or launcher.parent.parent / "libweft-patch.so").resolve()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})

    taken = {}
    for _, times in zip(range(arguments.rounds), rounds(launcher, library)):
        for way, ms in times.items():
            taken.setdefault(way, []).append(ms)
    print(f"{'ms':10} {'minimum':>8} {'median':>8} {'added':>8}   {arguments.rounds} rounds of {PROGRAM}")
    base = statistics.median(taken["native"])
    for way, all_ms in taken.items():
        median = statistics.median(all_ms)
        print(f"{way:10} {min(all_ms):8.3f} {median:8.3f} {median - base:8.3f}")


if __name__ == "__main__":
    main()
