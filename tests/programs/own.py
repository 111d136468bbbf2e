# SPDX-License-Identifier: BSL-1.0
"""Programs of the tests' own, of the kinds that exist: an interpreter's threads, a C library with a
thread for each connection, a language with threads of its own over libc, blocking clients."""

import os
import pathlib
import re
import signal
import socket
import time

from fetching import SlowServer, get, get_many
from stage import check, program, same, some_bytes

HERE = pathlib.Path(__file__).resolve().parent


def built(helper, package):
    check(helper and os.access(helper, os.X_OK),
          f"the test's helper was not built: apt-get install {package}, and configure again")
    return helper


def python(stage, _):
    script = HERE / "python_threads.py"
    same(stage.run(["/usr/bin/python3", script]), "timers ok\nqueues ok\nhttp ok\nsleeps ok\n"
         "local ok\nsubprocesses ok\n", "what the script wrote")


def libmicrohttpd(stage, helper):
    helper = built(helper, "libmicrohttpd-dev")
    process, port = stage.server(lambda p: [helper, p])
    wanted = b"".join(b"%d\n" % i for i in range(5000))
    with stage.few_kernel_threads(process):
        same(get(port, "/numbers/5000"), (200, wanted), "the numbers")
        same(get(port, "/nothing")[0], 404, "the status of what there is not")
        began = time.monotonic()
        outcomes = get_many(port, ["/sleep/300"] * 100, 100)
        took = time.monotonic() - began
        same(outcomes, [(200, b"slept\n")] * 100, "100 sleepers")
        check(took < 12, f"100 handlers that sleep 0.3 s took {took:.1f} s")
        idle = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(200)]
        sizes = [i * 37 % 3000 for i in range(400)]
        for size, outcome in zip(sizes, get_many(port, [f"/numbers/{s}" for s in sizes], 30)):
            check(outcome == (200, b"".join(b"%d\n" % i for i in range(size))), f"numbers to {size}")
        for connection in idle:
            connection.close()
        bench = stage.run([program("ab", "apache2-utils"), "-q", "-k", "-n", "5000", "-c", "50",
                           f"http://127.0.0.1:{port}/numbers/100"], under_weft=False)
    figures = dict(re.findall(r"^([A-Z][A-Za-z -]+):\s+(\d+)", bench, re.MULTILINE))
    same(figures.get("Complete requests"), "5000", "complete requests")
    same(figures.get("Failed requests"), "0", "failed requests")
    check("Non-2xx responses" not in figures, "answers other than 200")
    same(stage.stop(process, signal.SIGTERM), 0, "the server's status after SIGTERM")
    same(stage.text("server"), "stopped\n", "what the server wrote")


def rust(stage, helper):
    text = stage.run([built(helper, "rustc")])
    same(text, "mutex 40000\ncondvar ok\nrwlock ok\nbarrier 1 leader\nonce 1\nchannel 499500\n"
         "park ok\nscoped 285\nthread locals ok\npanic caught\nsleeps overlap\necho 2000\n"
         "process spawned\n", "what the program wrote")


def curl(stage, helper):
    helper = built(helper, "libcurl4-openssl-dev")
    body = some_bytes(50_000, 4)
    with SlowServer(1.0, body) as server:
        urls = [f"http://127.0.0.1:{server.port}/{i}" for i in (1, 2)]
        began = time.monotonic()
        text = stage.run([helper, *urls])
        took = time.monotonic() - began
        same(server.most, 2, "requests under way at once")
    digest = 0
    for byte in body:
        digest = (digest * 31 + byte) % (1 << 32)
    same(text, "".join(f"{url} 200 {len(body)} {digest}\n" for url in urls), "the two downloads")
    check(1.0 <= took < 1.9, f"two downloads of 1 s each took {took:.2f} s, so one after the other")
