#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Installs the build into a scratch directory, and uses it from outside as strangers would: with Meson, with CMake
and with one compiler line. The program is the first example of README.md, with the output that stands below it.

Usage: install_test.py BUILD_DIRECTORY SOURCE_DIRECTORY
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()


def run(*command, **more):
    """Standard output of a command that must succeed; what it said is part of the failure otherwise."""
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{shlex.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def dynamic(library, tag):
    """Values of one tag of a library's dynamic section."""
    return re.findall(rf"\({tag}\).*\[(.*)\]", run("readelf", "-dW", library))


def exported(library):
    """Names that a library defines for others."""
    lines = run("nm", "-D", "--defined-only", "--format=posix", library).splitlines()
    return {line.split()[0].split("@")[0] for line in lines if line.split()[1] != "A"}


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="weft-install-"))
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.dir / "stage")
        cls.launcher = next((cls.dir / "stage").rglob("bin/weft"))
        cls.prefix = cls.launcher.parent.parent
        cls.libdir = next(cls.prefix.rglob("libweft.so")).parent
        cls.env = {**os.environ, "PKG_CONFIG_PATH": str(cls.libdir / "pkgconfig"),
                   "LD_LIBRARY_PATH": str(cls.libdir), "CMAKE_PREFIX_PATH": str(cls.prefix)}
        for name in ("CXXFLAGS", "LDFLAGS", "CPPFLAGS", "DESTDIR", "LD_PRELOAD", "MAKEFLAGS"):
            cls.env.pop(name, None)
        readme = (SOURCE / "README.md").read_text()
        example = re.search(r"^```cpp\n(.*?)^```$.*?^```text\n(.*?)^```$", readme, re.S | re.M)
        cls.program, cls.output = example.groups()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def project(self, name, **files):
        """A directory with the example and the given files, whose dots are written as two underscores."""
        project = self.dir / name
        project.mkdir()
        (project / "hello.cpp").write_text(self.program)
        for file, content in files.items():
            (project / file.replace("__", ".")).write_text(content)
        return project

    def expect_output(self, program):
        self.assertEqual(run(program, env=self.env), self.output)

    def test_one_compiler_line(self):
        project = self.project("line")
        run("sh", "-c", "g++ -std=c++20 hello.cpp $(pkg-config --cflags --libs weft) -o hello", cwd=project, env=self.env)
        self.expect_output(project / "hello")

    def test_meson(self):
        project = self.project("meson", meson__build="""
project('outside', 'cpp', default_options : ['cpp_std=c++20', 'warning_level=3', 'werror=true'])
executable('hello', 'hello.cpp', dependencies : dependency('weft'))
""")
        run("meson", "setup", "build", cwd=project, env=self.env)
        run("ninja", "-C", "build", cwd=project, env=self.env)
        self.expect_output(project / "build/hello")

    def test_cmake(self):
        project = self.project("cmake", CMakeLists__txt="""
cmake_minimum_required(VERSION 3.20)
project(outside CXX)
find_package(weft 0.1 REQUIRED)
add_executable(hello hello.cpp)
target_link_libraries(hello PRIVATE weft::weft)
foreach(path "${weft_LAUNCHER}" "${weft_PATCH_LIBRARY}")
  if(NOT EXISTS "${path}")
    message(FATAL_ERROR "${path} is not there")
  endif()
endforeach()
find_package(weft 0.2 QUIET)
if(weft_FOUND)
  message(FATAL_ERROR "a later version was asked for and found")
endif()
""")
        run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", cwd=project, env=self.env)
        run("cmake", "--build", "build", cwd=project, env=self.env)
        without_path = {k: v for k, v in self.env.items() if k != "LD_LIBRARY_PATH"}
        self.assertEqual(run(project / "build/hello", env=without_path), self.output)

    def test_every_public_header_is_there(self):
        ours = {path.relative_to(SOURCE / "include") for path in (SOURCE / "include").rglob("*.hpp")}
        theirs = {path.relative_to(self.prefix / "include") for path in (self.prefix / "include").rglob("*")
                  if path.is_file()}
        self.assertEqual(ours, theirs)
        self.assertIn(pathlib.Path("weft/weft.hpp"), ours)

    def test_the_library_is_versioned_and_uses_the_programs_libstdcxx(self):
        library = self.libdir / "libweft.so"
        self.assertEqual(dynamic(library, "SONAME"), ["libweft.so.0"])
        self.assertEqual(library.resolve().name, "libweft.so." + run("pkg-config", "--modversion", "weft", env=self.env).strip())
        self.assertIn("libstdc++.so.6", dynamic(library, "NEEDED"))

    def test_the_patch_needs_no_libstdcxx_and_exports_its_own_names_only(self):
        library = self.libdir / "libweft-patch.so"
        allowed = {"libc.so.6", "ld-linux-x86-64.so.2", "libZydis.so.4.0"}
        self.assertLessEqual(set(dynamic(library, "NEEDED")), allowed)
        names = exported(library)
        self.assertTrue(names)
        self.assertEqual({name for name in names if not name.startswith("weft_patch_")}, set())

    def test_the_installed_launcher_finds_the_installed_patch(self):
        said = run(self.launcher, "--verbose", "true", env=self.env)
        self.assertIn(f"LD_PRELOAD={(self.libdir / 'libweft-patch.so').resolve()}", said)
        self.assertEqual(run(self.launcher, "echo", "hello", env=self.env), "hello\n")
        for variable, path in (("library", self.libdir / "libweft-patch.so"), ("launcher", self.launcher)):
            told = run("pkg-config", f"--variable={variable}", "weft-patch", env=self.env).strip()
            self.assertTrue(os.path.samefile(told, path), told)

    def test_others_may_read_all_of_it(self):
        # Programs that give up root load the library again in their children.
        for path in (self.dir / "stage").rglob("*"):
            mode = path.stat().st_mode
            self.assertTrue(mode & 0o004, path)
            if path.is_dir() or path == self.launcher:
                self.assertTrue(mode & 0o001, path)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
