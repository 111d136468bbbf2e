# SPDX-License-Identifier: BSL-1.0
"""Runs a model by Spin, in variants that have to pass and with mutants that have to fail."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

SKIPPED = 77  # Meson's

# How the checker is compiled and started. It is bounded in steps of a run, megabytes and seconds.
QUICK = ["-DSAFETY"], []  # to compile: for mutants
SAFETY = ["-O2", "-DSAFETY"], []
REST = ["-O2", "-DSAFETY"], ["-E"]  # who sleeps at the end is no error: at_rest looks
QUICK_REST = ["-DSAFETY"], ["-E"]
LIVENESS = ["-O2", "-DNFAIR=3"], ["-a", "-f"]
FAIR = ["-DNFAIR=3"], ["-a", "-f", "-A"]  # liveness alone, without the assertions
DEPTH, MEGABYTES, SECONDS = 100_000, 1000, 120


def verify(model, compiler, how, macros, folder):
    """What the checker prints about the model with these macros."""
    compiled, started = how
    subprocess.run(["spin", "-a", *(f"-D{each}" for each in macros.split()), model], cwd=folder, check=True,
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


def check(model, compiler, name, variant):
    """Whether a variant does what it should; says so."""
    how, macros, wrong = variant if len(variant) == 3 else variant + (None,)
    if wrong:
        macros += " " + name.split()[0]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        said = verify(model, compiler, how, macros, folder)
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


def main(model, right, mutants):
    """idle.py COMPILER... [-- VARIANT...], or another model's."""
    if not shutil.which("spin"):
        print("no Spin here")
        return SKIPPED
    compiler, names = sys.argv[1:], []
    if "--" in compiler:
        at = compiler.index("--")
        compiler, names = compiler[:at], compiler[at + 1:]
    variants = {**right, **mutants}
    model = pathlib.Path(model).resolve()
    return 0 if all([check(model, compiler, name, variants[name]) for name in names or variants]) else 1
