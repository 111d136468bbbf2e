# SPDX-License-Identifier: BSL-1.0
"""The micro-benchmarks' cases for gevent."""
import time

import gevent
from gevent.event import AsyncResult
from gevent.lock import Semaphore
from gevent.queue import Channel, Queue
from python_program import TURNS, Sample, many, memory_in_use, run, spans


def two(body):
    gevent.joinall([gevent.spawn(body, 0), gevent.spawn(body, 1)])


def deep(frames):
    if frames:
        deep(frames - 1)
    else:
        gevent.sleep(0)


def yields(greenlets, frames=0):
    def case(rounds):
        each = max(4_000 // greenlets, 20) * rounds

        def body():
            for _ in range(each):
                deep(frames)

        gevent.joinall([gevent.spawn(body) for _ in range(greenlets)])
        return greenlets * each

    return case


def exception(rounds):
    def thrower():
        gevent.sleep(0)
        raise ValueError

    def body(_):
        for _ in range(TURNS * rounds):
            try:
                thrower()
            except ValueError:
                pass

    two(body)
    return 2 * TURNS * rounds


def exception_held(rounds):
    def body(_):
        for _ in range(TURNS * rounds):
            try:
                raise ValueError
            except ValueError:
                gevent.sleep(0)

    two(body)
    return 2 * TURNS * rounds


def spawn_join(count):
    def case(rounds):
        for _ in range(rounds):
            gevent.joinall([gevent.spawn(int) for _ in range(count())])
        return count() * rounds

    return case


def skynet_node(number, size):
    if size == 1:
        return number
    size //= 10
    children = [gevent.spawn(skynet_node, number + i * size, size) for i in range(10)]
    return sum(child.get() for child in children)


def skynet(rounds):
    for _ in range(rounds):
        assert skynet_node(0, many()) == many() * (many() - 1) // 2
    return rounds


def channel(rounds):
    there, back = Channel(), Channel()

    def body(me):
        for i in range(TURNS * rounds):
            if me == 0:
                there.put(i)
                back.get()
            else:
                back.put(there.get())

    two(body)
    return 2 * TURNS * rounds


def queue(rounds):
    items = Queue(64)

    def body(me):
        for i in range(2 * TURNS * rounds):
            if me == 0:
                items.put(i)
            else:
                items.get()

    two(body)
    return 2 * TURNS * rounds


def semaphore(rounds):
    permits = Semaphore(1)
    for _ in range(1000 * rounds):
        permits.acquire()
        permits.release()
    return 1000 * rounds


def mutex_handed_over(rounds):
    lock = Semaphore(1)  # gevent's mutex

    def body(_):
        for _ in range(TURNS * rounds):
            lock.acquire()
            gevent.sleep(0)
            lock.release()

    two(body)
    return 2 * TURNS * rounds


def semaphore_ping_pong(rounds):
    permits = [Semaphore(1), Semaphore(0)]

    def body(me):
        for _ in range(TURNS * rounds):
            permits[me].acquire()
            permits[1 - me].release()

    two(body)
    return 2 * TURNS * rounds


def future_get(rounds):
    wanted = []

    def body(me):
        for i in range(TURNS * rounds):
            if me == 0:
                future = AsyncResult()
                wanted.append(future)
                future.get()
            else:
                while not wanted:
                    gevent.sleep(0)
                wanted.pop().set(i)

    two(body)
    return TURNS * rounds


def future_callback(rounds):
    called = []
    for _ in range(rounds):
        called.clear()
        for i in range(1000):
            future = AsyncResult()
            future.rawlink(called.append)
            future.set(i)
        while len(called) < 1000:
            gevent.sleep(0)
    return 1000 * rounds


def timers(rounds):
    for _ in range(rounds):
        gevent.joinall([gevent.spawn(gevent.sleep, span) for span in spans(many())])
    return many() * rounds


def sleepers(_):
    asleep = 0

    def body():
        nonlocal asleep
        asleep += 1
        gevent.sleep(3600)

    count, before, begin = many(), memory_in_use(), time.process_time_ns()
    kept = [gevent.spawn(body) for _ in range(count)]
    while asleep < count:
        gevent.sleep(0)
    return Sample((time.process_time_ns() - begin) / len(kept), bytes=(memory_in_use() - before) / count)


def sleep_late(_):
    late = []
    for _ in range(100):
        begin = time.perf_counter_ns()
        gevent.sleep(0.001)
        late.append(time.perf_counter_ns() - begin - 1_000_000)
    return Sample(sorted(late)[len(late) // 2])


run({
    "yield/2": yields(2),
    "yield/1000": yields(1000),
    "yield_2_frames/2": yields(2, 2),
    "yield_6_frames/2": yields(2, 6),
    "exception": exception,
    "exception_held": exception_held,
    "spawn_join/1000": spawn_join(lambda: 1000),
    "spawn_join/many": spawn_join(many),
    "skynet": skynet,
    "channel": channel,
    "queue": queue,
    "mutex": semaphore,
    "mutex_handed_over": mutex_handed_over,
    "semaphore": semaphore,
    "semaphore_ping_pong": semaphore_ping_pong,
    "future_get": future_get,
    "future_callback": future_callback,
    "timers": timers,
    "sleepers": sleepers,
    "sleep_late": sleep_late,
}, once={"spawn_join/many", "skynet", "timers"})
