#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Processes with the patch in them, from outside: options, statistics, descriptors, children, ends.

Usage: process_test.py LAUNCHER LIBRARY SUBJECT OTHER_LIBRARY WITHOUT_IO_URING
"""
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LAUNCHER, LIBRARY, SUBJECT, OTHER, WITHOUT_IO_URING = (pathlib.Path(p).resolve() for p in sys.argv[1:6])

WORKERS, NAPS, HAMMERS, BLOWS = 8, 3, 2, 500000  # subject.c's


def run(command, *, env=None, files=None):
    """(status, output, errors) of a command in an environment without weft but for `env`."""
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("WEFT_")}

    def limit():
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    done = subprocess.run([str(c) for c in command], env={**clean, **(env or {})}, text=True, preexec_fn=limit,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def native(*arguments, **more):
    return run([SUBJECT, *arguments], **more)


def weft(*arguments, options=(), **more):
    return run([LAUNCHER, *options, "--", SUBJECT, *arguments], **more)


def by_hand(*arguments, env=None, **more):
    return run([SUBJECT, *arguments], env={"LD_PRELOAD": str(LIBRARY), **(env or {})}, **more)


def statistics(errors):
    """The numbers that --stats prints of the process."""
    of_processor = (r"switches (\d+), migrations (\d+), steals (\d+), hand-overs (\d+), preemptions (\d+), "
                    r"wakes (\d+)\n")
    found = re.match(
        rf"weft: threads made (\d+), green threads peak (\d+), {of_processor}"
        r"weft: parks sleep (\d+), futex (\d+), io (\d+), poll (\d+), signal (\d+); polls (\d+), waits (\d+); "
        r"helps (\d+), in vain (\d+)\n", errors)
    of_each = re.compile(rf"(weft: processor \d+: {of_processor}){{2,}}weft: lock taken \d+, contended \d+; "
                         r"ns held \d+, longest \d+, waited \d+, longest \d+\n")
    if found and found.end() != len(errors) and not of_each.fullmatch(errors, found.end()): found = None
    if not found:
        raise AssertionError(f"not understood:\n{errors}")
    names = ("made", "peak", "switches", "migrations", "steals", "hand-overs", "preemptions", "wakes", "sleep",
             "futex", "io", "poll", "signal", "polls", "waits", "helps", "in vain")
    return dict(zip(names, map(int, found.groups())))


def measured(*arguments, workers, **more):
    """(output, statistics, seconds that it took at most) of a run with so many workers."""
    begun = time.monotonic()
    status, output, errors = weft(*arguments, options=["--stats=json", "--workers", str(workers)], **more)
    took = time.monotonic() - begun
    if status != 0:
        raise AssertionError(f"status {status}: {errors}")
    return output, json.loads(errors), took


class Case(unittest.TestCase):
    def same_as_native(self, *arguments, **more):
        expected = native(*arguments, **more)
        self.assertEqual(weft(*arguments, **more), expected)
        self.assertEqual(by_hand(*arguments, **more), expected)
        return expected


class Filters(Case):
    GETPPID, EPOLL_PWAIT = 110, 281

    def test_what_weft_does_not_need_may_be_forbidden(self):
        self.same_as_native("filter", str(self.GETPPID))

    def test_it_says_what_it_cannot_live_without(self):
        self.assertEqual(native("filter", str(self.EPOLL_PWAIT)), (0, "filtered\n", ""))
        self.assertEqual(weft("filter", str(self.EPOLL_PWAIT)),
                         (0, "filtered\n", "weft: the program's seccomp filter forbids epoll_pwait, a call that "
                          "weft needs: it may fail or be killed\n"))


class Statistics(Case):
    def check_work(self, outcome):
        status, output, errors = outcome
        self.assertEqual((status, output), (0, "worked\n"))
        s = statistics(errors)
        self.assertEqual((s["made"], s["peak"]), (WORKERS + 1, WORKERS + 1))
        self.assertEqual(s["sleep"], WORKERS * NAPS + 1)
        # Each read waits once. A thread that is looked at for readiness in vain waits again.
        self.assertTrue(WORKERS <= s["io"] <= 2 * WORKERS, s)
        self.assertTrue(1 <= s["futex"] <= 2 * WORKERS, s)  # joins
        self.assertEqual((s["poll"], s["signal"]), (0, 0))
        parks = s["sleep"] + s["io"] + s["futex"]
        self.assertTrue(parks <= s["switches"] <= 3 * parks + 100, s)

    def test_of_threads(self):
        self.check_work(weft("work", options=["--stats"]))

    def test_by_hand(self):
        self.check_work(by_hand("work", env={"WEFT_STATS": "1"}))

    def test_of_one_thread(self):
        status, output, errors = weft("nothing", options=["--stats"])
        self.assertEqual((status, output), (0, "done\n"))
        s = statistics(errors)
        self.assertEqual(s, {**dict.fromkeys(s, 0), "made": 1, "peak": 1})

    def test_at_every_end_that_is_an_exit(self):
        for how in ("return", "thread", "mute"):
            status, _, errors = weft("end", how, "3", options=["--stats"])
            self.assertEqual(status, 3)
            self.assertGreaterEqual(statistics(errors)["made"], 2)

    def test_of_preemption_which_can_be_turned_off(self):
        for options, some in ((["--stats"], True), (["--stats", "--no-preempt"], False)):
            status, output, errors = weft("compute", options=options)
            self.assertEqual((status, output), (0, "kernel threads 1\n"))
            self.assertEqual(statistics(errors)["preemptions"] > 0, some, errors)

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "one processor")
    def test_of_threads_that_run_side_by_side(self):
        expected = 0, "met\n", ""
        self.assertEqual(native("meet", "now", "30"), expected)
        for options in ([], ["--workers", "0"], ["--workers", "2"], ["--workers", "8"]):
            self.assertEqual(weft("meet", "now", "30", options=["--no-preempt", *options]), expected, options)
        one = ["--no-preempt", "--workers", "1"]
        self.assertEqual(weft("meet", "now", "1", options=one)[1], "did not meet\n")

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "one processor")
    def test_processors_that_come_later(self):
        one = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        under_weft = [*one, LAUNCHER, "--no-preempt", SUBJECT]
        self.assertEqual(run([*one, SUBJECT, "meet", "later", "30"]), (0, "met\n", ""))
        self.assertEqual(run([*under_weft, "meet", "now", "1"])[1], "did not meet\n")
        # The limit.
        self.assertEqual(run([*under_weft, "meet", "later", "1"])[1], "did not meet\n")

    def test_of_switches_between_several_workers(self):
        for workers in (1, 2, 8):
            output, s, _ = measured("work", workers=workers)
            self.assertEqual(output, "worked\n")
            self.assertEqual(s["parks"]["sleep"], WORKERS * NAPS + 1)
            # Each thread is switched to when it begins and after each wait; a few times more, if it finds the
            # processor taken or gives others a turn.
            due = sum(s["parks"].values()) + WORKERS
            self.assertTrue(due <= s["switches"] <= due + s["preemptions"] + 100, s)
            self.assertEqual(len(s["processors"]), workers)
            for name in s["processors"][0]:
                self.assertEqual(sum(p[name] for p in s["processors"]), s[name], name)
            self.assertLessEqual(s["helps_in_vain"], s["helps"])
            self.assertGreater(s["waits"], 0)  # all sleep

    def test_of_one_worker_has_nothing_of_several(self):
        _, s, _ = measured("compute", workers=1)
        for name in ("migrations", "steals", "helps", "helps_in_vain"):
            self.assertEqual(s[name], 0, name)
        self.assertEqual(s["lock"], dict.fromkeys(s["lock"], 0))

    def test_of_threads_that_migrate(self):
        for seconds in (0.2, 2, 10):  # the more if the machine is busy
            _, s, _ = measured("compute", str(seconds), workers=2)
            if s["migrations"] > 0: break
        # Three threads take turns on two processors.
        self.assertGreater(s["migrations"], 0)
        self.assertGreater(s["helps"], s["helps_in_vain"])
        self.assertTrue(all(p["switches"] > 0 for p in s["processors"]), s)

    def test_of_the_lock(self):
        for _ in range(5):
            output, s, took = measured("hammer", workers=2)
            self.assertEqual(output, "hammered\n")
            lock = s["lock"]
            self.assertGreaterEqual(lock["taken"], HAMMERS * BLOWS)
            # One has it at a time.
            self.assertTrue(0 < lock["held_longest_ns"] <= lock["held_ns"] <= took * 1.01e9, lock)
            self.assertGreater(lock["held_ns"], lock["taken"])
            # Workers and the monitor may wait.
            self.assertTrue(lock["waited_longest_ns"] <= lock["waited_ns"] <= 3 * took * 1e9, lock)
            self.assertLess(lock["contended"], lock["taken"])
            if lock["contended"] > 0: break
        self.assertGreater(lock["contended"], 0)
        self.assertGreater(lock["waited_longest_ns"], 0)

    def test_of_hand_overs(self):
        with tempfile.TemporaryDirectory() as directory:
            output, s, _ = measured("stuck", f"{directory}/fifo", workers=1)
        self.assertEqual(output, "opened\n")
        # Who comes back may take a processor from who is stuck, without waking anybody.
        self.assertTrue(0 < s["hand_overs"] < 100, s)
        self.assertTrue(0 < s["wakes"] < 100, s)

    def test_of_a_child_are_its_own(self):
        status, _, errors = weft("children", options=["--stats=json", "--workers", "2"])
        self.assertEqual(status, 0)
        lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
        self.assertGreater(len(lines), 1)
        for s in lines:
            self.assertEqual(s["threads_made"], 1)

    def test_as_json(self):
        status, output, errors = weft("work", options=["--stats=json"])
        self.assertEqual((status, output), (0, "worked\n"))
        s = json.loads(errors)
        self.assertEqual((s["threads_made"], s["threads_peak"]), (WORKERS + 1, WORKERS + 1))
        self.assertEqual(s["parks"]["sleep"], WORKERS * NAPS + 1)
        self.assertGreater(s["process"], 1)
        self.assertGreater(s["switches"], 0)

    def test_each_process_adds_its_line_to_the_file(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "statistics"
            for _ in range(2):
                status, output, errors = weft("work", options=[f"--stats=json:{path}"])
                self.assertEqual((status, output, errors), (0, "worked\n", ""))
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            self.assertEqual([line["threads_made"] for line in lines], 2 * [WORKERS + 1])
            self.assertNotEqual(lines[0]["process"], lines[1]["process"])

    def test_a_file_that_cannot_be_written_is_named(self):
        status, output, errors = weft("nothing", options=["--stats=json:/no/such/folder/file"])
        self.assertEqual((status, output), (0, "done\n"))
        first, second = errors.splitlines()
        self.assertEqual(first, "weft: cannot write statistics to /no/such/folder/file")
        self.assertEqual(json.loads(second)["threads_made"], 1)

    def test_none_unless_asked_for(self):
        self.assertEqual(weft("work"), (0, "worked\n", ""))


class Verbose(Case):
    def check(self, lines):
        self.assertTrue(lines)
        found = re.search(r"patched (\d+) of (\d+) system call sites in (\d+) objects", lines[0])
        self.assertTrue(found, lines)
        patched, sites, objects = map(int, found.groups())
        self.assertTrue(100 < patched <= sites, lines)
        self.assertGreaterEqual(objects, 2)  # libc and ld.so
        for line in lines:
            self.assertTrue(line.startswith("weft: "), line)
        for line in lines[1:]:
            self.assertRegex(line, r"^weft: native: \S+ at 0x[0-9a-f]+.*: \S")

    def test_says_what_is_patched_and_what_is_not(self):
        status, output, errors = weft("nothing", options=["--verbose"])
        self.assertEqual((status, output), (0, "done\n"))
        first, *rest = errors.splitlines()
        self.assertIn(f"LD_PRELOAD={LIBRARY}", first)
        self.check(rest)

    def test_by_hand(self):
        self.check(by_hand("nothing", env={"WEFT_VERBOSE": "1"})[2].splitlines())


class StackSize(Case):
    ASKED_FOR = "asked-for 1048576 guard 65536\n"

    def test_of_threads_that_ask_for_none(self):
        expected = "default 307200 guard 4096\n" + self.ASKED_FOR
        self.assertEqual(weft("stack", options=["--stack-size", "300K"]), (0, expected, ""))
        self.assertEqual(by_hand("stack", env={"WEFT_STACK_SIZE": "300k"}), (0, expected, ""))

    def test_is_the_native_one_otherwise(self):
        self.assertIn(self.ASKED_FOR, self.same_as_native("stack")[1])
        self.same_as_native("stack", env={"WEFT_STACK_SIZE": ""})

    def test_what_makes_no_sense_is_told_in_one_line(self):
        expected = native("stack")
        for value in ("12", "15K", "much", "-1"):
            status, output, errors = by_hand("stack", env={"WEFT_STACK_SIZE": value})
            self.assertEqual((status, output), expected[:2], value)
            self.assertRegex(errors, r"\Aweft: WEFT_STACK_SIZE [^\n]*\n\Z", value)
        for value in ("12", "15K", "much", "-1"):
            status, output, errors = weft("stack", options=["--stack-size", value])
            self.assertEqual((status, output), (125, ""), value)
            self.assertRegex(errors, r"\Aweft: --stack-size: [^\n]*\n\Z", value)


class Backend(Case):
    def test_nothing_is_said_of_what_is_there(self):
        for value in ("", "epoll", "io_uring"):
            self.assertEqual(weft("work", env={"WEFT_BACKEND": value}), (0, "worked\n", ""), value)

    def test_an_unknown_one_is_told_in_one_line(self):
        self.assertEqual(weft("work", env={"WEFT_BACKEND": "kqueue"}),
                         (0, "worked\n", "weft: WEFT_BACKEND must be epoll or io_uring\n"))

    def test_one_that_the_kernel_refuses_is_told_once(self):
        done = run([WITHOUT_IO_URING, LAUNCHER, "--", SUBJECT, "work"], env={"WEFT_BACKEND": "io_uring"})
        if done[0] == 77:
            self.skipTest(done[2])
        self.assertEqual(done, (0, "worked\n", "weft: WEFT_BACKEND=io_uring cannot be used here "
                                                "(Operation not permitted); using epoll\n"))


class Children(Case):
    KINDS = ("fork and exec", "posix_spawn", "system")

    def expect(self, outcome, mapped, preload, parent_preload):
        lines = [f"parent: mapped, LD_PRELOAD {parent_preload}"]
        lines += [f"{kind}: {mapped}, LD_PRELOAD {preload}" for kind in self.KINDS]
        self.assertEqual(outcome, (0, "\n".join(lines) + "\n", ""))

    def test_are_patched_too(self):
        self.expect(weft("children"), "mapped", LIBRARY, LIBRARY)
        self.expect(by_hand("children"), "mapped", LIBRARY, LIBRARY)

    def test_are_not_with_no_children(self):
        self.expect(weft("children", options=["--no-children"]), "not mapped", "unset", "unset")
        self.expect(by_hand("children", env={"WEFT_NO_CHILDREN": "1"}), "not mapped", "unset", "unset")

    def test_keep_what_else_is_preloaded(self):
        both = f"{LIBRARY}:{OTHER}"
        other = {"LD_PRELOAD": str(OTHER)}
        self.expect(weft("children", env=other), "mapped", both, both)
        self.expect(weft("children", env=other, options=["--no-children"]), "not mapped", OTHER, OTHER)
        self.expect(by_hand("children", env={"LD_PRELOAD": f"{OTHER} {LIBRARY}", "WEFT_NO_CHILDREN": "1"}),
                    "not mapped", OTHER, OTHER)


class Descriptors(Case):
    @staticmethod
    def without_access_faults(outcome):
        """SIGSEGV and SIGBUS have a handler of weft's, which makes wrong addresses EFAULT."""
        status, output, errors = outcome
        return status, re.sub(r"(SigCgt:\t)(\w+)", lambda m: f"{m[1]}{int(m[2], 16) & ~0x440:016x}", output), errors

    def test_a_process_with_one_thread_is_as_without_weft(self):
        for files in (1024, 64):
            expected = native("alone", files=files)
            _, output, _ = found = self.without_access_faults(weft("alone", files=files))
            self.assertEqual(found, expected)
            self.assertIn("kernel threads 1\n", output)
            self.assertIn("own: 0 1 2\n", output)
            self.assertIn("Seccomp:\t0\n", output)

    def test_children_see_none(self):
        for files in (1024, 64):
            _, output, _ = self.same_as_native("inherited", files=files)
            self.assertEqual(len(output.splitlines()), 4)

    def test_closing_everything_does_no_harm(self):
        for files in (1024, 64):
            expected = native("close-all", files=files)
            self.assertEqual(expected, (0, "closed 4\nleft: 0 1 2 3 4 5 6\nalive\n", ""))
            for run_it in (weft, by_hand):
                status, output, errors = run_it("close-all", files=files)
                self.assertEqual((status, errors), (0, ""))
                lines = output.splitlines()
                self.assertEqual([lines[0], lines[2]], ["closed 4", "alive"])
                left = [int(n) for n in lines[1].split()[1:]]
                self.assertEqual(left[:7], [0, 1, 2, 3, 4, 5, 6])
                # Beyond the program's own: few, and far away.
                self.assertTrue(all(n >= files * 3 // 4 for n in left[7:]), left)
                self.assertLess(len(left), 7 + 5)

    def test_a_small_limit_is_enough(self):
        self.same_as_native("work", files=64)


class Stacks(Case):
    def test_begin_at_different_places_in_a_page(self):
        self.assertEqual(native("tops"), (0, "libc's 1\nsmall 1\nown 1\n", ""))
        self.assertEqual(weft("tops"), (0, "libc's 16\nsmall 1\nown 1\n", ""))


class End(Case):
    def test_statuses(self):
        for status in (0, 1, 3, 255):
            self.assertEqual(self.same_as_native("end", "return", status)[0], status)
            self.assertEqual(self.same_as_native("end", "thread", status)[0], status)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGALRM):
            self.assertEqual(self.same_as_native("end", "signal", int(number))[0], -number)
        self.assertEqual(self.same_as_native("end", "abort", 0)[0], -signal.SIGABRT)

    def test_with_the_last_thread(self):
        self.assertEqual(self.same_as_native("end", "last", 0)[0], 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
