#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What run.py says of a build directory that lacks something, and of goals."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

RUN = pathlib.Path(__file__).resolve().parent.parent / "run.py"
sys.path.insert(0, str(RUN.parent))
from runner import report
from runner.records import Case, Goal, Record
from runner.session import Missing, Session
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


class Goals(unittest.TestCase):
    def test_each_is_a_row_with_what_was_reached(self):
        case = Case("micro", "yield", "yield", "ns", (Goal("weft", 0.5, "Go"), Goal("weft", 3.0), Goal("Asio", 9.0)))
        records = [Record(case, "weft", [4.0, 4.1]), Record(case, "Go", [10.0, 10.2])]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report.goals_table(records).splitlines()[2:]]
        self.assertEqual(rows, [["micro, yield", "weft", "≤ 0.5x Go", "0.4", "✔"],
                                ["micro, yield", "weft", "≤ 3", "4", "✘"],
                                ["micro, yield", "Asio", "≤ 9", "–", "– not measured"]])

    def test_none_make_no_table(self):
        self.assertEqual(report.goals_table([Record(Case("micro", "yield", "yield", "ns"), "weft", [4.0])]), "")


if __name__ == "__main__":
    unittest.main()
