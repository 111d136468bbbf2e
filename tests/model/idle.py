#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks idle.pml, the model of runtime/core/idle.hpp, by Spin: idle.py COMPILER... [-- VARIANT...]

The model as it is has to pass in each variant: other numbers of workers and of what they are given. Each mutant, in
which one step of the protocol is left out or comes too late, has to fail, by what is named here: a model that
finds nothing there would prove nothing. Without Spin all of it is skipped.
"""
import pathlib
import sys

from spin import FAIR, LIVENESS, QUICK, REST, SAFETY, main

MODEL = pathlib.Path(__file__).with_name("idle.pml")

RIGHT = {
    "two workers": (SAFETY, "STALE=0"),
    "two workers that miss work": (SAFETY, "SPAWNS=0 DEADLINES=0"),
    "two workers, a word each": (SAFETY, "PER_WORD=1 STALE=0 DEADLINES=0"),
    "two threads that are no workers": (SAFETY, "FOREIGN=2 ITEMS=1 SPAWNS=0 STALE=0 DEADLINES=0"),
    "full queues": (SAFETY, "CAPACITY=1 ITEMS=1 SPAWNS=2 STALE=0 DEADLINES=0"),
    "an end in the midst": (SAFETY, "EARLY_END ITEMS=1 STALE=0"),
    "three workers": (REST, "AT_REST WORKERS=3 PER_WORD=2 ITEMS=1 SPAWNS=0 STALE=0"),
    "everybody ends": (LIVENESS, "EVENTUALLY ITEMS=1 SPAWNS=0"),
    "everything is done": (LIVENESS, "FOR_EVER SPAWNS=0 STALE=0"),
}

LOST = "looking==0"  # of the assertion that there is no work where somebody sleeps and nobody sees to it
HERD = "called_ones<=1"
COUNT = "searching_=="
STUCK = "invalid end state"
CYCLE = "acceptance cycle"

SMALL = "STALE=0 DEADLINES=0 ITEMS=1 SPAWNS=0"
MUTANTS = {
    "NO_RECHECK": (QUICK, SMALL, LOST),
    "NO_RECHECK for ever": (FAIR, "FOR_EVER STALE=0 DEADLINES=0 SPAWNS=0", CYCLE),
    "LATE_ANNOUNCEMENT": (QUICK, SMALL, LOST),
    "LATE_DECREMENT": (QUICK, SMALL, LOST),
    "LATE_PUBLISHING": (QUICK, "STALE=0 DEADLINES=0 ITEMS=1", LOST),
    "NO_NEXT_CALL": (QUICK, "STALE=0 DEADLINES=0", LOST),
    "NO_SECOND_LOOK": (QUICK, "STALE=0 FOREIGN=2 ITEMS=1 SPAWNS=0 DEADLINES=0", LOST),
    "MEMBERS_FIRST": (QUICK, "STALE=0 SPAWNS=0", LOST),
    "UNCOUNTED_CALL": (QUICK, SMALL, COUNT),
    "CALL_BESIDE_SEARCHERS": (QUICK, "STALE=0 DEADLINES=0 SPAWNS=0", HERD),
    "BLIND_RETURN": (QUICK, SMALL, COUNT),
    "FORGETFUL_UNPARK": (QUICK, SMALL, STUCK),
    "LATE_GIVING": (QUICK, SMALL, STUCK),
    "BLIND_PARK": (QUICK, SMALL, STUCK),
}

if __name__ == "__main__":
    sys.exit(main(MODEL, RIGHT, MUTANTS))
