#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What weft tells about a running program: the dump of all threads, and calls that held a worker.

Usage: dump_test.py LAUNCHER SUBJECT SCRATCH_DIRECTORY
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LAUNCHER, SUBJECT, SCRATCH = (pathlib.Path(p).resolve() for p in sys.argv[1:4])

WAITS = {
    "locker": (r"waits \(futex\) in futex\(", "wait_for_mutex"),
    "reader": (r"waits \(io\) in read\(\d+, 0x", "wait_for_pipe"),
    "sleeper": (r"waits \(sleep\) in clock_nanosleep\(", "sleep_long"),
    "filer": (r"is in flock\(\d+, 2, ", "wait_for_file_lock"),
}


class Observed(unittest.TestCase):
    def run_weft(self, *options, arguments=(), program=None):
        clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("WEFT_")}
        with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
            command = program or [SUBJECT, f"{folder}/lock", *arguments]
            done = subprocess.run([LAUNCHER, *options, *command], env=clean, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60, check=False)
        return done

    def threads(self, errors):
        """{name: (standing, stack)} of one dump; each stack a text of one line a function."""
        found = {}
        for part in re.split(r"^weft: (?=thread )", errors, flags=re.M)[1:]:
            line, _, stack = part.partition("\n")
            name = re.fullmatch(r'thread (\d+) "([^"]*)" (.*)', line)
            self.assertTrue(name, line)
            for frame in stack.splitlines():
                self.assertRegex(frame, r"\Aweft:   #\d+ ")
            found[name[2]] = name[3], stack
        return found

    def check_dump(self, errors, extra=0):
        head = re.match(r"weft: (\d+) green threads in process \d+\n", errors)
        self.assertTrue(head, errors)
        threads = self.threads(errors)
        self.assertEqual((int(head[1]), len(threads)), (5 + extra, 5 + extra), errors)
        for name, (standing, function) in WAITS.items():
            self.assertRegex(threads[name][0], standing)
            self.assertRegex(threads[name][1], rf"#\d+ {function}\+0x[0-9a-f]+ in {SUBJECT.name}\+0x")
            self.assertRegex(threads[name][1].splitlines()[-1], r" in libc\.so\.6\+|^weft:   #\d+ libc\.so\.6\+",
                             "to the thread's beginning")
        for name in ("locker", "reader", "sleeper"):
            since = re.search(r" for (\d+\.\d{3}) s$", threads[name][0])
            self.assertTrue(since, threads[name])
            self.assertTrue(0.1 <= float(since[1]) < 30, threads[name])
        self.assertNotIn("weft_", errors, "weft's own functions are left out")
        return threads

    def test_a_thread_dumps_all(self):
        done = self.run_weft("--dump-signal=USR2", arguments=["self"])
        self.assertEqual((done.returncode, done.stdout), (0, "ready\ndone\n"))
        threads = self.check_dump(done.stderr)
        self.assertIn("main+0x", threads[SUBJECT.name][1])

    def test_a_dump_while_the_main_thread_had_its_share(self):
        done = self.run_weft("--dump-signal=USR2", arguments=["other"])
        self.assertEqual((done.returncode, done.stdout), (0, "ready\ndone\n"), done.stderr)
        standing, stack = self.check_dump(done.stderr, extra=1)[SUBJECT.name]
        self.assertRegex(standing, "^(runs|is ready to run)$")
        self.assertRegex(stack, r"#\d+ compute_until_asked\+0x")

    def test_a_dump_while_one_spins(self):
        done = self.run_weft("--dump-signal=12", arguments=["self", "spin"])
        self.assertEqual((done.returncode, done.stdout), (0, "ready\ndone\n"))
        standing, stack = self.check_dump(done.stderr, extra=1)["spinner"]
        self.assertRegex(standing, "^(runs|is ready to run)$")
        self.assertRegex(stack, r"#0 spin\+0x")

    def dump_from_outside(self, *arguments):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("WEFT_")}
        with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
            with subprocess.Popen([SUBJECT, f"{folder}/lock", *arguments], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, executable=None,
                                  env={**clean, "LD_PRELOAD": str(LAUNCHER.parent.parent / "libweft-patch.so"),
                                       "WEFT_DUMP_SIGNAL": "USR2"}) as program:
                self.assertEqual(program.stdout.readline(), "ready\n")
                time.sleep(0.05)  # until it waits, after having said so
                program.send_signal(signal.SIGUSR2)
                out, errors = program.communicate(timeout=60)
                self.assertEqual((program.returncode, out), (0, "done\n"), errors)
                return errors

    def test_a_dump_while_all_wait(self):
        threads = self.check_dump(self.dump_from_outside())
        self.assertRegex(threads[SUBJECT.name][0], r"waits \(sleep\)")

    def test_a_dump_from_outside_while_one_spins(self):
        self.check_dump(self.dump_from_outside("spin"), extra=1)

    def test_the_only_thread_goes_on_waiting(self):
        text = ("import os, subprocess, time\n"
                "asks = f'for i in 1 2 3; do sleep 0.1; kill -USR2 {os.getpid()}; done'\n"
                "subprocess.Popen(['sh', '-c', asks])\n"
                "begin = time.monotonic()\n"
                "time.sleep(0.7)\n"
                "print(time.monotonic() - begin >= 0.7)")
        done = self.run_weft("--dump-signal=USR2", program=["python3", "-c", text])
        self.assertEqual((done.returncode, done.stdout), (0, "True\n"), done.stderr)
        self.assertEqual(done.stderr.count("weft: 1 green thread in process"), 3)

    def test_the_program_neither_sees_nor_blocks_it(self):
        text = ("import os, signal; signal.signal(signal.SIGUSR2, lambda *_: print('seen'));"
                "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]);"
                "os.kill(os.getpid(), signal.SIGUSR2); print('on')")
        done = self.run_weft("--dump-signal=USR2", program=["python3", "-c", text])
        self.assertEqual((done.returncode, done.stdout), (0, "on\n"), done.stderr)
        self.assertIn("weft: 1 green thread in process", done.stderr)

    def test_off_by_default(self):
        done = self.run_weft(arguments=["self"])
        self.assertEqual((done.returncode, done.stderr), (-signal.SIGUSR2, ""))

    def test_calls_that_hold_a_worker_are_named(self):
        done = self.run_weft("--warn-blocking=20", arguments=["fifo"])
        self.assertEqual((done.returncode, done.stdout), (0, "ready\ndone\n"))
        threads = self.threads(done.stderr)
        self.assertEqual(list(threads), ["opener"], done.stderr)
        standing, stack = threads["opener"]
        held = re.fullmatch(r"held its worker for (\d+) ms in openat\(.*\)", standing)
        self.assertTrue(held, standing)
        self.assertTrue(20 <= int(held[1]) < 30_000, standing)
        self.assertRegex(stack, r"#\d+ wait_for_writer\+0x")

    def test_quick_ones_are_not(self):
        self.assertEqual(self.run_weft("--warn-blocking=60000").stderr, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
