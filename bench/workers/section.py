# SPDX-License-Identifier: BSL-1.0
"""Threads of one shape natively, with one worker and with as many as processors, in turn; and what weft's own
statistics say of the last."""
import json
import pathlib
import tempfile
import time

from runner.records import Case, Goal
from runner.session import Failure, Peer

TITLE = "Workers: what threads get done in a second on all processors, with one worker and with as many"
ONE, ALL = "one worker", "all processors"
SHAPES = [  # the name, what an operation is, its unit, and the least share of the native figure
    ("compute", "4 threads that compute", "10 µs", 0.95),
    ("memory", "4 threads over 48 MiB, in step", "passes", 0.95),
    ("semaphores", "16 pairs, by semaphores", "turns", 0.95),
    ("conditions", "16 pairs, by condition variables", "turns", 0.95),
    ("ring", "100 threads in a ring, 4 tokens", "passes", 0.95),
    ("clients", "200 clients and servers in one process", "messages", 0.95),
]
BARS = [("workers", "Workers: what gets done in a second", [f"{name}/done" for name, *_ in SHAPES], [ONE, ALL], "native")]
CLIENTS = 200


def cases_of(name, title, unit, least):
    def case(what, more_title, of, **more):
        return Case("workers", f"{name}/{what}", f"{title}: {more_title}", of, statistic="median", reference="native",
                    **more)

    return [
        case("done", unit, "/s", goals=(Goal(ALL, least, "native"),), lower_is_better=False, most_load=0.5),
        case("migrations", "migrations", "/s"),
        case("steals", "steals", "/s"),
        case("contended", "entries into weft that waited", "%"),
        case("held", "weft's lock is held", "ns"),
        case("held_longest", "at the longest", "µs"),
    ]


def timed(session, prefix, name, seconds):
    """(operations, seconds) of one run on all processors."""
    processors = ",".join(map(str, session.processors))
    if name != "clients":
        text = session.run([*prefix, session.build / "bench/workers/shapes", name, seconds], processor=processors)
        found = json.loads(text)
        return found["operations"], found["seconds"]
    messages = int(200 * seconds)
    began = time.monotonic()
    text = session.run([*prefix, session.build / "bench/programs/clients_and_servers", CLIENTS, messages],
                       processor=processors)
    if int(text) != CLIENTS * messages:
        raise Failure(f"{text.strip()} messages of {CLIENTS * messages}")
    return CLIENTS * messages, time.monotonic() - began


def statistics_of(session, weft, name, seconds):
    """Figures of a run that counts. A run of its own, since that takes time."""
    with tempfile.TemporaryDirectory(prefix="weft-workers-") as folder:
        file = pathlib.Path(folder) / "statistics"
        _, took = timed(session, [*weft, f"--stats=json:{file}"], name, seconds)
        s = json.loads(file.read_text(encoding="ascii"))
    lock = s["lock"]
    if not lock["taken"]:
        raise Failure(f"no lock, with {len(s['processors'])} processors")
    return {f"{name}/{what}": value for what, value in (
        ("migrations", s["migrations"] / took), ("steals", s["steals"] / took),
        ("contended", 100 * lock["contended"] / lock["taken"]), ("held", lock["held_ns"] / lock["taken"]),
        ("held_longest", lock["held_longest_ns"] / 1e3))}


def measure(session):
    seconds = 0.25 if session.quick else 1.5

    def peer(title, prefix, name, counted=False):
        def run():
            operations, took = timed(session, prefix, name, seconds)
            more = statistics_of(session, prefix, name, seconds) if counted else {}
            return {f"{name}/done": operations / took, **more}

        return Peer(title, run)

    several = session.workers or len(session.processors)
    for name, *about in SHAPES:
        peers = [peer("native", [], name), peer(ONE, session.weft(1), name)]
        if several > 1:
            peers.append(peer(ALL, session.weft(several), name, counted=True))
        session.alternate(cases_of(name, *about), peers)
