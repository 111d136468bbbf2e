# SPDX-License-Identifier: BSL-1.0
"""Running one test program of a suite."""

import os
import signal
import subprocess

NO_END = "no end within the time limit"

# Shells have what they start in the background ignore it, and that would be inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)


def run(command, timeout, **popen):
    """How the command ended, and its output. It gets a session of its own, and leaves nothing."""
    environment = dict(os.environ, LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True,
                               env=environment, **popen)
    out = b""
    try:
        out, _ = process.communicate(timeout=timeout)
        status = process.returncode
        ended = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
    except subprocess.TimeoutExpired:
        ended = NO_END
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if ended == NO_END:
        process.kill()
        try:
            out, _ = process.communicate(timeout=5)
        except subprocess.TimeoutExpired as late:  # a grandchild in another group holds the pipe
            out = late.stdout or b""
    return ended, out.decode(errors="replace")
