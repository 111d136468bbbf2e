# SPDX-License-Identifier: BSL-1.0
"""Real programs, natively and under weft in turn, on all processors: how much they get done in a second."""
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import computing  # noqa: E402
import startup  # noqa: E402
import stores  # noqa: E402
import web  # noqa: E402
from runner import records  # noqa: E402
from runner.records import Case, Goal, Record  # noqa: E402
from runner.session import Failure, Missing, Peer  # noqa: E402
from trial import Failure as TrialFailure, Trial  # noqa: E402

TITLE = "Programs: what real ones get done in a second, natively and under weft"

PROGRAMS = [  # the function's name is the case's
    (web.python_threads, "Python, threaded HTTP server and clients", "requests/s"),
    (web.siege, "siege, 100 users", "requests/s"),
    (web.tinyproxy, "tinyproxy, 100 connections", "requests/s"),
    (web.weborf, "weborf, 100 connections", "requests/s"),
    (web.idle_connections, "echo beside thousands of idle threads", "requests/s"),
    (web.clients_and_servers, "clients and servers in one process", "messages/s"),
    (stores.memcached, "memcached and memcslap", "operations/s"),
    (stores.redis, "redis with I/O threads", "requests/s"),
    (stores.pgbench, "pgbench, 32 threads", "transactions/s"),
    (stores.mariadb, "mariadb and sysbench", "transactions/s"),
    (computing.pigz, "pigz -p 4", "MB/s"),
    (computing.pbzip2, "pbzip2 -p 4", "MB/s"),
    (computing.xz, "xz -T 4", "MB/s"),
    (computing.openmp, "OpenMP, short loops", "loops/s"),
]
BARS = [("programs", "Programs: what gets done in a second under weft", [program.__name__ for program, _, _ in PROGRAMS],
         ["weft"], "native")]
STARTS = 40  # of /bin/true in a round
SLOW = {"mariadb"}  # to prepare
MEDIAN = Case("programs", "median", "median of weft's ratios to native", "", (Goal("weft", 1.5),),
              lower_is_better=False, statistic="median", reference="native")


def measure_start(session):
    """What weft adds to the start of a process: run by the launcher, and preloaded by hand."""
    case = Case("programs", "start", "start and end of /bin/true", "ms", statistic="median", reference="native")
    launcher, library = session.launcher, session.build / "patch/libweft-patch.so"

    def run(way):
        session.check_program([launcher, library])
        return {"start": statistics.median(startup.once(*startup.ways(launcher, library)[way]) for _ in range(STARTS))}

    session.alternate([case], [Peer("native", lambda: run("native")), Peer("weft", lambda: run("launched")),
                               Peer("preloaded", lambda: run("preloaded"))])


def measure(session):
    ratios = []
    for program, title, unit in PROGRAMS:
        case = Case("programs", program.__name__, title, unit, (Goal("weft", 0.95, "native"),), lower_is_better=False,
                    statistic="median", reference="native", most_load=0.5)
        store = {}

        def run(prefix, program=program, case=case, store=store):
            if session.quick and case.name in SLOW:
                raise Missing("not in a quick run")
            try:
                with Trial(prefix, session, store) as trial:
                    return {case.name: program(trial)}
            except TrialFailure as failure:
                text = " ".join(str(failure).split())
                raise (Missing if "is not installed" in text else Failure)(text) from failure

        try:
            found = session.alternate([case], [Peer("native", lambda run=run: run([])),
                                               Peer("weft", lambda run=run: run(session.weft()))],
                                      1 if session.quick else max(session.rounds // 2, 1))
        finally:
            store.get("close", lambda: None)()
        of_case = found.get(case.name, {})
        if (ratio := records.ratio(of_case.get("weft"), of_case.get("native"))) is not None:
            ratios.append(ratio)
    if len(ratios) > 2:
        session.records.append(Record(MEDIAN, "weft", [statistics.median(ratios)]))
    measure_start(session)
