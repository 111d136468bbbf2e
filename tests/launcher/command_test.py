#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The weft command from outside: exit statuses, refusals, environment. A library that does nothing stands in for
the patch, so that only the launcher is under test.

Usage: command_test.py LAUNCHER SCRATCH_DIRECTORY
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

LAUNCHER = pathlib.Path(sys.argv[1]).resolve()
SCRATCH = pathlib.Path(sys.argv[2]).resolve()
NOBODY = 65534
IS_ROOT = os.geteuid() == 0

TALK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char** argv) {
  const char* preload = getenv("LD_PRELOAD");
  printf("pid %d\n", (int)getpid());
  for (int i = 0; i < argc; ++i) printf("argv %s\n", argv[i]);
  printf("preload %s\n", preload ? preload : "none");
  return 7;
}
"""


class Command(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="command-", dir=SCRATCH))
        cls.dir.chmod(0o755)
        # As in the build tree: the launcher one folder below the library.
        (cls.dir / "tree/launcher").mkdir(parents=True)
        cls.weft = cls.dir / "tree/launcher/weft"
        shutil.copy(LAUNCHER, cls.weft)
        cls.library = cls.compile("tree/libweft-patch.so", "int weft_stand_in;", "-shared", "-fPIC")
        cls.other = cls.compile("libother.so", "int weft_other;", "-shared", "-fPIC")
        cls.talk = cls.compile("talk", TALK)
        cls.static = cls.compile("static", TALK, "-static")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    @classmethod
    def compile(cls, name, source, *flags):
        target = cls.dir / name
        subprocess.run(["cc", "-x", "c", "-", "-o", target, *flags], input=source.encode(), check=True)
        return target

    def file(self, name, content, mode=0o755):
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def run_weft(self, *arguments, weft=None, env=None, **more):
        clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("WEFT_")}
        return subprocess.run([weft or self.weft, *arguments], env={**clean, **(env or {})}, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def refused(self, status, fragment, *arguments, **more):
        """Expects the status, nothing run, and one line of weft's that holds the fragment."""
        done = self.run_weft(*arguments, **more)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done)
        self.assertRegex(done.stderr, r"\Aweft: [^\n]+\n\Z")
        self.assertIn(fragment, done.stderr)

    # What is run, and how it ends.

    def test_the_program_takes_the_launchers_place(self):
        with subprocess.Popen([self.weft, self.talk, "a b", "--stats"], stdout=subprocess.PIPE, text=True) as child:
            lines = child.stdout.read().splitlines()
        self.assertEqual(child.returncode, 7)
        self.assertEqual(lines[:4], [f"pid {child.pid}", f"argv {self.talk}", "argv a b", "argv --stats"])

    def test_the_name_is_passed_as_given(self):
        done = self.run_weft("talk", env={"PATH": f"/nowhere:{self.dir}"})
        self.assertEqual(done.stdout.splitlines()[1], "argv talk")

    def test_a_signal_ends_it_as_natively(self):
        self.assertEqual(self.run_weft("sh", "-c", "kill -TERM $$").returncode, -signal.SIGTERM)

    def test_missing_programs_are_127(self):
        self.refused(127, "no-such-program: not found", "no-such-program")
        self.refused(127, "/no/such/program: not found", "/no/such/program")
        self.refused(127, "not found", "--check", "no-such-program")
        self.refused(127, "not found", "")

    def test_what_cannot_be_executed_is_126(self):
        self.refused(126, "Permission denied", self.file("plain", "text", 0o644))
        self.refused(126, "Permission denied", self.dir)

    def test_usage_errors_are_125(self):
        self.refused(125, "no program given")
        self.refused(125, "no such option: --wat", "--wat", self.talk)
        self.refused(125, "not a size: 'x'", "--stack-size", "x", self.talk)
        self.refused(125, "WEFT_STATS", self.talk, env={"WEFT_STATS": "maybe"})

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            done = self.run_weft(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"weft (\[options\]|\d+\.\d+\.\d+)")
        with open("/dev/full", "w") as full:
            done = subprocess.run([self.weft, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 125, "a help that was not written is an error")

    # What reaches the program.

    def preload(self, *arguments, **more):
        """LD_PRELOAD as the program sees it."""
        done = self.run_weft(*arguments, **more)
        self.assertEqual((done.returncode, done.stderr), (7, ""), done)
        return done.stdout.splitlines()[-1].removeprefix("preload ").split(":")

    def test_the_library_is_preloaded_by_its_absolute_path(self):
        self.assertEqual(self.preload(self.talk), [str(self.library)])
        self.assertEqual(self.preload(self.talk, weft="launcher/weft", cwd=self.dir / "tree"), [str(self.library)])
        link = self.dir / "link"
        link.symlink_to(self.weft)
        self.addCleanup(link.unlink)
        self.assertEqual(self.preload(self.talk, weft=link), [str(self.library)])

    def test_an_existing_preload_is_kept_behind_ours(self):
        both = [str(self.library), str(self.other)]
        self.assertEqual(self.preload(self.talk, env={"LD_PRELOAD": str(self.other)}), both)
        self.assertEqual(self.preload(self.weft, self.talk, env={"LD_PRELOAD": str(self.other)}), both, "nested")

    def test_address_sanitizer_stays_first(self):
        program = self.compile("asan", TALK, "-fsanitize=address")
        entries = self.preload(program, env={"LD_PRELOAD": str(self.other), "ASAN_OPTIONS": "detect_leaks=0"})
        self.assertIn("libasan.so", entries[0])
        self.assertEqual(entries[1:], [str(self.library), str(self.other)])

    def test_options_become_variables(self):
        done = self.run_weft("--stats", "--no-children", "--if-possible", "--stack-size=1M", "env")
        ours = {line for line in done.stdout.splitlines() if line.startswith("WEFT_")}
        self.assertEqual(ours, {"WEFT_STATS=1", "WEFT_NO_CHILDREN=1", "WEFT_IF_POSSIBLE=1", "WEFT_STACK_SIZE=1048576"})
        self.assertEqual(done.returncode, 0)

    def test_verbose_says_what_is_loaded(self):
        done = self.run_weft("--verbose", self.talk)
        self.assertEqual(done.stderr, f"weft: {self.talk}: LD_PRELOAD={self.library}\n")

    # What cannot be patched.

    def test_check_only_tells(self):
        done = self.run_weft("--check", self.talk)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{self.talk} can be patched\n", ""))
        self.assertEqual(self.run_weft("--check", "/bin/true").returncode, 0)
        self.refused(125, "statically linked", "--check", self.static)
        self.refused(125, "statically linked", "--check", "--if-possible", self.static)

    def test_static_programs_are_refused(self):
        self.refused(125, f"cannot patch {self.static}: it is statically linked", self.static)

    def test_if_possible_runs_them_as_they_are(self):
        for options, env in ((["--if-possible"], {}), ([], {"WEFT_IF_POSSIBLE": "1"})):
            self.assertEqual(self.preload(*options, self.static, env=env), ["none"])
        done = self.run_weft("--if-possible", "--verbose", self.static)
        self.assertEqual(done.returncode, 7)
        self.assertIn("statically linked", done.stderr)

    def test_other_machines_are_refused(self):
        image = bytearray(pathlib.Path("/bin/true").read_bytes())
        image[18:20] = (183).to_bytes(2, "little")
        self.refused(125, "64-bit ARM", self.file("arm", bytes(image)))
        image[18:20] = (3).to_bytes(2, "little")
        image[4] = 1
        self.refused(125, "32-bit x86", self.file("i386", bytes(image)))

    def test_damaged_programs_are_refused(self):
        self.refused(125, "damaged", self.file("cut", pathlib.Path("/bin/true").read_bytes()[:100]))

    def test_binary_data_is_refused(self):
        data = self.file("data", b"\0\1\2\3")
        self.refused(125, "neither an ELF program nor a script", data)

    # Scripts.

    def test_scripts_are_followed(self):
        self.assertEqual(self.run_weft(self.file("ok.sh", "#!/bin/sh\nexit 9\n")).returncode, 9)
        inner = self.file("inner", f"#! {self.static} argument\n")
        self.refused(125, f"cannot patch {self.static}", inner)
        self.refused(125, f"cannot patch {self.static}", self.file("outer", f"#!{inner}\n"))

    def test_text_without_a_first_line_is_the_shells(self):
        self.assertEqual(self.run_weft(self.file("bare", "exit $1\n"), "5").returncode, 5)

    def test_a_missing_interpreter_is_127(self):
        self.refused(127, "its interpreter /no/such/shell", self.file("lost.sh", "#!/no/such/shell\n"))

    def test_endless_interpreters_are_126(self):
        circle = self.dir / "circle"
        self.file("circle", f"#!{circle}\n")
        self.refused(126, "Too many levels", circle)

    # Programs with rights of their own.

    def may_grant(self):
        if not IS_ROOT:
            self.skipTest("only root can make such a program")
        if os.statvfs(self.dir).f_flag & os.ST_NOSUID:
            self.skipTest("the file system ignores setuid")

    def test_setuid_programs_are_refused(self):
        self.may_grant()
        program = self.file("setuid", self.talk.read_bytes())
        os.chown(program, NOBODY, 0)
        program.chmod(0o4755)
        self.refused(125, "it is setuid", program)
        os.chown(program, 0, 0)
        program.chmod(0o4755)
        self.assertEqual(self.preload(program), [str(self.library)], "root gains nothing by root's")

    def test_setgid_programs_are_refused(self):
        self.may_grant()
        program = self.file("setgid", self.talk.read_bytes())
        os.chown(program, 0, 65534)
        program.chmod(0o2755)
        self.refused(125, "it is setgid", program)
        program.chmod(0o2745)
        self.assertEqual(self.preload(program), [str(self.library)], "without the group's x it means locking")

    def as_nobody(self):
        """Keyword arguments that run weft as a user without rights, or skips when that cannot be."""
        self.may_grant()
        if subprocess.run([self.talk], user=NOBODY, stdout=subprocess.DEVNULL, check=False).returncode != 7:
            self.skipTest("others cannot reach the scratch directory")
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def test_file_capabilities_are_refused(self):
        nobody = self.as_nobody()
        program = self.file("capable", self.talk.read_bytes())
        # Version 2, effective; cap_net_bind_service permitted.
        os.setxattr(program, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        self.refused(125, "it has file capabilities", program, **nobody)
        self.assertEqual(self.preload(program), [str(self.library)], "root gains nothing by them")

    def test_a_program_that_cannot_be_read_still_runs(self):
        nobody = self.as_nobody()
        self.assertEqual(self.preload(self.file("secret", self.talk.read_bytes(), 0o711), **nobody),
                         [str(self.library)])

    # The library itself.

    def place(self, name, with_library):
        """A launcher in a tree of its own."""
        weft = self.dir / name / "launcher/weft"
        weft.parent.mkdir(parents=True)
        self.addCleanup(shutil.rmtree, self.dir / name)
        shutil.copy(LAUNCHER, weft)
        if with_library:
            shutil.copy(self.library, self.dir / name)
        return weft

    def test_a_missing_library_is_125(self):
        weft = self.place("empty", False)
        self.refused(125, "cannot find", self.talk, weft=weft)
        self.assertEqual(self.run_weft("--check", self.talk, weft=weft).returncode, 0)

    def test_an_unreadable_library_is_125(self):
        nobody = self.as_nobody()
        weft = self.place("locked", True)
        (self.dir / "locked/libweft-patch.so").chmod(0o600)
        self.refused(125, "cannot read", self.talk, weft=weft, **nobody)

    def test_a_path_that_ld_preload_cannot_carry_is_125(self):
        self.refused(125, "LD_PRELOAD cannot carry", self.talk, weft=self.place("my programs", True))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
