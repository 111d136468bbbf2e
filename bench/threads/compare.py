#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Threads parked at once: as many as the system lets a native program have, the same number under weft, and a
million under weft. Time and memory of each thread.

usage: compare.py BUILD [--threads N] [--quick] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import subprocess


def run(command):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          timeout=1200, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with status {done.returncode}")
    return json.loads(done.stdout)


def available():
    """Bytes that may be used without harm."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a tenth")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure there")
    arguments = parser.parse_args()
    wanted = arguments.threads // 10 if arguments.quick else arguments.threads
    room = available() * 3 // 4 // 12_000
    if room < wanted:
        print(f"memory for {room} threads only")
        wanted = room
    program = arguments.build / "bench/threads/parked"
    weft = arguments.build / "patch/launcher/weft"

    native = run([program, wanted])
    rows = [("native, as many as there may be", native),
            ("weft, as many", run([weft, program, native["made"]])),
            ("weft", run([weft, program, wanted]))]
    print(f"threads of 16 KiB stacks parked on one condition variable, load {os.getloadavg()[0]:.1f}; goal 8.5 KiB "
          "resident under weft")
    head = ("", "threads", "create, µs", "wake+join, µs", "resident, KiB", "page tables, KiB", "kernel stack, KiB")
    table = [head] + [(name, str(r["made"]), f"{r['create_us']:.2f}", f"{r['join_us']:.2f}",
                       *(f"{r[key] / 1024:.2f}" for key in ("resident", "page_tables", "kernel_stacks")))
                      for name, r in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    for i, row in enumerate(table):
        print("| " + " | ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) + " |")
        if i == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    if arguments.json:
        arguments.json.write_text(json.dumps(dict(rows)))


if __name__ == "__main__":
    main()
