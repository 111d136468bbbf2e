# SPDX-License-Identifier: BSL-1.0
"""One run of the benchmarks: what is wanted of it, and how peers take turns."""
import dataclasses
import fnmatch
import functools
import json
import mmap
import os
import pathlib
import shutil
import subprocess
import sys
import time
import traceback
import typing

from runner.machine import LoadMeter, available_memory
from runner.records import Record


class Failure(Exception):
    """A peer that could not do a case, and why."""


class Missing(Exception):
    """A peer that is not here, or has no such case, and why."""


class NotBuilt(Exception):
    """The build directory has a target that is needed and not there; the text says which, and the remedy."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """One way to do a case. `run()` does a round and returns {case name: figure}; it raises Missing or Failure."""

    name: str
    run: typing.Callable
    # At most so many rounds; None: as many as the others.
    rounds: int | None = None


class Progress:
    """One line on a terminal; elsewhere nothing."""

    def __init__(self):
        self.began = time.monotonic()

    def show(self, text):
        if sys.stderr.isatty():
            elapsed = int(time.monotonic() - self.began)
            print(f"\r\033[K[{elapsed // 60}:{elapsed % 60:02}] {text}", end="", file=sys.stderr, flush=True)

    def clear(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Session:
    def __init__(self, build, *, quick=False, rounds=None, processors=None, cases=(), peers=(), workers=None):
        self.build = build
        self.source = pathlib.Path(__file__).resolve().parent.parent.parent
        # Kernel threads that a program under weft runs on; None: as many as weft chooses.
        self.workers = workers
        self.quick = quick
        self.rounds = rounds or (2 if quick else 6)
        # Single programs run on the last one, away from where interrupts go first; a server and its clients on the
        # last and on the one before.
        self.processors = processors or sorted(os.sched_getaffinity(0))
        self.cases = cases
        self.peers = peers
        self.records = []
        # {what: {peer: [[(x, y), ...] of each round]}}, for plots.
        self.curves = {}
        self.curve_titles = {}
        # Of a quick run: when what is measured now began, is to be over, and the part of that time after which no
        # further round begins.
        self.began = self.deadline = None
        self.pace = 1.0
        self.progress = Progress()

    def begin(self, seconds):
        """A section begins, that has so much time and what those before it have left; None: all there is."""
        if seconds is not None:
            self.began = self.deadline or time.monotonic()
            self.deadline = self.began + seconds
        self.pace = 1.0

    def is_late(self, part):
        """Whether that part of its time is over."""
        if self.deadline is None:
            return False
        now = time.monotonic()
        begun = min(self.began, now)
        return now > begun + part * (self.deadline - begun)

    @property
    def launcher(self):
        return self.build / "patch/launcher/weft"

    @property
    def processor(self):
        return self.processors[-1]

    @property
    def other_processor(self):
        """For what drives the program that is measured; the same one if there is no other."""
        return self.processors[-2] if len(self.processors) > 1 else self.processors[-1]

    def weft(self, workers=None):
        """What comes before a program's name to run it under weft."""
        workers = workers or self.workers
        return [self.launcher] if workers is None else [self.launcher, "--workers", workers]

    def keep_curve(self, what, peer, points, title=None, axes=("", "")):
        if title:
            self.curve_titles[what] = (title, axes)
        self.curves.setdefault(what, {}).setdefault(peer, []).append(points)

    @functools.cached_property
    def targets(self):
        """The files that the build directory makes; not the peers that could not be configured."""
        try:
            described = json.loads((self.build / "meson-info/intro-targets.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise NotBuilt(f"{self.build} is no build directory: meson setup -Dbench=true {self.build}") from error
        return {file for target in described for file in target["filename"]}

    def built(self, file):
        """The path of a file of the build directory. Raises Missing if it is none of its targets."""
        path = self.build / file
        if not path.exists():
            if str(path) in self.targets:
                raise NotBuilt(f"{path} is not built: ninja -C {self.build} {path.relative_to(self.build)}")
            raise Missing(f"{path.name} is not built or not installed")
        return path

    def check_built(self, command):
        """The same for all words of a command that are files of the build directory, and what weft needs."""
        for word in map(str, command):
            if word.startswith(f"{self.build}{os.sep}"):
                self.built(word)
        if str(self.launcher) in map(str, command):
            self.built("patch/libweft-patch.so")

    def check_program(self, command, environment=None):
        """Raises Missing if it cannot be run: it is not there, or weft does not know the backend asked for."""
        self.check_built(command)
        for word in command:
            if os.sep in str(word) and not os.path.exists(word):
                raise Missing(f"{os.path.basename(word)} is not built or not installed")
        if (environment or {}).get("WEFT_BACKEND", "epoll") != "epoll":
            patched = str(self.launcher) in map(str, command)
            library = self.built("patch/libweft-patch.so" if patched else "runtime/libweft.so")
            if b"WEFT_BACKEND" not in library.read_bytes():
                raise Missing("weft has no such backend")

    @staticmethod
    def tool(name):
        """The path of an installed program."""
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            raise Missing(f"{name} is not installed")
        return path

    def check_module(self, name):
        """Raises Missing if Debian's Python has no such module."""
        if subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            raise Missing(f"python3-{name} is not installed")

    def wants(self, case):
        names = (case.name, f"{case.section}/{case.name}")
        return not self.cases or any(fnmatch.fnmatch(name, pattern) for name in names for pattern in self.cases)

    def wants_peer(self, name):
        return not self.peers or any(fnmatch.fnmatch(name, pattern) for pattern in self.peers)

    @staticmethod
    def fetch_memory(size):
        """Touches so much memory and gives it back, right before a program that needs it. A hypervisor takes back what
        is free for some seconds; whoever comes next would pay for fetching it again, several times what the pages cost
        otherwise, and the one after would not."""
        size = min(size, available_memory() // 2)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        mmap.mmap(-1, size, flags=flags).close()

    def run(self, command, *, processor=None, environment=None, timeout=600):
        """Runs a program pinned to one processor; its standard output. A program that is not there is Missing, one
        that fails or takes too long a Failure."""
        command = [str(word) for word in command]
        self.check_built(command)
        if not os.access(command[0], os.X_OK):
            raise Missing(f"{os.path.basename(command[0])} is not built or not installed")
        pinned = ["taskset", "-c", str(self.processor if processor is None else processor), *command]
        try:
            done = subprocess.run(pinned, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{' '.join(command)} took more than {timeout} s") from late
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)} ended with status {done.returncode}: "
                          f"{done.stderr.decode(errors='replace')[-500:].strip()}")
        return done.stdout.decode(errors="replace")

    def alternate(self, cases, peers, rounds=None):
        """Measures `cases`, which one run of a peer gives together, with the peers in turn: A B C B C A ... Keeps a
        record for each, and returns them as {case name: {peer: record}}."""
        cases = [case for case in cases if self.wants(case)]
        # What goals compare with is measured even if only others are asked for.
        needed = {name for case in cases for goal in case.goals for name in (goal.of, goal.subject) if name}
        peers = [peer for peer in peers if self.wants_peer(peer.name) or (self.peers and peer.name in needed)]
        if not cases or not peers:
            return {}
        found = {case.name: {peer.name: Record(case, peer.name) for peer in peers} for case in cases}
        rounds = rounds or self.rounds
        meter = LoadMeter()
        out = set()
        for number in range(rounds):
            if self.is_late(1.0 if number == 0 else self.pace):
                if number == 0:
                    for record in (record for records in found.values() for record in records.values()):
                        record.missing = "left out: this machine takes longer than a quick run may"
                break
            first = number % len(peers)  # so that nobody always comes after the same
            for peer in peers[first:] + peers[:first]:
                if peer.name in out or (peer.rounds is not None and number >= peer.rounds):
                    continue
                self.progress.show(f"{cases[0].section}: {cases[0].title}, round {number + 1} of {rounds}, {peer.name}")
                try:
                    figures, why = {name: float(value) for name, value in peer.run().items() if value is not None}, ""
                except Missing as missing:
                    figures, why = {}, f"missing: {missing}"
                except Failure as failure:
                    figures, why = {}, f"failed: {failure}"
                except (AttributeError, LookupError, TypeError, ValueError) as wrong:  # another output than expected
                    figures, why = {}, f"failed: no figures: {wrong!r}"
                    traceback.print_exc()
                if why:
                    out.add(peer.name)
                for case in cases:
                    record = found[case.name][peer.name]
                    if case.name in figures:
                        record.values.append(figures[case.name])
                    elif why:
                        record.missing, record.values = why, []
        load = meter.busy()
        for records in found.values():
            for name, record in list(records.items()):
                record.load = load
                if record.values or record.missing:
                    self.records.append(record)
                else:
                    del records[name]  # the peer has no such case
        self.progress.clear()
        return found
