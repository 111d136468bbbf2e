#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs a program natively and under weft, and compares output, errors and the way it ended.

    compare.py --weft WEFT [--timeout S] [--each | --limits] [--kernel-threads N] [--through PROGRAM]
               PROGRAM [ARGUMENT...]

With --limits, every check that `PROGRAM --list` names must be right natively and not under weft.
With --each, every check that `PROGRAM --list` names is run alone, for programs whose checks end the
process. The native run must end as the program announces in its first line (`ends by: SIGSEGV`),
else with exit status 0: a program that is wrong natively proves nothing. When the outputs of a
whole run differ, the checks are run one by one to tell which differ alone as well.
"""

import argparse
import difflib
import os
import signal
import subprocess
import sys
import time

LIMIT = "no end within the time limit"


def run(command, timeout):
    """How the command ended, its output and its errors. It gets a process group of its own."""
    environment = dict(os.environ, LC_ALL="C")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True, env=environment)
    try:
        out, err = process.communicate(timeout=timeout)
        status = process.returncode
        ended = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
    except subprocess.TimeoutExpired:
        ended = LIMIT
    try:
        os.killpg(process.pid, signal.SIGKILL)  # the group may outlive its leader
        if ended != LIMIT:
            print("# left processes behind:", " ".join(command))
    except ProcessLookupError:
        pass
    if ended == LIMIT:
        out, err = process.communicate()
    return ended, out.decode(errors="replace"), err.decode(errors="replace")


def most_kernel_threads(command, timeout):
    """Runs the command once more, its output thrown away, and counts meanwhile."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    most, end = 0, time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < end:
        try:
            with open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace") as status:
                most = max([most] + [int(line.split()[1]) for line in status
                                     if line.startswith("Threads:")])
        except OSError:
            pass
        time.sleep(0.01)
    process.kill()
    process.wait()
    return most


def difference(native, weft):
    """A readable difference between two outcomes, empty if there is none."""
    lines = []
    for what, left, right in zip(("end", "output", "errors"), native, weft):
        if left != right:
            lines.append(f"--- {what}: - natively, + under weft")
            diff = difflib.unified_diff(left.splitlines(), right.splitlines(), lineterm="", n=1)
            lines.extend(list(diff)[2:])
    return "\n".join(lines)


def announced_end(output):
    """What a check that ends the process says first: `ends by: exit status 3`."""
    first = output.partition("\n")[0]
    return first[9:] if first.startswith("ends by: ") else "exit status 0"


def compare(arguments, command):
    native = run(arguments.through + command, arguments.timeout)
    if native[0] != announced_end(native[1]):
        return f"natively: {native[0]}\n{native[1]}{native[2]}"
    return difference(native, run([*arguments.through, arguments.weft, *command], arguments.timeout))


def names(arguments):
    listed = run([arguments.program, "--list"], arguments.timeout)
    return listed[1].split() if listed[0] == "exit status 0" else []


def compare_each(arguments):
    bad = 0
    for name in names(arguments):
        found = compare(arguments, [arguments.program, name])
        print(f"{'not ok' if found else 'ok'} {name}", found, sep="\n" if found else "", flush=True)
        bad += bool(found)
    return bad


def check_limits(arguments):
    """Each check must be right natively and not under weft."""
    bad = 0
    for name in names(arguments):
        native = run([arguments.program, name], arguments.timeout)
        weft = run([arguments.weft, arguments.program, name], arguments.timeout)
        wrong = None
        if native[0] != "exit status 0":
            wrong = f"natively: {native[0]}\n{native[1]}{native[2]}"
        elif weft[0] == "exit status 0":
            wrong = "is no limit any more"
        print(f"{'not ok' if wrong else 'ok'} {name}", wrong or "", flush=True)
        bad += bool(wrong)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", required=True)
    parser.add_argument("--timeout", type=float, default=40)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--kernel-threads", type=int, metavar="N",
                        help="more than these natively, at most these under weft")
    parser.add_argument("--through", action="append", default=[], metavar="PROGRAM",
                        help="starts both runs: given what to run as arguments")
    parser.add_argument("program")
    parser.add_argument("argument", nargs="*")
    arguments = parser.parse_args()
    if not os.access(arguments.weft, os.X_OK):
        sys.exit(f"compare: {arguments.weft} is missing: build the project first")

    if arguments.limits:
        if not names(arguments):
            sys.exit(f"compare: {arguments.program} lists no checks")
        sys.exit(1 if check_limits(arguments) else 0)
    if arguments.each:
        if not names(arguments):
            sys.exit(f"compare: {arguments.program} lists no checks")
        sys.exit(1 if compare_each(arguments) else 0)
    found = compare(arguments, [arguments.program, *arguments.argument])
    if not found and arguments.kernel_threads is not None:
        command = [arguments.program, *arguments.argument]
        native = most_kernel_threads(command, arguments.timeout)
        weft = most_kernel_threads([arguments.weft, *command], arguments.timeout)
        print(f"kernel threads at most: {native} natively, {weft} under weft")
        if not weft <= arguments.kernel_threads < native:
            sys.exit(f"not more than {arguments.kernel_threads} natively, or more under weft")
    if not found:
        print("the same natively and under weft")
        return
    print(found)
    if not arguments.argument and names(arguments):
        print("\nOne by one:")
        arguments.timeout = min(arguments.timeout, 15)
        compare_each(arguments)
    sys.exit(1)


if __name__ == "__main__":
    main()
