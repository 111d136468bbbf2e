#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks processors.pml, the model of the patch's processors, by Spin: processors.py COMPILER... [-- VARIANT...]

The model as it is has to pass in each variant: other numbers of workers and threads, which do other things. Each
mutant, in which one step of the protocol is left out or comes too late, has to fail, by what is named here. Without
Spin all of it is skipped.
"""
import pathlib
import sys

from spin import QUICK_REST, main

MODEL = pathlib.Path(__file__).with_name("processors.pml")

RIGHT = {
    "threads that sleep": (QUICK_REST, "SLEEPS YIELDS ACTS=1"),
    "both, and nobody sees to what is left undone": (QUICK_REST, "LEAVES SLEEPS EVENTS ACTS=1 MONITOR=0"),
    "three that wait for each other": (QUICK_REST, "LEAVES JOINS YIELDS THREADS=3 ACTS=1 MONITOR=0"),
    "three of which some compute": (QUICK_REST, "LEAVES JOINS YIELDS COMPUTES THREADS=3 WORKERS=4 ACTS=1"),
    "one that computes and is not preempted": (QUICK_REST, "JOINS COMPUTES NO_PREEMPT THREADS=3 ACTS=1"),
    "calls of the kernel's": (QUICK_REST, "NATIVE YIELDS WORKERS=4 ACTS=1"),
    "a worker of a thread's own": (QUICK_REST, "BOUND YIELDS EVENTS ACTS=1"),
    "the first thread is left alone": (QUICK_REST, "ALONE JOINS EVENTS ACTS=1"),
}

STUCK = "thread[0]==4"  # of the assertion that at the end all threads have ended
CALLED = "ordered[0]"  # that nobody who was called sleeps
HELD = "holder[holds[self]]==self"  # that a processor has one holder, who knows it
TAKEN = "holder[p]==w"  # likewise, of who has just taken it
GIVEN = "holds[u]==7"  # that who is given one has none
POLLER = "poller==7"
LATE = "single"

MUTANTS = {
    "LOOKS_BEFORE": (QUICK_REST, "EVENTS JOINS MONITOR=0 ACTS=1", STUCK),
    "LATE_TIMER": (QUICK_REST, "EVENTS SLEEPS ACTS=1", STUCK),
    "NO_INTERRUPT": (QUICK_REST, "JOINS COMPUTES NO_PREEMPT THREADS=3 ACTS=1", STUCK),
    "NO_SPREAD": (QUICK_REST, "COMPUTES NO_PREEMPT ACTS=1", STUCK),
    "WAKE_FIRST": (QUICK_REST, "JOINS YIELDS ACTS=2", CALLED),
    "BLIND_TAKING": (QUICK_REST, "NATIVE WORKERS=4 ACTS=1", HELD),
    "FORGETS_EARLY": (QUICK_REST, "NATIVE WORKERS=4 ACTS=1", TAKEN),
    "SECOND_PROCESSOR": (QUICK_REST, "BOUND YIELDS EVENTS ACTS=1", GIVEN),
    "TWO_POLLERS": (QUICK_REST, "SLEEPS EVENTS ACTS=1", POLLER),
    "LATE_HELPER": (QUICK_REST, "ALONE JOINS EVENTS ACTS=1", LATE),
}

if __name__ == "__main__":
    sys.exit(main(MODEL, RIGHT, MUTANTS))
