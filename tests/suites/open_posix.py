#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the programs of a built open_posix_testsuite natively and under weft, test for test.

    open_posix.py --weft WEFT DIRECTORY [PATTERN...]

DIRECTORY is the suite's own, after its `make` in `conformance`; PATTERNs (`pthread_*/*`, as fnmatch
knows them) choose among its tests, named like `sem_wait/1-1`. A test passes with exit status 0. What passes
natively has to pass under weft: else it is run again, alone, three times each way, and must be in
the list of patch/README.md if that shows the same. An entry there that matches no test, or whose
test passes after all, is an error as well. --natively FILE keeps the native outcomes from one run
to the next.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import sys

import listed
from running import run

SUITE = "open_posix"
ENDINGS = {"exit status 0": "PASS", "exit status 1": "FAIL", "exit status 2": "UNRESOLVED",
           "exit status 4": "UNSUPPORTED", "exit status 5": "UNTESTED"}


def find(directory):
    """All tests, by name. A shell script there is one too."""
    root = pathlib.Path(directory) / "conformance"
    found = {}
    for suffix in ".run-test", ".sh":
        for path in root.rglob("*" + suffix):
            folder = path.parent.relative_to(root).as_posix().removeprefix("interfaces/")
            prefix = path.parent.name + "_"
            if prefix == "speculative_":
                prefix = path.parent.parent.name + "_speculative_"
            if path.name.startswith(prefix):  # what its makefiles built, not a source
                found[f"{folder}/{path.name[len(prefix):-len(suffix)]}"] = path
    return found


def run_test(path, prefix, timeout):
    """How one test ended, and what it said."""
    ended, out = run([*prefix, str(path)], timeout, cwd=path.parent)
    return ENDINGS.get(ended, ended), out


def run_all(tests, prefix, arguments, title):
    outcomes = {}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        pending = {pool.submit(run_test, path, prefix, arguments.timeout): name
                   for name, path in tests.items()}
        for done in concurrent.futures.as_completed(pending):
            outcomes[pending[done]] = done.result()[0]
            if sys.stderr.isatty():
                print(f"\r{title}: {len(outcomes)} of {len(tests)}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return outcomes


def run_again(path, prefix, arguments):
    """The first failure of three runs, with its output; None if there is none."""
    for _ in range(3):
        ended, out = run_test(path, prefix, arguments.timeout)
        if ended != "PASS":
            return f"{ended}\n{out}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", required=True)
    parser.add_argument("--natively", metavar="FILE")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("directory")
    parser.add_argument("pattern", nargs="*")
    arguments = parser.parse_args()
    weft = [os.path.abspath(arguments.weft)]

    tests = find(os.path.abspath(arguments.directory))
    if not tests:
        sys.exit(f"open_posix: {arguments.directory} holds no built tests")
    everything = not arguments.pattern
    if not everything:
        tests = {name: path for name, path in tests.items()
                 if any(fnmatch.fnmatchcase(name, p) for p in arguments.pattern)}

    native = {}
    if arguments.natively and os.path.exists(arguments.natively):
        with open(arguments.natively, encoding="utf-8") as kept:
            native = json.load(kept)
    native.update(run_all({n: p for n, p in tests.items() if n not in native}, [], arguments,
                          "natively"))
    if arguments.natively:
        with open(arguments.natively, "w", encoding="utf-8") as kept:
            json.dump(native, kept, indent=0, sort_keys=True)
    good = {name: path for name, path in tests.items() if native[name] == "PASS"}
    outcomes = run_all(good, weft, arguments, "under weft")

    differing, fickle = {}, []
    for name in sorted(good):
        if outcomes[name] == "PASS":
            continue
        found = run_again(good[name], weft, arguments)
        if found is None or run_again(good[name], [], arguments) is not None:
            fickle.append(name)
        else:
            differing[name] = found
    print(f"{len(good)} of {len(tests)} pass natively, {len(good) - len(differing)} of these "
          f"under weft; fickle: {' '.join(fickle) or 'none'}")
    sys.exit(min(listed.judge(SUITE, differing, set(tests), everything), 1))


if __name__ == "__main__":
    main()
