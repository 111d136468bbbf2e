# SPDX-License-Identifier: BSL-1.0
"""Databases and caches, and the clients that load them."""
import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from trial import Failure, check, program, same


def redis(trial):
    """Its clients are native. Requests a second."""
    server = program("redis-server", "redis-server")
    bench = program("redis-benchmark", "redis-tools")
    client = program("redis-cli", "redis-tools")
    count = trial.amount(100_000, 20_000)
    _, port = trial.server(lambda p: [server, "--bind", "127.0.0.1", "--port", p, "--save", "", "--io-threads", "2",
                                      "--io-threads-do-reads", "yes"])
    text = trial.run([bench, "-h", "127.0.0.1", "-p", str(port), "-c", "50", "-n", str(count), "-t", "incr", "--csv"],
                     under_weft=False)
    counted = subprocess.run([client, "-p", str(port), "get", "counter:__rand_int__"], stdout=subprocess.PIPE,
                             timeout=10, check=True).stdout.decode().strip()
    same(counted, str(count), "the counter")
    return float(re.search(r'^"INCR","([\d.]+)"', text, re.MULTILINE)[1])


def memcached(trial):
    """Four threads of its own, clients with a thread for each of 50 connections: both measured. Operations a second."""
    path = program("memcached", "memcached")
    memcslap = program("memcslap", "libmemcached-tools")
    each = trial.amount(2000, 400)
    _, port = trial.server(lambda p: [path, "-u", "nobody", "-l", "127.0.0.1", "-p", p, "-U", "0", "-t", "4", "-m", "64"])
    took = 0.0
    for kind, load in (("set", 0), ("get", 500)):
        took += trial.timed([memcslap, "--servers", f"127.0.0.1:{port}", "--concurrency=50",
                             f"--execute-number={each}", f"--test={kind}", f"--initial-load={load}"])[1]
    return 2 * 50 * each / took


@contextlib.contextmanager
def postgres(trial):
    """A native server's port. The cluster is made once for all trials."""
    tools = pathlib.Path(max(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")), default="/nonexistent"))
    program(str(tools / "initdb"), "postgresql")
    as_user = ["runuser", "-u", "postgres", "--"]
    if "cluster" not in trial.store:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-postgres-"))
        trial.store["cluster"], trial.store["close"] = folder, lambda: shutil.rmtree(folder, ignore_errors=True)
        shutil.chown(folder, "postgres")
        trial.run([*as_user, tools / "initdb", "-D", folder / "data", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"],
                  under_weft=False)
    folder = trial.store["cluster"]
    _, port = trial.server(lambda p: [*as_user, tools / "postgres", "-D", folder / "data", "-p", p, "-h", "127.0.0.1",
                                      "-k", folder, "-F", "-c", "max_connections=120"], under_weft=False)
    deadline = time.monotonic() + 20  # it answers before it has started
    while subprocess.run([tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode != 0:
        check(time.monotonic() < deadline, "postgres does not get ready")
        time.sleep(0.05)
    if "filled" not in trial.store:
        trial.run([tools / "pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-i", "-s", "2", "-q",
                   "postgres"], under_weft=False)
        trial.store["filled"] = True
    yield tools, port


def pgbench(trial):
    """The client, with a thread for each of 32 connections. Transactions a second."""
    each = trial.amount(200, 30)
    with postgres(trial) as (tools, port):
        text = trial.run([tools / "pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-c", "32",
                          "-j", "32", "-t", str(each), "-n", "-S", "postgres"])
    check(f"actually processed: {32 * each}/{32 * each}" in text, text[-300:])
    return float(re.search(r"^tps = ([\d.]+)", text, re.MULTILINE)[1])


def mariadb(trial):
    """A thread for each connection, and sysbench with a thread for each of 32: both measured. Transactions a
    second."""
    server = program("mariadbd", "mariadb-server")
    install = program("mariadb-install-db", "mariadb-server")
    sysbench = program("sysbench", "sysbench")
    client = [program("mariadb", "mariadb-client"), "--no-defaults", "-h127.0.0.1", "-uroot", "-N"]
    if "data" not in trial.store:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-mariadb-"))
        trial.store["data"], trial.store["close"] = folder, lambda: shutil.rmtree(folder, ignore_errors=True)
        shutil.chown(folder, "mysql")
        trial.run([install, "--no-defaults", "--user=mysql", f"--datadir={folder}",
                   "--auth-root-authentication-method=normal", "--skip-test-db"], under_weft=False)
    folder = trial.store["data"]
    _, port = trial.server(lambda p: [
        server, "--no-defaults", "--user=mysql", f"--datadir={folder}", f"--port={p}", "--bind-address=127.0.0.1",
        f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--tmpdir={folder}",
        "--thread-handling=one-thread-per-connection", "--innodb-buffer-pool-size=64M", "--innodb-use-native-aio=0",
        "--innodb-flush-log-at-trx-commit=0", "--max-connections=300", "--performance-schema=0"], greeting_timeout=30)

    def ask(text, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            done = subprocess.run([*client, f"-P{port}", "-e", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=30, check=False)
            if done.returncode == 0:
                return done.stdout.decode()
            if time.monotonic() > deadline:
                raise Failure(f"mariadb: {done.stderr.decode()[-300:]}")
            time.sleep(0.1)

    load = [sysbench, "oltp_read_write", "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}",
            "--mysql-user=root", "--tables=4", "--table-size=2000"]
    if "filled" not in trial.store:
        ask("create database sbtest")
        trial.run([*load, "--threads=4", "prepare"], under_weft=False)
        trial.store["filled"] = True
    events = trial.amount(2000, 300)
    text = trial.run([*load, "--threads=32", f"--events={events}", "--time=60", "run"])
    check(f"total number of events:              {events}" in text and "FATAL" not in text, text[-300:])
    same(ask("select count(*) from sbtest.sbtest1").strip(), "2000", "rows")
    return float(re.search(r"transactions: +\d+ +\(([\d.]+) per sec", text)[1])
