# SPDX-License-Identifier: BSL-1.0
"""The list of patch/README.md: tests of public suites that differ under weft, each with its cause."""

import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "patch" / "README.md"
HEADING = "## What differs in public suites"
ROW = re.compile(r"\| `(?P<suite>[^`]+)` \| `(?P<test>[^`]+)` \| (?P<cause>.+) \|")


def read(suite):
    """Test and cause of each entry of `suite`."""
    _, found, rest = README.read_text(encoding="utf-8").partition(HEADING + "\n")
    if not found:
        raise SystemExit(f"{README}: no section {HEADING!r}")
    section = rest.partition("\n## ")[0]
    rows = [ROW.fullmatch(line) for line in section.splitlines() if line.startswith("| `")]
    if None in rows:
        raise SystemExit(f"{README}: a row of {HEADING!r} is not `| suite | test | cause |`")
    return {row["test"]: row["cause"] for row in rows if row["suite"] == suite}


def judge(suite, differing, run, everything):
    """Compares what differs (test: how) with the list; prints every disagreement, and returns
    their number. `run` are all tests that ran, which is the whole suite if `everything`."""
    entries = read(suite)
    bad = 0
    for test, how in sorted(differing.items()):
        if test in entries:
            print(f"differs, as listed: {test}: {entries[test]}")
        else:
            print(f"DIFFERS: {test}: {how.rstrip()}")
            bad += 1
    for test in sorted(entries):
        if test not in run and everything:
            print(f"LISTED, BUT THERE IS NO SUCH TEST: {test}")
            bad += 1
        elif test in run and test not in differing:
            print(f"LISTED, BUT THE SAME: {test}")
            bad += 1
    return bad
