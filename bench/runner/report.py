# SPDX-License-Identifier: BSL-1.0
"""Tables in Markdown, and all figures as JSON and CSV."""
import csv
import json
import pathlib

from runner.machine import sentence
from runner.records import MOST_SPREAD, judge, ratio

SIGNS = {"met": "✔", "not met": "✘", "too noisy": "? too noisy", "machine busy": "? machine busy",
         "one round": "? one round", "not measured": "– not measured"}


def number(value):
    if value is None:
        return "–"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for i, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("| " + " | ".join(cells) + " |")
        if i == 0:
            lines.append("|" + "|".join("-" * (width + 2) if j == 0 else "-" * (width + 1) + ":"
                                        for j, width in enumerate(widths)) + "|")
    return "\n".join(lines)


def by_case(records):
    """{case: {peer: record}}, in the order of measuring."""
    found = {}
    for record in records:
        found.setdefault(record.case, {})[record.peer] = record
    return found


def verdicts(records):
    for case, of_case in by_case(records).items():
        for goal in case.goals:
            yield case, judge(goal, of_case)


def _cell(case, record, records):
    if record is None:
        return "–"
    if not record.values:
        return record.missing.split(":")[0]
    against = records.get(case.reference or "weft")
    if case.reference:
        share = ratio(record, against) if record is not against else None
    else:
        share = ratio(against, record) if record is not against else None
    return number(record.value) + (f" ({share:.2f})" if share is not None else "")


def _goal_cell(case, records):
    parts = []
    for goal in case.goals:
        verdict = judge(goal, records)
        subject = "" if goal.subject == "weft" else f"{goal.subject} "
        figure = "" if verdict.figure is None else f": {number(verdict.figure)}"
        parts.append(f"{subject}{goal.text(case.lower_is_better)}{figure} {SIGNS[verdict.result]}")
    return "; ".join(parts) or "–"


def section_table(records):
    """The table of one section: a row for each case, a column for each peer, and the goals."""
    cases = by_case(records)
    peers = list(dict.fromkeys(record.peer for record in records))
    rows = [("", *peers, "goal")]
    for case, of_case in cases.items():
        title = f"{case.title}, {case.unit}" if case.unit else case.title
        rows.append((title, *(_cell(case, of_case.get(peer), of_case) for peer in peers), _goal_cell(case, of_case)))
    return markdown(rows)


def goals_table(records):
    """Every goal in a row: what is to be reached, and what was. Empty if there is none."""
    rows = [("", "of", "goal", "reached", "")]
    for case, verdict in verdicts(records):
        rows.append((f"{case.section}, {case.title}", verdict.goal.subject, verdict.goal.text(case.lower_is_better),
                     number(verdict.figure), SIGNS[verdict.result]))
    return markdown(rows) if len(rows) > 1 else ""


def spread_table(records):
    """Minimum, median and maximum of the rounds of each record."""
    rows = [("", "peer", "rounds", "minimum", "figure", "maximum", "spread")]
    for record in records:
        if record.values:
            rows.append((record.case.title, record.peer, str(len(record.values)), number(min(record.values)),
                         number(record.value), number(max(record.values)), f"{record.spread:.0%}"))
    return markdown(rows)


def reading(records):
    """How to read a table, and which peers are absent."""
    references = {record.case.reference for record in records}
    shares = "in brackets: " + ", ".join("weft's figure divided by the peer's" if reference is None
                                         else f"the figure divided by that of {reference}"
                                         for reference in sorted(references, key=str))
    lines = [f"{shares}; others kept {max(record.load for record in records):.1f} processors busy at most"]
    reasons = {}  # {why: {peer: its first such record}}; of failures only the first is told
    for record in records:
        if record.missing:
            kind = record.missing.split(":")[0]
            of_kind = reasons.setdefault(record.missing if kind != "failed" else f"{record.peer} {kind}", {})
            of_kind.setdefault(record.peer, record)
    for peers in reasons.values():
        first = next(iter(peers.values()))
        lines.append(f"{', '.join(peers)}: {first.missing} ({first.case.name})")
    return "\n".join(lines)


def summary(records):
    counts = {}
    for _, verdict in verdicts(records):
        counts[verdict.result] = counts.get(verdict.result, 0) + 1
    return "goals: " + (", ".join(f"{count} {result}" for result, count in counts.items()) or "none")


def write(directory, machine, titles, session, drawn=()):
    """results.json, results.csv and results.md in `directory`. `titles`: {section: title}; `drawn`: the plots there."""
    records = session.records
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    judged = [{"section": case.section, "case": case.name, "subject": verdict.goal.subject,
               "goal": verdict.goal.text(case.lower_is_better), "figure": verdict.figure, "result": verdict.result}
              for case, verdict in verdicts(records)]
    everything = {"machine": machine, "records": [record.as_dict() for record in records], "goals": judged,
                  "curves": session.curves}
    (directory / "results.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
    with open(directory / "results.csv", "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["section", "case", "peer", "unit", "lower_is_better", "round", "value"])
        for record in records:
            for i, value in enumerate(record.values):
                lines.writerow([record.case.section, record.case.name, record.peer, record.case.unit,
                                record.case.lower_is_better, i + 1, value])
    text = [f"# Benchmarks\n\n{sentence(machine)}\n\n{summary(records)}. A goal is left undecided (“too noisy”) if it "
            "lies between what the figure may be and that is further apart than "
            + ", ".join(f"{bound:.0%} for a {name}" for name, bound in MOST_SPREAD.items())
            + f".\n\n{goals_table(records)}\n"]
    for section, title in titles.items():
        of_section = [record for record in records if record.case.section == section]
        if of_section:
            text.append(f"## {title}\n\n{section_table(of_section)}\n\n{reading(of_section)}\n\n"
                        f"<details><summary>Rounds</summary>\n\n{spread_table(of_section)}\n\n</details>\n")
    text += [f"![{file.removesuffix('.svg')}]({file})\n" for file in drawn]
    (directory / "results.md").write_text("\n".join(text))
