#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs CPython's own tests (Debian: libpython3.11-testsuite) natively and under weft, test for test.

    cpython.py --weft WEFT [MODULE...]

Without MODULEs (`test_threading`) all run that have to do with what weft plays the kernel for. A
test passes, fails or is skipped; under weft it has to do what it does natively. If it does not, it
is run again, alone, three times each way, and must be in the list of patch/README.md if that shows
the same. An entry there that matches no test, or whose test is the same after all, is an error as
well. --natively FILE keeps the native outcomes from one run to the next.
"""

import argparse
import concurrent.futures
import json
import os
import re
import sys
import tempfile
import xml.etree.ElementTree

import listed
from running import run

SUITE = "cpython"
PYTHON = "/usr/bin/python3"
MODULES = """test_thread test_threading test_threading_local test_threadsignals test_queue test_select
    test_poll test_epoll test_selectors test_time test_socketserver test_socket test_subprocess
    test_signal test_eintr test_fork1 test_wait3 test_wait4 test_httpservers test_ftplib test_ssl
    test_concurrent_futures test_logging test_faulthandler test_asyncio
    test_multiprocessing_fork""".split()
OPTIONS = {"test_socketserver": ["-u", "network"], "test_socket": ["-i", "*VSOCK*"]}
STARTED = re.compile(r"^\w+ \((test\.[\w.]+)\)", re.MULTILINE)


def outcome_of(case):
    for kind in "error", "failure":
        if case.find(kind) is not None:
            return "fails"
    if case.find("skipped") is not None:
        return "is skipped"
    if case.find("output") is not None:
        return "fails as expected"
    return "unexpectedly passes" if case.find("outcome") is not None else "passes"


def run_module(module, prefix, timeout, *options):
    """Outcome of each test, by its name, and all that was printed."""
    with tempfile.TemporaryDirectory(prefix="cpython-") as place:
        file = os.path.join(place, "results.xml")
        ended, out = run([*prefix, PYTHON, "-m", "test", "-v", "--junit-xml", file,
                          *OPTIONS.get(module, []), *options, module], timeout, cwd=place)
        tests = {}
        try:
            for case in xml.etree.ElementTree.parse(file).iter("testcase"):
                if case.get("name"):  # nameless: a part of it failed
                    tests[case.get("name")] = outcome_of(case)
        except (OSError, xml.etree.ElementTree.ParseError):
            pass
    started = STARTED.findall(out)
    if not tests and ended not in ("exit status 0", "exit status 2"):
        tests[module] = f"{ended}, last in {started[-1] if started else 'no test'}"
    for name in started:
        tests.setdefault(name, "fails")
    return tests, out


def run_modules(modules, prefix, arguments):
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = pool.map(lambda m: run_module(m, prefix, arguments.timeout), modules)
        return dict(zip(modules, results))


def run_again(name, module, prefix, arguments):
    """What became of one test in three runs, and the last run's output."""
    only = [] if name == module else ["-m", name]
    outcomes = set()
    for _ in range(3):
        tests, out = run_module(module, prefix, arguments.timeout, *only)
        outcomes.add(tests.get(name, tests.get(module, "is missing")))
    return outcomes, out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", required=True)
    parser.add_argument("--natively", metavar="FILE")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("module", nargs="*")
    arguments = parser.parse_args()
    weft = [os.path.abspath(arguments.weft)]
    modules = arguments.module or MODULES

    native = {}
    if arguments.natively and os.path.exists(arguments.natively):
        with open(arguments.natively, encoding="utf-8") as kept:
            native = json.load(kept)
    missing = run_modules([m for m in modules if m not in native], [], arguments)
    native.update({module: tests for module, (tests, _) in missing.items()})
    if arguments.natively:
        with open(arguments.natively, "w", encoding="utf-8") as kept:
            json.dump(native, kept, indent=0, sort_keys=True)
    under_weft = run_modules(modules, weft, arguments)

    differing, fickle, names = {}, [], set()
    for module in modules:
        if not native[module]:
            sys.exit(f"cpython: {module} has no tests natively; is libpython3.11-testsuite there?")
        tests, whole = under_weft[module]
        names.update(native[module])
        if module in tests:  # its end, and not a test's: what follows from it is not asked again
            differing[module] = f"{tests[module]}\n{whole[-3000:]}"
            continue
        for name in sorted(native[module].keys() | tests.keys()):
            if native[module].get(name) == tests.get(name):
                continue
            before, _ = run_again(name, module, [], arguments)
            after, out = run_again(name, module, weft, arguments)
            if after <= before or len(before) > 1:
                fickle.append(name)
            else:
                differing[name] = f"natively it {before.pop()}, under weft it " \
                                  f"{', '.join(sorted(after))}\n{out}"
    print(f"{len(names)} tests of {len(modules)} modules; fickle: {' '.join(fickle) or 'none'}")
    sys.exit(min(listed.judge(SUITE, differing, names | set(modules), not arguments.module), 1))


if __name__ == "__main__":
    main()
