#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""C++ exceptions over switches: the same scenes by threads and by fibers, with libweft, with the patch and with both
in the process. All must write what plain threads write without either.

Usage: exceptions_test.py LAUNCHER THREADS FIBERS FIBERS_IN_THREADS OPENER OPENED_LIBRARY
"""
import difflib
import os
import subprocess
import sys

LAUNCHER, THREADS, FIBERS, FIBERS_IN_THREADS, OPENER, OPENED = map(os.path.abspath, sys.argv[1:7])
ROUNDS = 5


def output(*command):
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("WEFT_")}
    done = subprocess.run(command, env=clean, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.stdout + (f"status {done.returncode}\n" if done.returncode else "")


def main():
    expected = output(THREADS)
    if "left with: tagged 1\n" not in expected or "status" in expected:
        sys.exit(f"the scenes were not played natively:\n{expected}")
    bad = 0
    for name, command in {
            "fibers": [FIBERS],
            "fibers in threads": [FIBERS_IN_THREADS],
            "fibers of an opened library": [OPENER, OPENED],
            "threads, patched": [LAUNCHER, THREADS],
            "fibers, patched": [LAUNCHER, FIBERS],
            "fibers in threads, patched": [LAUNCHER, FIBERS_IN_THREADS],
            "fibers of an opened library, patched": [LAUNCHER, OPENER, OPENED],
    }.items():
        for _ in range(ROUNDS):
            found = output(*command)
            if found == expected:
                continue
            bad += 1
            print("not ok", name)
            print("\n".join(difflib.unified_diff(expected.splitlines(), found.splitlines(), "threads", name, lineterm="")))
            break
        else:
            print("ok", name)
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
