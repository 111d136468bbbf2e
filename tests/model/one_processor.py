#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks one_processor.pml, the model of the patch's only processor, by Spin: one_processor.py COMPILER... [-- VARIANT...]

The model as it is has to pass, and each mutant, in which one step of the protocol is left out or comes too late, has to
fail, by what is named here. Without Spin all of it is skipped.
"""
import pathlib
import sys

from spin import QUICK_REST, main

MODEL = pathlib.Path(__file__).with_name("one_processor.pml")

RIGHT = {
    "calls of the kernel's on one processor": (QUICK_REST, "THREADS=2 WORKERS=3"),
}

STUCK = "thread[0]==4"  # of the assertion that at the end all threads have ended

MUTANTS = {
    "LATE_POLLING": (QUICK_REST, "THREADS=2 WORKERS=3", STUCK),
    "NO_INTERRUPT": (QUICK_REST, "THREADS=2 WORKERS=3", STUCK),
    "FORGETS_EARLY": (QUICK_REST, "THREADS=2 WORKERS=3", "holder==w"),
    "BLIND_TAKING": (QUICK_REST, "THREADS=3 WORKERS=4", "having==1"),
}

if __name__ == "__main__":
    sys.exit(main(MODEL, RIGHT, MUTANTS))
