#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What run.py says of a build directory that lacks something, and of goals."""
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

RUN = pathlib.Path(__file__).resolve().parent.parent / "run.py"
sys.path.insert(0, str(RUN.parent))
from runner import plots, report, sections
from runner.machine import own_time
from runner.records import Case, Goal, Record, judge, median_bounds
from runner.session import Failure, Missing, Peer, Session
PROGRAM = "bench/threads/parked"


class Lacking(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weft-bench-")
        self.addCleanup(self.folder.cleanup)
        self.build = pathlib.Path(self.folder.name).resolve()

    def run_threads(self):
        done = subprocess.run([sys.executable, RUN, self.build, "--quick", "--section", "threads"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def describe(self, *files):
        (self.build / "meson-info").mkdir()
        described = [{"filename": [str(self.build / file) for file in files]}]
        (self.build / "meson-info/intro-targets.json").write_text(json.dumps(described))

    def test_what_is_no_build_directory(self):
        status, _, errors = self.run_threads()
        self.assertEqual((status, errors),
                         (1, f"run.py: {self.build} is no build directory: meson setup -Dbench=true {self.build}\n"))

    def test_a_program_that_is_not_built(self):
        self.describe(PROGRAM)
        status, _, errors = self.run_threads()
        self.assertEqual((status, errors),
                         (1, f"run.py: {self.build / PROGRAM} is not built: ninja -C {self.build} {PROGRAM}\n"))

    def test_what_is_no_part_of_it_is_only_missing(self):
        self.describe("something/else")
        status, output, errors = self.run_threads()
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("native: missing: parked is not built or not installed", output)

    def test_only_the_library_that_is_used_has_to_know_the_backend(self):
        program, backend = self.build / "program", {"WEFT_BACKEND": "io_uring"}
        for file, content in ((program, b""), (self.build / "patch/launcher/weft", b""),
                              (self.build / "runtime/libweft.so", b"WEFT_BACKEND"),
                              (self.build / "patch/libweft-patch.so", b"")):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        session = Session(self.build)
        session.check_program([program], backend)
        with self.assertRaisesRegex(Missing, "weft has no such backend"):
            session.check_program([*session.weft(1), program], backend)


class Load(unittest.TestCase):
    def test_own_time_has_children_that_run_and_that_have_ended(self):
        program = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"
        before = own_time()
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            running = own_time() - before
            child.communicate(b"\n")
        self.assertGreater(running, 0.45)
        self.assertGreater(own_time() - before, 0.45)


class Plots(unittest.TestCase):
    def test_a_section_draws_its_own_cases(self):
        records = []
        for section, value in (("echo", 2.0), ("http", 3.0)):
            for peer, figure in (("weft", 1.0), ("other", value)):
                records.append(Record(Case(section, "cpu/1", "1: a request", "µs"), peer))
                records[-1].values.append(figure)
        session = types.SimpleNamespace(records=records, curves={}, curve_titles={})
        module = types.SimpleNamespace(BARS=[("cpu", "A request", ["cpu/*"], ["other"], "weft")])
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(plots, "_draw") as draw, \
                mock.patch.object(plots.shutil, "which", return_value="gnuplot"):
            drawn = plots.draw(folder, {"date": "2026-01-01 00:00", "processor": "one"}, {"http": module}, session)
        self.assertEqual(drawn, ["cpu.svg"])
        commands = draw.call_args.args[-1]
        self.assertEqual(commands[:3], ["$data << EOD", '"1: a request" 3.0', "EOD"])


class Figures(unittest.TestCase):
    WRK = ("  Latency Distribution\n     50%   11.39ms\n     75%   18.76ms\n     90%  554.90us\n     99%    1.23s \n"
           "  116107 requests in 2.06s, 8.64MB read\n")

    def test_what_wrk_prints_is_read(self):
        latency = sections.load("http").latency_of(self.WRK)
        self.assertEqual({part: round(value) for part, value in latency.items()},
                         {"50": 11390, "75": 18760, "90": 555, "99": 1230000})

    def test_what_wrk_does_not_print_is_a_failure(self):
        with self.assertRaisesRegex(Failure, "wrk told no latency: '.*50%"):
            sections.load("http").latency_of(self.WRK.replace("1.23s", "1.23h"))

    def test_a_peer_that_prints_something_else_ends_its_own_turns_only(self):
        session = Session(pathlib.Path("."), rounds=3)
        case = Case("micro", "yield", "yield", "ns")
        peers = [Peer("odd", lambda: {"yield": {}["ns"]}), Peer("words", lambda: {"yield": "four"}),
                 Peer("nothing", lambda: None), Peer("good", lambda: {"yield": 4, "other": None})]
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            found = session.alternate([case], peers)["yield"]
        self.assertEqual(found["odd"].missing, "failed: no figures: KeyError('ns')")
        self.assertEqual(found["good"].values, [4, 4, 4])
        for name in ("odd", "words", "nothing"):
            self.assertRegex(found[name].missing, "^failed: no figures: ")
        self.assertEqual(errors.getvalue().count("Traceback"), 3)


class Goals(unittest.TestCase):
    def test_each_is_a_row_with_what_was_reached(self):
        case = Case("micro", "yield", "yield", "ns", (Goal("weft", 0.5, "Go"), Goal("weft", 3.0), Goal("Asio", 9.0)))
        records = [Record(case, "weft", [4.0, 4.1]), Record(case, "Go", [10.0, 10.2])]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report.goals_table(records).splitlines()[2:]]
        self.assertEqual(rows, [["micro, yield", "weft", "≤ 0.5x Go", "0.4", "✔"],
                                ["micro, yield", "weft", "≤ 3", "4", "✘"],
                                ["micro, yield", "Asio", "≤ 9", "–", "– not measured"]])

    def test_the_median_lies_within_bounds(self):
        # Of 15 the fourth and the last but three: at most three below it have odds of 1.8 %, at most four 5.9 %.
        self.assertEqual(median_bounds([*range(15)]), (3, 11))
        self.assertEqual(median_bounds([5, 1, 4, 2, 3, 6]), (1, 6))
        self.assertEqual(median_bounds([7]), (7, 7))

    def judged(self, limit, of_weft):
        case = Case("echo", "cpu", "CPU", "µs", (Goal("weft", limit, "epoll"),), statistic="median")
        records = {"weft": Record(case, "weft", of_weft), "epoll": Record(case, "epoll", [2.0] * len(of_weft))}
        return judge(case.goals[0], records).result

    def test_a_ratio_of_medians_is_judged_by_its_bounds(self):
        rounds = [2.0 + 0.01 * i for i in range(15)]  # ratios of 1.00 to 1.07, their median within 1.015 and 1.055
        self.assertEqual(self.judged(1.06, rounds), "met")
        self.assertEqual(self.judged(1.01, rounds), "not met")
        self.assertEqual(self.judged(1.04, rounds), "met")  # in between, and they lie close together
        self.assertEqual(self.judged(1.3, [2.0 + 0.1 * i for i in range(15)]), "too noisy")

    def test_none_make_no_table(self):
        self.assertEqual(report.goals_table([Record(Case("micro", "yield", "yield", "ns"), "weft", [4.0])]), "")


if __name__ == "__main__":
    unittest.main()
