# SPDX-License-Identifier: BSL-1.0
"""Plots as SVG, drawn by gnuplot: bars of ratios, and curves."""
import fnmatch
import pathlib
import shutil
import statistics
import subprocess
import sys

from runner.records import ratio
from runner.report import by_case

COLOURS = ["#1b6ca8", "#d1495b", "#edae49", "#66a182", "#6c5b7b", "#8d96a3", "#2e4057", "#c06c84", "#5d8233", "#b08968",
           "#00798c", "#9b5de5"]


def _quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', "'") + '"'


def _draw(path, width, height, title, subtitle, commands):
    script = [f"set terminal svg size {width},{height} dynamic background '#ffffff' font 'sans-serif,12'",
              f"set output {_quoted(path)}", "set encoding utf8",
              f"set title {_quoted(title)} . \"\\n{{/*0.8 {subtitle}}}\" enhanced",
              "set border 3", "set xtics nomirror", "set ytics nomirror", "set grid ytics lc rgb '#dddddd'", "set key outside right top noenhanced",
              *commands]
    done = subprocess.run(["gnuplot"], input="\n".join(script).encode(), check=False, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        print(f"no {path}: {done.stderr.decode(errors='replace')[:300].strip()}", file=sys.stderr)


def bars(path, title, subtitle, records, patterns, peers, against=None):
    """A group of bars for each case that a pattern names: what a peer takes, divided by what `against` (or weft)
    takes. False if there is nothing to draw."""
    groups = []
    for case, of_case in by_case(records).items():
        if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns):
            base = of_case.get(against or "weft")
            groups.append((case.title, [ratio(of_case.get(peer), base) for peer in peers]))
    groups = [(name, values) for name, values in groups if any(values)]
    peers = [(peer, i) for i, peer in enumerate(peers) if any(values[i] for _, values in groups)]
    if not groups or not peers:
        return False
    # "100: a request", "1,000: a request": the figure says what a request is.
    if len(groups) > 1 and len({name.split(": ", 1)[-1] for name, _ in groups}) == 1:
        groups = [(name.split(": ", 1)[0], values) for name, values in groups]
    shown = [value for _, values in groups for value in values if value]
    low, high = 0.8 * min(1, *shown), 1.25 * max(1, *shown)
    data = ["$data << EOD"]
    for name, values in groups:
        data.append(" ".join([_quoted(name)] + [str(values[i] or "NaN") for _, i in peers]))
    data.append("EOD")
    columns = ", ".join(f"$data using {column + 2}{':xtic(1)' if column == 0 else ''} title {_quoted(peer)} "
                        f"lc rgb '{COLOURS[column % len(COLOURS)]}'" for column, (peer, _) in enumerate(peers))
    _draw(path, max(700, 200 + len(groups) * (26 + 13 * len(peers))), 520, title, subtitle,
          [*data, "set style data histograms", "set style histogram clustered gap 1", "set style fill solid 0.9",
           "set boxwidth 0.9", "set logscale y", f"set yrange [{low:.3g}:{high:.3g}]", "set format y '%g'",
           *(["set ytics (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20)"] if high < 30 * low else []), "set xtics rotate by -35 noenhanced nomirror",
           f"set ylabel {_quoted('times ' + (against or 'weft') + ', logarithmic')} noenhanced",
           "set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#444444' dt 2", f"plot {columns}"])
    return True


def curves(path, title, subtitle, axes, lines, commands=()):
    """`lines`: {name: [(x, y), ...]}; `axes`: the titles of x and y, both logarithmic."""
    data, columns = [], []
    for number, (name, points) in enumerate(lines.items()):
        data += [f"$d{number} << EOD", *(f"{x} {y}" for x, y in points), "EOD"]
        columns.append(f"$d{number} using 1:2 with linespoints lw 2 pt 7 ps 0.5 lc rgb "
                       f"'{COLOURS[number % len(COLOURS)]}' title {_quoted(name)}")
    if not columns:
        return False
    _draw(path, 900, 480, title, subtitle,
          [*data, "set logscale xy", f"set xlabel {_quoted(axes[0])}", f"set ylabel {_quoted(axes[1])}", *commands,
           "plot " + ", ".join(columns)])
    return True


def _latency(path, what, subtitle, rounds_of):
    """Of quantiles, so that each step to the right is a tenth of what is left."""
    lines = {}
    for peer, rounds in rounds_of.items():
        by_quantile = {}
        for points in rounds:
            for q, y in points:
                by_quantile.setdefault(q, []).append(y)
        lines[peer] = [(1 / (1 - q), max(statistics.median(ys), 0.1)) for q, ys in sorted(by_quantile.items())
                       if 0.5 <= q < 1]
    section, connections = what.split("/")[0], int(what.rsplit("/", 1)[1])
    return curves(path, f"{section}, {connections:,} connections: latency", subtitle,
                  ("part of all requests", "µs"), lines,
                  ['set xtics ("50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000)'])


def draw(directory, machine, sections, session):
    """Everything there is to draw of `sections`, {name: module}, which say what their bars are: BARS = [(file, title,
    case patterns, peers, reference)]. Returns the files' names."""
    if shutil.which("gnuplot") is None:
        return []
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    subtitle = f"{machine['date'][:10]}, {machine['processor']}".replace("@", "at").replace("_", " ")
    drawn = []
    for section, module in sections.items():
        records = [record for record in session.records if record.case.section == section]
        for name, title, patterns, peers, against in getattr(module, "BARS", ()):
            file = f"{name}.svg"
            if bars(directory / file, title, subtitle, records, patterns, peers, against):
                drawn.append(file)
    for what, of_what in session.curves.items():
        file = what.replace("/", "-") + ".svg"
        if "/latency/" in what:
            good = _latency(directory / file, what, subtitle, of_what)
        else:
            title, axes = session.curve_titles.get(what, (what, ("", "")))
            good = curves(directory / file, title, subtitle, axes,
                          {peer: [(x, statistics.median(ys)) for x, ys in sorted(_by_x(rounds).items())]
                           for peer, rounds in of_what.items()})
        if good:
            drawn.append(file)
    return drawn


def _by_x(rounds):
    found = {}
    for points in rounds:
        for x, y in points:
            found.setdefault(x, []).append(y)
    return found
