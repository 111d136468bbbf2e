#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What is said of WEFT_BACKEND, and that calls work whatever it says: by the suite's own tests of many fibers'
calls, which know whether they are on io_uring.

Usage: backend_test.py IO_TESTS WITHOUT_IO_URING
"""
import os
import subprocess
import sys
import unittest

IO_TESTS, WITHOUT_IO_URING = sys.argv[1:3]


def said(backend, *through):
    """Standard error of tests that must pass."""
    environment = {name: value for name, value in os.environ.items() if name != "WEFT_BACKEND"}
    if backend is not None:
        environment["WEFT_BACKEND"] = backend
    done = subprocess.run([*through, IO_TESTS, "--gtest_filter=company.is_made_together*:company.of_different*"],
                          env=environment, capture_output=True, text=True, timeout=60, check=False)
    if through and done.returncode == 77:
        raise unittest.SkipTest(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


class Backend(unittest.TestCase):
    def test_nothing_is_said_of_what_is_not_asked_for(self):
        self.assertEqual(said(None), "")
        self.assertEqual(said("epoll"), "")
        self.assertEqual(said(None, WITHOUT_IO_URING), "")

    def test_an_unknown_one_is_refused(self):
        self.assertEqual(said("kqueue"), "weft: WEFT_BACKEND=kqueue is neither epoll nor io_uring; ignored\n")

    def test_one_that_the_kernel_refuses_is_told_once(self):
        self.assertEqual(said("io_uring", WITHOUT_IO_URING),
                         "weft: WEFT_BACKEND=io_uring cannot be used here (Operation not permitted); using epoll\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
