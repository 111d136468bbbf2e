#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The page of names, include/weft/README.md, held against what it speaks of.

    names.py fill PAGE OUTPUT   writes a program that compiles only if weft has each name of the middle column
    names.py check PAGE         fails unless each public name of gevent and asyncio stands in the first column

In the middle column each piece of code is one of weft's names, without `weft::` and perhaps with its arguments; or
begins with something else than a letter, or with `std::`.
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
CODE = re.compile(r"`([^`]+)`")
NAME = re.compile(r"[A-Za-z_]\w*(?:<[^()]*?>)?(?:::[A-Za-z_]\w*(?:<[^()]*?>)?)*")
# What the parameters of templates stand for here.
ARGUMENTS = {"T": "int", "Y": "int", "S": "int", "R": "int"}


def rows(page):
    """(line number, cells) of every row of the page's tables."""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("|") and not line.startswith("|---"):
            yield number, [cell.strip() for cell in line.strip("|").split("|")]


def weft_names(page):
    """Each name once, with the line where it stands first."""
    found = {}
    for number, cells in rows(page):
        for code in CODE.findall(cells[1]):
            match = NAME.match(code)
            if match and not code.startswith("std::"):
                found.setdefault(match.group(), number)
    return found


def with_arguments(name):
    return re.sub(r"<([^<>]*)>", lambda m: "<" + re.sub(r"\w+", lambda w: ARGUMENTS[w.group()], m.group(1)) + ">", name)


def fill(page, output):
    lines = ["#include <weft/weft.hpp>", "namespace {"]
    for i, (name, number) in enumerate(weft_names(page).items()):
        scope, _, member = name.rpartition("::")
        lines.append(f'#line {number} "{page}"')
        if not scope or scope in ("io", "this_fiber"):
            # A name of a namespace: a type, a function, a template, a constant.
            lines.append(f"namespace name{i} {{ using weft::{name.partition('<')[0]}; }}")
        else:
            owner = "weft::" + with_arguments(scope)
            lines.append(f"struct name{i} : {owner} {{ using {owner}::{member}; }};")
    lines.append("} // namespace")
    output.write_text("\n".join(lines) + "\n")


def check(page):
    told = " ".join(code for _, cells in rows(page) for code in CODE.findall(cells[0]))
    words = set(re.findall(r"\w+", told))
    missing = []
    for line in (HERE / "foreign_names.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            module, *names = line.split()
            missing += [f"{module} {name}" for name in names if not set(name.split(".")) <= words]
    if missing:
        print(f"{page} does not tell what weft has for\n  " + "\n  ".join(missing))
    elif len(words) < 100:
        missing.append("")
        print(f"{page} has hardly a name")
    else:
        print(f"{len(words)} words of gevent's and asyncio's, {len(weft_names(page))} names of weft's")
    return 1 if missing else 0


if __name__ == "__main__":
    paths = [pathlib.Path(argument) for argument in sys.argv[2:]]
    if sys.argv[1:2] == ["fill"] and len(paths) == 2:
        fill(*paths)
    elif sys.argv[1:2] == ["check"] and len(paths) == 1:
        sys.exit(check(*paths))
    else:
        sys.exit(__doc__)
