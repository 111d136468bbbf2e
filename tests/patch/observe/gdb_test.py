#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""gdb with weft's commands: fibers and green threads, live and in a core file.

Usage: gdb_test.py COMMANDS LIBRARY SUBJECT FIBER_SUBJECT SCRATCH_DIRECTORY
"""
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

COMMANDS, LIBRARY, SUBJECT, FIBERS, SCRATCH = (pathlib.Path(p).resolve() for p in sys.argv[1:6])

FUNCTIONS = {"locker": "wait_for_mutex", "reader": "wait_for_pipe", "sleeper": "sleep_long",
             "filer": "wait_for_file_lock"}


def gdb(*arguments, commands):
    words = ["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set confirm off",
             "-ex", f"source {COMMANDS}"]
    for command in commands:
        words += ["-ex", command]
    done = subprocess.run([*words, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120, check=False)
    return done.stdout + done.stderr


class Debugged(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=SCRATCH)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def live(self, subject, preload, commands, stop="all_are_there", arguments=()):
        start = [f"set environment LD_PRELOAD {LIBRARY}"] if preload else []
        run = " ".join(["run", str(self.folder / "lock"), *arguments])
        out = gdb(subject, commands=[*start, f"break {stop}", run, *commands])
        if "ptrace" in out and "not permitted" in out:
            self.skipTest("gdb may not debug here")
        return out

    def core_of(self, command, preload):
        """Has the kernel write one; gdb's own gcore stops at the first guard page of a mapping."""
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if re.search(r"[|/]", pathlib.Path("/proc/sys/kernel/core_pattern").read_text()) or most == 0:
            self.skipTest("core files go elsewhere here")
        environment = {**os.environ, **({"LD_PRELOAD": str(LIBRARY)} if preload else {})}
        done = subprocess.run(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, check=False,
                              timeout=60, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)))
        self.assertEqual(done.returncode, -signal.SIGABRT)
        cores = [path for path in self.folder.iterdir() if path.name != "lock"]
        self.assertEqual(len(cores), 1, cores)
        return cores[0]

    def listed(self, out):
        """{name: (number, the rest of its row)}"""
        rows = re.findall(r"^(\d+) +(?:thread|fiber) +(\S+) +(.*)$", out, re.M)
        return {re.match(r"(\S+|\(.*?\))", rest)[1]: (int(n), rest) for n, _, rest in rows}

    def stacks(self, out):
        """{name: stack}"""
        parts = re.split(r'^(?:thread|fiber) \d+ \(\S+ "(.*?)" .*\):$', out, flags=re.M)
        return dict(zip(parts[1::2], parts[2::2]))

    def check_threads(self, out):
        rows, stacks = self.listed(out), self.stacks(out)
        self.assertEqual(len(rows), 5, out)
        for name, function in FUNCTIONS.items():
            self.assertIn(name, rows, out)
            frames = re.findall(r"^#(\d+) +(?:0x[0-9a-f]+ in )?(\S+)", stacks[name], re.M)
            self.assertEqual([int(n) for n, _ in frames], list(range(len(frames))), stacks[name])
            self.assertIn(function, [f for _, f in frames], out)
            self.assertIn("start_thread" if "start_thread" in stacks[name] else "run", stacks[name])
        self.assertRegex(rows["locker"][1], r"waits \(futex\)")
        self.assertRegex(rows["reader"][1], r"waits \(io\)")

    def test_green_threads_live(self):
        out = self.live(SUBJECT, True, ["info fibers", "fiber apply all bt"])
        self.check_threads(out)
        self.assertIn("all_are_there", self.stacks(out)[SUBJECT.name] if SUBJECT.name in self.stacks(out) else
                      self.stacks(out)["main"])

    def test_going_to_one_and_back(self):
        number = self.listed(self.live(SUBJECT, True, ["info fibers"]))["locker"][0]
        out = self.live(SUBJECT, True, [f"fiber {number}", "echo bt:\\n", "bt", "up", "fiber off", "echo off:\\n",
                                        "bt", "continue"])
        inside, _, after = out.partition("off:\n")
        self.assertIn("wait_for_mutex", inside.partition("bt:\n")[2])
        self.assertNotIn("wait_for_mutex", after)
        self.assertIn("main", after)
        self.assertIn("done", after, "the program goes on")
        self.assertIn("exited normally", after)

    def test_continuing_forgets_the_fiber(self):
        out = self.live(SUBJECT, True, ["fiber 2", "continue"])
        self.assertIn("exited normally", out)

    def test_green_threads_in_a_core(self):
        core = self.core_of([SUBJECT, self.folder / "lock", "core"], preload=True)
        out = gdb(SUBJECT, core, commands=["info fibers", "fiber apply all bt", "echo end:\\n", "fiber 2", "bt"])
        listed, _, second = out.partition("end:\n")
        self.check_threads(listed)
        self.assertIn("wait_for_mutex", second)

    def test_fibers_live_and_in_a_core(self):
        asked = ["info fibers", "fiber apply all bt"]
        live = self.live(FIBERS, False, asked)
        core = self.core_of([FIBERS, "core"], preload=False)
        for out in (live, gdb(FIBERS, core, commands=asked)):
            rows, stacks = self.listed(out), self.stacks(out)
            self.assertEqual({"first", "second", "sent", "looker"} - set(rows), set(), out)
            self.assertRegex(rows["first"][1], r"first +parked")
            self.assertIn("wait_for_event", stacks["first"], out)
            self.assertIn("outer_function", stacks["first"], out)
            self.assertIn("wait_for_event", stacks["second"], out)
            self.assertIn("wait_for_event", stacks["sent"], out)
            self.assertIn("all_are_there", stacks["looker"], out)

    def test_without_weft_there_are_none(self):
        out = self.live(SUBJECT, False, ["info fibers"], stop="main")
        self.assertIn("No fibers", out)

    def test_wrong_numbers_are_refused(self):
        out = self.live(SUBJECT, True, ["fiber 99"])
        self.assertIn("usage: fiber N", out)


if __name__ == "__main__":
    if not shutil.which("gdb"):
        print("no gdb")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
