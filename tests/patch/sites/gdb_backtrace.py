#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""gdb walks from the dispatcher through the stub to libc's function and its caller."""
import re
import shutil
import subprocess
import sys

SKIPPED = 77

if not shutil.which('gdb'):
    print('no gdb')
    sys.exit(SKIPPED)
run = subprocess.run(
    ['gdb', '-nx', '-batch', '-ex', 'set debuginfod enabled off',
     '-ex', 'break inside_the_dispatcher', '-ex', 'run', '-ex', 'bt', '-ex', 'finish',
     '-ex', 'continue', sys.argv[1]],
    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
print(run.stdout, run.stderr)
if 'ptrace' in run.stderr or 'not permitted' in run.stderr:
    sys.exit(SKIPPED)
backtrace = re.findall(r'^#\d+ +(.*)$', run.stdout, re.M)
order = ['inside_the_dispatcher', '<signal handler called>', 'getppid', 'main (']
position = 0
for frame in backtrace:
    if position < len(order) and order[position] in frame:
        position += 1
if position < len(order) or 'exited normally' not in run.stdout:
    sys.exit(f'expected {order} in this order, and a normal exit')
