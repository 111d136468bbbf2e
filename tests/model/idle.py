#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks idle.pml, the model of runtime/core/idle.hpp, by Spin: idle.py COMPILER... [-- VARIANT...]

The model as it is has to pass in each variant: other numbers of workers and of what they are given. Each mutant, in
which one step of the protocol is left out or comes too late, has to fail, by what is named here: a model that
finds nothing there would prove nothing. Without Spin all of it is skipped.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).with_name("idle.pml")
SKIPPED = 77  # Meson's

# How the checker is compiled and started. It is bounded in steps of a run, megabytes and seconds.
QUICK = ["-DSAFETY"], []  # to compile: for mutants
SAFETY = ["-O2", "-DSAFETY"], []
REST = ["-O2", "-DSAFETY"], ["-E"]  # who sleeps at the end is no error: at_rest looks
LIVENESS = ["-O2", "-DNFAIR=3"], ["-a", "-f"]
FAIR = ["-DNFAIR=3"], ["-a", "-f", "-A"]  # liveness alone, without the assertions
DEPTH, MEGABYTES, SECONDS = 100_000, 1000, 120

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


def verify(compiler, how, macros, folder):
    """What the checker prints about the model with these macros."""
    compiled, started = how
    subprocess.run(["spin", "-a", *(f"-D{each}" for each in macros.split()), MODEL], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([*compiler, "-w", f"-DMEMLIM={MEGABYTES}", *compiled, "-o", "pan", "pan.c"], cwd=folder,
                   check=True)
    ran = subprocess.run(["./pan", f"-m{DEPTH}"] + started, cwd=folder, check=False, timeout=SECONDS, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return ran.stdout


def is_whole(said):
    """Whether the checker has been everywhere."""
    return not re.search(r"max search depth too small|memory\b.*exceeded|out of memory|MEMLIM bound|search not completed",
                         said, re.IGNORECASE)


def check(compiler, name):
    """Whether a variant does what it should; says so."""
    how, macros, wrong = MUTANTS.get(name) or RIGHT[name] + (None,)
    if wrong:
        macros += " " + name.split()[0]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        said = verify(compiler, how, macros, folder)
    states = re.search(r"(\d+) states, stored", said)
    errors = re.search(r"errors: (\d+)", said)
    if wrong:
        good = bool(errors) and int(errors[1]) > 0 and re.search(rf"pan:\d+: .*{re.escape(wrong)}", said) is not None
    else:
        good = bool(errors and states) and int(errors[1]) == 0 and int(states[1]) > 1000 and is_whole(said)
    print(f"{'ok' if good else 'WRONG'}: {name}: {'fails' if errors and int(errors[1]) else 'passes'}, "
          f"{states[1] if states else '?'} states, {time.monotonic() - begun:.1f} s", flush=True)
    if not good:
        print(said)
    return good


def main(arguments):
    if not shutil.which("spin"):
        print("no Spin here")
        return SKIPPED
    compiler, names = arguments, []
    if "--" in arguments:
        compiler, names = arguments[:arguments.index("--")], arguments[arguments.index("--") + 1:]
    results = [check(compiler, name) for name in names or [*RIGHT, *MUTANTS]]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
