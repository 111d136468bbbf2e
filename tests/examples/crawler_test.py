#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from program import PATIENCE, running

CRAWLER, HTTP_FILE_SERVER = sys.argv[1:]
PAGES = 60


def crawl(address, *options):
    command = [CRAWLER, address[0], str(address[1]), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout.splitlines()


with tempfile.TemporaryDirectory() as scratch:
    root = pathlib.Path(scratch)
    sizes = {}
    for i in range(PAGES):  # each links to others, to itself, to the start
        text = "".join(f'<a href="/page{(i * 2 + k) % PAGES}.html">' for k in range(3)) + '<a href="/">'
        (root / f"page{i}.html").write_text(text)
        sizes[f"/page{i}.html"] = len(text)
    home = '<a href="/page0.html#top"> <a href="/missing.html"> <a href="https://example.org/">'
    (root / "index.html").write_text(home)
    sizes["/"] = len(home)

    with running(HTTP_FILE_SERVER, root, 0) as server:
        for at_a_time in (1, 5):
            *lines, summary = crawl(server.address, str(at_a_time))
            wanted = [f"200 {path} {size}" for path, size in sizes.items()] + ["404 /missing.html 0"]
            assert sorted(lines) == sorted(wanted), lines
            assert lines[0] == f"200 / {len(home)}", lines[0]
            assert summary == f"{PAGES + 2} pages, 1 broken, at most {at_a_time} at a time", summary
        server.terminate()
        assert server.wait() == (0, "")

    # Nobody there any more.
    line, summary = crawl(server.address)
    assert line.startswith("--- / weft: connect to ") and line.endswith("Connection refused"), line
    assert summary == "1 pages, 1 broken, at most 1 at a time", summary
