#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the benchmarks, weft and its peers in turn, and writes tables, JSON and CSV. bench/README.md says what each
section measures.

usage: run.py BUILD [--quick] [--section NAME]... [--case PATTERN]... [--peer PATTERN]... [--rounds N]
              [--processors A,B] [--workers N] [--output DIRECTORY] [--show-rounds]
"""
import argparse
import pathlib
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from runner import machine, plots, report  # noqa: E402
from runner.sections import load  # noqa: E402
from runner.session import NotBuilt, Session  # noqa: E402

# In this order; and the seconds that each may take of a quick run, with what those before it have left.
SECTIONS = {"micro": 85, "growth": 15, "patch": 20, "memory": 15, "threads": 10, "echo": 45, "http": 30, "programs": 60,
            "workers": 20}


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="few rounds of smaller cases: within five minutes in all")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="only this; may be given several times")
    parser.add_argument("--case", action="append", default=[], help="only cases like this, such as 'yield*'")
    parser.add_argument("--peer", action="append", default=[], help="only peers like this, and what goals refer to")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--processors", type=numbers, help="to use, the last for what runs alone")
    parser.add_argument("--workers", type=int, help="kernel threads of programs under weft; default: what weft chooses")
    parser.add_argument("--output", type=pathlib.Path, help="where results go; default BUILD/results")
    parser.add_argument("--show-rounds", action="store_true", help="print the rounds of each figure as well")
    arguments = parser.parse_args()

    session = Session(arguments.build.resolve(), quick=arguments.quick, rounds=arguments.rounds,
                      processors=arguments.processors, cases=arguments.case, peers=arguments.peer,
                      workers=arguments.workers)
    about = machine.description()
    output = arguments.output or arguments.build / "results"
    titles, sections = {}, {}
    broken_off = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(machine.sentence(about), flush=True)
    for name in arguments.section or SECTIONS:
        section = load(name)
        session.begin(SECTIONS[name] if arguments.quick and not arguments.section else None)
        sections[name] = section
        titles[name] = section.TITLE
        before = len(session.records)
        try:
            section.measure(session)
        except KeyboardInterrupt:
            broken_off = True
        session.progress.clear()
        records = session.records[before:]
        if records:
            print(f"\n## {section.TITLE}\n\n{report.section_table(records)}\n\n{report.reading(records)}", flush=True)
            if arguments.show_rounds:
                print(f"\n{report.spread_table(records)}", flush=True)
            # After each section, so that a run that is broken off leaves what it has found.
            report.write(output, about, titles, session)
        if broken_off:
            print("broken off", file=sys.stderr)
            break
    drawn = plots.draw(output, about, sections, session)
    report.write(output, about, titles, session, drawn)
    print(f"\n## Goals\n\n{report.goals_table(session.records)}\n\n{report.summary(session.records)}; all figures are "
          f"in {output}")
    failed = [f"{r.case.section}/{r.case.name}, {r.peer}: {r.missing}" for r in session.records
              if r.missing.startswith("failed")]
    for line in failed:
        print(line, file=sys.stderr)
    sys.exit(1 if failed or broken_off else 0)


if __name__ == "__main__":
    try:
        main()
    except NotBuilt as lack:
        sys.exit(f"run.py: {lack}")
