# SPDX-License-Identifier: BSL-1.0
"""Clients with a thread for each connection, under weft, against a native server."""

import re

from stage import check, program, same, some_bytes


def siege(stage, _):
    files = {f"page{i}.bin": some_bytes(1000 * i + 17, i) for i in range(8)}
    port = stage.origin(files)
    urls = stage.folder / "urls"
    urls.write_text("".join(f"http://127.0.0.1:{port}/{name}\n" for name in files))
    settings = stage.folder / "siegerc"
    settings.write_text("verbose = false\nquiet = false\nconnection = keep-alive\n"
                        "limit = 255\njson_output = false\nshow-logfile = false\nlogging = false\n"
                        "parser = false\ntimeout = 20\n")
    command = [program("siege", "siege"), "--rc", settings, "--benchmark", "--concurrent=60",
               "--reps=40", "--file", urls]
    text = stage.run(command)
    figures = dict(re.findall(r"^([A-Z][A-Za-z ]+):\s+([\d.]+)", text, re.MULTILINE))
    same(figures.get("Transactions"), "2400", "transactions")
    same(figures.get("Availability"), "100.00", "availability")
    same(figures.get("Successful transactions"), "2400", "successful transactions")
    same(figures.get("Failed transactions"), "0", "failed transactions")
    # 60 clients read the list in turn: each file 300 times.
    check(re.search(r"^Data transferred:\s+([\d.]+) MB", text, re.MULTILINE), "no data transferred")
    expected = 300 * sum(len(content) for content in files.values()) / (1 << 20)
    check(abs(float(figures["Data transferred"]) - expected) < 0.02,
          f"{figures['Data transferred']} MB transferred instead of {expected:.2f}")


def axel(stage, _):
    content = some_bytes(24 << 20, 1)
    port = stage.origin({"large.bin": content})
    for connections in (1, 4, 16):
        target = stage.folder / f"copy{connections}"
        stage.run([program("axel", "axel"), "--quiet", f"--num-connections={connections}",
                   f"--output={target}", f"http://127.0.0.1:{port}/large.bin"])
        check(target.read_bytes() == content,
              f"the file fetched over {connections} connections differs from the original")
