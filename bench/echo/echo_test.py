#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Starts an echo server, sends it a thousand messages over ten connections, and expects each of them back.

    echo_test.py LOAD_CLIENT SERVER [ARGUMENT...]
"""
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from runner.server import Server  # noqa: E402

client, *command = sys.argv[1:]
with Server(command) as server:
    done = subprocess.run(
        [client, "--port", str(server.port), "--active", "10", "--idle", "20", "--requests", "1000",
         "--server-pid", str(server.pid)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, check=False)
    print(done.stdout.decode())
    assert done.returncode == 0, f"the client ended with status {done.returncode}"
    result = json.loads(done.stdout)
    assert server.is_running(), "the server ended by itself"
assert result["errors"] == 0, result
assert result["connections"] == 30, result
assert result["requests"] == 1000, result
assert result["latency_us"][0][1] > 0 and result["p50_us"] <= result["p99_us"] <= result["p999_us"], result
