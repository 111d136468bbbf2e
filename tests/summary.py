#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Adds up what `meson test` left in each build directory given; the last line is "N passed, N failed".

A GoogleTest program counts by its cases, any other test as one. A directory without results, a test without a
case and a sum of nothing are failures: silence must never look like success.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as xml

PASSED = {"OK", "EXPECTEDFAIL"}


def cases(build, name):
    """(passed, failed, skipped) by the report that Meson asks of a GoogleTest program; None for another kind."""
    try:
        found = xml.parse(build / f"{name}.xml").getroot().findall(".//testcase")
    except (OSError, xml.ParseError):
        return None
    failed = sum(1 for case in found if case.find("failure") is not None or case.find("error") is not None)
    skipped = sum(1 for case in found if case.find("skipped") is not None or case.get("status") == "notrun")
    return len(found) - failed - skipped, failed, skipped


def add_up(build):
    """(passed, failed, skipped) of a build directory, naming each test that failed."""
    log = build / "meson-logs" / "testlog.json"
    try:
        tests = [json.loads(line) for line in log.read_text().splitlines()]
    except OSError:
        tests = []
    if not tests:
        print(f"{build}: no test ran")
        return 0, 1, 0
    total = [0, 0, 0]
    for test in tests:
        # Meson writes "project:suite / name" once there are suites.
        report = cases(build, test["name"].rpartition(" / ")[2])
        passed, failed, skipped = report or (0, 0, 0)
        if test["result"] == "SKIP":
            skipped = max(skipped, 1)
        elif test["result"] not in PASSED:
            failed = max(failed, 1)  # a program that dies leaves no report
        elif report is None:
            passed = 1
        elif passed + failed + skipped == 0:
            failed = 1
        if failed:
            print(f"{build}: {test['name']}: {test['result']}")
        total = [a + b for a, b in zip(total, (passed, failed, skipped))]
    return tuple(total)


def main(directories):
    totals = [add_up(pathlib.Path(each)) for each in directories]
    passed, failed, skipped = (sum(column) for column in zip(*totals)) if totals else (0, 0, 0)
    if passed == 0 and failed == 0:
        failed = 1
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
