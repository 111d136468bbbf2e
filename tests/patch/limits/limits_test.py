#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Threaded programs under weft where the system allows little, or much.

Usage: limits_test.py LAUNCHER PROGRAM SANITIZED_PROGRAM
"""
import os
import pathlib
import re
import resource
import subprocess
import sys
import unittest

LAUNCHER, PROGRAM, SANITIZED = (pathlib.Path(p).resolve() for p in sys.argv[1:4])
MANY = 100_000  # thrice what a native process may have
ROOM = 3 << 30  # of memory, for those


def available():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


class Limits(unittest.TestCase):
    def run_weft(self, *arguments, program=PROGRAM, limits=(), env=None, native=False):
        clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("WEFT_")}

        def limit():
            for which, value in limits:
                resource.setrlimit(which, (value, value))

        launcher = [] if native else [str(LAUNCHER)]
        return subprocess.run([*launcher, str(program), *map(str, arguments)], env={**clean, **(env or {})},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
                              preexec_fn=limit)

    def counted(self, done):
        found = re.fullmatch(r"made (\d+), counted (\d+), charged (-?\d+) KiB\n", done.stdout)
        self.assertTrue(found and done.returncode == 0, (done.returncode, done.stdout, done.stderr))
        self.assertEqual(found[1], found[2])
        self.assertEqual(done.stderr, "")
        self.charged = int(found[3]) << 10
        return int(found[1])

    def test_more_threads_than_a_native_process_may_have(self):
        if available() < ROOM:
            self.skipTest("too little memory is free")
        self.assertEqual(self.counted(self.run_weft(MANY)), MANY)

    def test_little_address_space(self):
        # Some of the threads fit; the one that does not is refused, and all is well. (What malloc maps
        # for threads that get a turn early, 64 MiB for each of the first, would make it a lottery.)
        made = self.counted(self.run_weft(20_000, limits=[(resource.RLIMIT_AS, 300 << 20)],
                                          env={"MALLOC_ARENA_MAX": "1"}))
        self.assertTrue(4000 <= made < 20_000, made)

    def test_few_descriptors(self):
        self.assertEqual(self.counted(self.run_weft(500, limits=[(resource.RLIMIT_NOFILE, 64)])), 500)

    def test_locked_memory(self):
        done = self.run_weft(300, "locked")
        if done.returncode == 77:
            self.skipTest(done.stdout)
        self.assertEqual(self.counted(done), 300)

    def test_memory_charged(self):
        # With overcommit_memory 2 all that may be written to counts, touched or not. Stacks are
        # mapped some at a time: 64 MiB, or an eighth of those that there are.
        for count, stack in ((1, 32), (300, 32), (300, 256), (200, 8192)):
            with self.subTest(count=count, stack=stack):
                self.assertEqual(self.counted(self.run_weft(count, "plain", stack, native=True)), count)
                natively = self.charged
                self.assertEqual(self.counted(self.run_weft(count, "plain", stack)), count)
                self.assertLessEqual(self.charged, natively + max(64 << 20, natively // 8) + (4 << 20))

    def test_memory_charged_is_more_than_natively(self):
        # A known limit.
        self.assertEqual(self.counted(self.run_weft(300, "plain", 256, native=True)), 300)
        natively = self.charged
        self.assertEqual(self.counted(self.run_weft(300, "plain", 256)), 300)
        self.assertGreater(self.charged, natively + (16 << 20))

    def test_memory_charged_where_there_is_little(self):
        # One at a time where no more are to be had: hundreds of threads need little more than natively.
        self.counted(self.run_weft(300, "plain", 256, native=True))
        room = self.charged + (4 << 20)
        self.assertEqual(self.counted(self.run_weft(300, "plain", 256, limits=[(resource.RLIMIT_DATA, room)])), 300)

    def test_large_stacks_in_little_address_space(self):
        limits = [(resource.RLIMIT_AS, 1 << 30)]
        natively = self.counted(self.run_weft(500, "plain", 8192, limits=limits, native=True))
        self.assertLess(natively, 500)
        self.assertGreaterEqual(self.counted(self.run_weft(500, "plain", 8192, limits=limits)), natively)

    def test_address_sanitizer(self):
        done = self.run_weft(200, program=SANITIZED, env={"ASAN_OPTIONS": "detect_leaks=0"})
        self.assertEqual(self.counted(done), 200)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
