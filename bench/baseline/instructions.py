#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Counts the instructions of hot paths by callgrind and compares them with a baseline. More than the tolerance above it
is an error.

usage: instructions.py [--renew] [--compiler NAME] [--optimization LEVEL] BASELINE PROGRAM...
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
LEAST = 3  # instructions that always may come on top
# So that libc's functions are the same ones on every processor.
PINNED = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-ERMS,-FSRM,-BMI2,-LZCNT,-MOVBE,-RTM,-SSE4_2,-SSE4_1,-SSSE3"


def count(program):
    """{path: instructions of one operation}"""
    least = {}
    with tempfile.TemporaryDirectory(prefix="weft-instructions-") as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--dump-line=no", f"--callgrind-out-file={directory}/out", str(program)],
            env={**os.environ, "GLIBC_TUNABLES": PINNED}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60, check=False)
        if done.returncode != 0:
            sys.exit(f"{program} under callgrind ended with status {done.returncode}:\n"
                     f"{done.stdout.decode(errors='replace')[-2000:]}")
        for dump in pathlib.Path(directory).iterdir():
            text = dump.read_text(errors="replace")
            what = re.search(r"^desc: Trigger: Client Request: (.+) (\d+)$", text, re.M)
            total = re.search(r"^(?:totals|summary): (\d+)$", text, re.M)
            if what and total:
                name, operations = what[1], int(what[2])
                least[name] = min(least.get(name, (1 << 60, 1)), (int(total[1]), operations))
    nothing = least.pop("nothing", (0, 1))[0]
    if not least:
        sys.exit(f"{program} counted nothing")
    return {name: round((total - nothing) / operations, 1) for name, (total, operations) in sorted(least.items())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("baseline", type=pathlib.Path)
    parser.add_argument("programs", type=pathlib.Path, nargs="+")
    parser.add_argument("--renew", action="store_true", help="write the baseline")
    parser.add_argument("--compiler", default="")
    parser.add_argument("--optimization", default="")
    arguments = parser.parse_args()
    here = {"compiler": arguments.compiler, "optimization": arguments.optimization,
            "libc": os.confstr("CS_GNU_LIBC_VERSION"), "architecture": platform.machine()}
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        sys.exit(SKIPPED)
    baseline = json.loads(arguments.baseline.read_text()) if arguments.baseline.exists() else {"tolerance": 0.1}
    if not arguments.renew and baseline["counted_with"] != here:
        print(f"skipped: the baseline was counted with {baseline['counted_with']}, this is {here}")
        sys.exit(SKIPPED)

    counted = {}
    for program in arguments.programs:
        counted |= count(program)
    if arguments.renew:
        arguments.baseline.write_text(json.dumps(
            {"tolerance": baseline["tolerance"], "counted_with": here, "instructions": counted},
            indent=2, ensure_ascii=False) + "\n")
        print(f"{arguments.baseline} is renewed")
        return

    tolerance, before = baseline["tolerance"], baseline["instructions"]
    wrong = []
    for name in sorted(before.keys() | counted.keys()):
        old, new = before.get(name), counted.get(name)
        note = ""
        if old is None or new is None:
            note = "only counted now" if old is None else "not counted any more"
            wrong.append(f"{name}: {note}")
        elif new > max(old * (1 + tolerance), old + LEAST):
            note = "MORE"
            wrong.append(f"{name}: {new:g} instructions instead of {old:g}")
        elif new < min(old * (1 - tolerance), old - LEAST):
            note = "less: renew the baseline, so that it stays so"
        print(f"{name:45} {old if old is not None else '–':>8} {new if new is not None else '–':>8}  {note}")
    if wrong:
        print(f"\nBeyond the tolerance of {tolerance:.0%} (or {LEAST} instructions):", *wrong, sep="\n  ")
        print("If that is what it has to cost, renew the baseline and commit it:\n  "
              f"{sys.argv[0]} --renew --compiler '{arguments.compiler}' --optimization '{arguments.optimization}' "
              f"{arguments.baseline} {' '.join(str(program) for program in arguments.programs)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
