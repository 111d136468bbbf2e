#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What the tokens' program is there to notice, it does notice, and says where.

Usage: faults_test.py LAUNCHER PROGRAM
"""
import pathlib
import re
import subprocess
import sys
import unittest

LAUNCHER, PROGRAM = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])


class Faults(unittest.TestCase):
    def expect(self, fault, *said, patience=60):
        for launcher in [], [LAUNCHER]:
            with self.subTest(fault=fault, launcher=launcher):
                done = subprocess.run([*launcher, PROGRAM, "--seed", "7", "--threads", "200", "--seconds", "0.5",
                                       "--patience", str(patience), "--fault", fault],
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150,
                                      check=False)
                self.assertEqual(done.returncode, 3, (done.stdout, done.stderr))
                for line in ("^tokens: seed 7: ", *said):
                    self.assertRegex(done.stderr, re.compile(line, re.MULTILINE))

    def test_a_token_that_is_dropped(self):
        self.expect("drop", "no progress for 5 s while gathering tokens: 200 of 200 threads made",
                    r"^  token 0, after 5 hops, still for .*: taken by \d+, handed to \d+: thread \d+ of \d+ in group 0",
                    patience=5)

    def test_a_token_that_is_there_twice(self):
        self.expect("copy", "token 0 came home twice|mistakes:")

    def test_a_token_that_goes_astray(self):
        # (What the threads counted may come out right all the same.)
        self.expect("stray", r"^  token 0 did not go its way: after \d+ hops at thread")

    def test_a_thread_that_does_not_end(self):
        self.expect("linger", "no progress for 5 s while joining threads: 200 .* 0 joined", patience=5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
