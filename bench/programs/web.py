# SPDX-License-Identifier: BSL-1.0
"""Clients and servers of the web with a thread for each connection, and echo servers."""
import json
import pathlib
import re

from trial import check, program, same, some_bytes

HERE = pathlib.Path(__file__).resolve().parent


def siege(trial):
    """100 users against a native lighttpd. Requests a second."""
    port = trial.origin({"page.bin": some_bytes(16384, 1)})
    settings = trial.folder / "siegerc"
    settings.write_text("verbose = false\nquiet = false\nconnection = keep-alive\nlimit = 255\njson_output = false\n"
                        "show-logfile = false\nlogging = false\nparser = false\ntimeout = 20\n")
    each = trial.amount(300, 80)
    text = trial.run([program("siege", "siege"), "--rc", settings, "--benchmark", "--concurrent=100", f"--reps={each}",
                      f"http://127.0.0.1:{port}/page.bin"])
    figures = dict(re.findall(r"^([A-Z][A-Za-z ]+):\s+([\d.]+)", text, re.MULTILINE))
    same(figures.get("Successful transactions"), str(100 * each), "successful transactions")
    return 100 * each / float(figures["Elapsed time"])


def load_by_ab(trial, count, *arguments):
    text = trial.run([program("ab", "apache2-utils"), "-q", "-n", str(count), "-c", "100", *arguments],
                     under_weft=False, log="ab")
    figures = dict(re.findall(r"^([A-Z][A-Za-z0-9 -]+):\s+([\d.]+)", text, re.MULTILINE))
    same((figures.get("Complete requests"), figures.get("Failed requests")), (str(count), "0"), "requests")
    check("Non-2xx responses" not in figures, "answers other than 200")
    return float(figures["Requests per second"])


def tinyproxy(trial):
    """A thread for each of 100 connections, to a native lighttpd. Requests a second."""
    origin = trial.origin({"page.bin": some_bytes(16384, 2)})
    path = program("tinyproxy", "tinyproxy")

    def command(port):
        settings = trial.folder / "tinyproxy.conf"
        settings.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 400\nLogLevel Error\n"
                            "Allow 127.0.0.1\n")
        return [path, "-d", "-c", settings]

    _, port = trial.server(command)
    return load_by_ab(trial, trial.amount(8000, 2500), "-X", f"127.0.0.1:{port}", f"http://127.0.0.1:{origin}/page.bin")


def weborf(trial):
    """A pool of threads that serves files. Requests a second."""
    root = trial.folder / "files"
    root.mkdir()
    (root / "page.bin").write_bytes(some_bytes(16384, 3))
    path = program("weborf", "weborf")
    _, port = trial.server(lambda p: [path, "-i", "127.0.0.1", "-p", p, "-b", root])
    return load_by_ab(trial, trial.amount(12000, 4000), f"http://127.0.0.1:{port}/page.bin")


def python_threads(trial):
    """Debian's interpreter: an HTTP server with a thread for each connection, and 50 clients in one process. Requests
    a second."""
    count = trial.amount(4000, 1000)
    _, took = trial.timed(["/usr/bin/python3", HERE / "python_http.py", str(count)])
    return count / took


def idle_connections(trial):
    """The echo server with a thread for each of some thousand connections, of which 100 are busy. Requests a
    second."""
    idle, seconds = trial.amount((10_000, 3), (2000, 1))
    server = trial.start([trial.built("bench/echo/thread_server")], under_weft=True, log="server")
    while not (words := trial.text("server").split()):
        check(server.poll() is None, "the server ended")
    text = trial.run([trial.built("bench/echo/load_client"), "--port", words[1], "--idle", str(idle), "--active", "100",
                      "--seconds", str(seconds)], under_weft=False)
    return json.loads(text)["requests_per_second"]


def clients_and_servers(trial):
    """200 threads that ask and 200 that answer, in one process. Messages a second."""
    each = trial.amount(2000, 500)
    text, took = trial.timed([trial.built("bench/programs/clients_and_servers"), "200", str(each)])
    same(text.strip(), str(200 * each), "messages")
    return 200 * each / took
