#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Real threaded programs under weft: each case checks what they answer, byte by byte, and that they
need no more than a handful of kernel threads.

    real_programs.py CASE [--weft WEFT] [--helper PROGRAM]

Without --weft the programs run natively. A program that is not installed is a failure.
"""

import argparse
import os
import pathlib
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import clients  # noqa: E402
import own  # noqa: E402
import servers  # noqa: E402
from stage import Failure, Stage  # noqa: E402

CASES = {
    "siege": clients.siege,
    "axel": clients.axel,
    "python": own.python,
    "libmicrohttpd": own.libmicrohttpd,
    "rust": own.rust,
    "curl": own.curl,
    "tinyproxy": servers.tinyproxy,
    "memcached": servers.memcached,
    "weborf": servers.weborf,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--weft")
    parser.add_argument("--helper", help="the program of the tests' own that the case runs")
    arguments = parser.parse_args()
    if arguments.weft and not os.access(arguments.weft, os.X_OK):
        sys.exit(f"{arguments.weft} is missing: build the project first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    try:
        # The programs run in a folder of their own.
        weft, helper = (path and os.path.abspath(path)
                        for path in (arguments.weft, arguments.helper))
        with Stage(weft) as stage:
            CASES[arguments.case](stage, helper)
    except Failure as failure:
        sys.exit(f"{arguments.case}: {failure}")
    print(f"{arguments.case}: ok")


if __name__ == "__main__":
    main()
