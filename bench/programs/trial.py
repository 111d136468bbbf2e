# SPDX-License-Identifier: BSL-1.0
"""One run of a real program: the stage of tests/programs, on which figures count and not how many kernel threads."""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests/programs"))

from stage import Failure, Stage, check, program, same, some_bytes  # noqa: E402,F401


class Trial(Stage):
    """`prefix` comes before the programs that are measured: nothing, or weft and its options. In a session that is
    quick a tenth of the work or so. `store` lasts for all trials of a case: what takes long to prepare."""

    def __init__(self, prefix, session, store):
        super().__init__(None)
        self.weft = [str(word) for word in prefix]
        self.quick = session.quick
        self.session = session
        self.store = store

    def built(self, file):
        """The path of a program of the project's."""
        return self.session.built(file)

    def start(self, command, under_weft, log="log", environment=None):
        self.session.check_built(self.weft)
        return super().start(command, under_weft, log, environment)

    def amount(self, full, quick):
        return quick if self.quick else full

    def run(self, command, under_weft=True, timeout=90, log="run", environment=None):
        """Runs a program to its end, which must be a success; its output."""
        process = self.start(command, under_weft, log, environment)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{command[0]} did not end within {timeout} s:\n{self.text(log)[-500:]}") from late
        same(status, 0, f"the status of {command[0]}, which wrote\n{self.text(log)[-500:]}\n")
        return self.text(log)

    def timed(self, command, **more):
        """The same, and how long it took."""
        began = time.monotonic()
        text = self.run(command, **more)
        return text, time.monotonic() - began
