# SPDX-License-Identifier: BSL-1.0
"""The micro-benchmarks' cases for asyncio."""
import asyncio
import functools
import time

from python_program import TURNS, Sample, generator, many, memory_in_use, run, spans


async def two(body):
    await asyncio.gather(asyncio.create_task(body(0)), asyncio.create_task(body(1)))


async def deep(frames):
    if frames:
        await deep(frames - 1)
    else:
        await asyncio.sleep(0)


def yields(tasks, frames=0):
    async def case(rounds):
        each = max(4_000 // tasks, 20) * rounds

        async def body():
            for _ in range(each):
                await deep(frames)

        await asyncio.gather(*(asyncio.create_task(body()) for _ in range(tasks)))
        return tasks * each

    return case


async def exception(rounds):
    async def thrower():
        await asyncio.sleep(0)
        raise ValueError

    async def body(_):
        for _ in range(TURNS * rounds):
            try:
                await thrower()
            except ValueError:
                pass

    await two(body)
    return 2 * TURNS * rounds


async def exception_held(rounds):
    async def body(_):
        for _ in range(TURNS * rounds):
            try:
                raise ValueError
            except ValueError:
                await asyncio.sleep(0)

    await two(body)
    return 2 * TURNS * rounds


async def nothing():
    pass


def spawn_join(count):
    async def case(rounds):
        for _ in range(rounds):
            for task in [asyncio.create_task(nothing()) for _ in range(count())]:
                await task
        return count() * rounds

    return case


async def skynet_node(number, size):
    if size == 1:
        return number
    size //= 10
    children = [asyncio.create_task(skynet_node(number + i * size, size)) for i in range(10)]
    return sum([await child for child in children])


async def skynet(rounds):
    for _ in range(rounds):
        assert await skynet_node(0, many()) == many() * (many() - 1) // 2
    return rounds


async def queue(rounds):
    items = asyncio.Queue(64)

    async def body(me):
        for i in range(2 * TURNS * rounds):
            if me == 0:
                await items.put(i)
            else:
                await items.get()

    await two(body)
    return 2 * TURNS * rounds


async def channel(rounds):
    """It has none without room for one."""
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def body(me):
        for i in range(TURNS * rounds):
            if me == 0:
                await there.put(i)
                await back.get()
            else:
                await back.put(await there.get())

    await two(body)
    return 2 * TURNS * rounds


async def mutex(rounds):
    lock = asyncio.Lock()
    for _ in range(1000 * rounds):
        await lock.acquire()
        lock.release()
    return 1000 * rounds


async def mutex_handed_over(rounds):
    lock = asyncio.Lock()

    async def body(_):
        for _ in range(TURNS * rounds):
            async with lock:
                await asyncio.sleep(0)

    await two(body)
    return 2 * TURNS * rounds


async def condition_ping_pong(rounds):
    changed = asyncio.Condition()
    turn = 0

    async def body(me):
        nonlocal turn
        for _ in range(TURNS * rounds):
            async with changed:
                while turn != me:
                    await changed.wait()
                turn = 1 - me
                changed.notify()

    await two(body)
    return 2 * TURNS * rounds


async def semaphore(rounds):
    permits = asyncio.Semaphore(1)
    for _ in range(1000 * rounds):
        await permits.acquire()
        permits.release()
    return 1000 * rounds


async def semaphore_ping_pong(rounds):
    permits = [asyncio.Semaphore(1), asyncio.Semaphore(0)]

    async def body(me):
        for _ in range(TURNS * rounds):
            await permits[me].acquire()
            permits[1 - me].release()

    await two(body)
    return 2 * TURNS * rounds


async def future_get(rounds):
    wanted = []

    async def body(me):
        for i in range(TURNS * rounds):
            if me == 0:
                future = asyncio.get_running_loop().create_future()
                wanted.append(future)
                await future
            else:
                while not wanted:
                    await asyncio.sleep(0)
                wanted.pop().set_result(i)

    await two(body)
    return TURNS * rounds


async def future_callback(rounds):
    called = []
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        called.clear()
        for i in range(1000):
            future = loop.create_future()
            future.add_done_callback(called.append)
            future.set_result(i)
        while len(called) < 1000:
            await asyncio.sleep(0)
    return 1000 * rounds


async def timers(rounds):
    for _ in range(rounds):
        await asyncio.gather(*(asyncio.create_task(asyncio.sleep(span)) for span in spans(many())))
    return many() * rounds


async def sleepers(_):
    count, before, begin = many(), memory_in_use(), time.process_time_ns()
    kept = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(count)]
    await asyncio.sleep(0)
    return Sample((time.process_time_ns() - begin) / len(kept), bytes=(memory_in_use() - before) / count)


async def sleep_late(_):
    late = []
    for _ in range(100):
        begin = time.perf_counter_ns()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter_ns() - begin - 1_000_000)
    return Sample(sorted(late)[len(late) // 2])


CASES = {
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
    "mutex": mutex,
    "mutex_handed_over": mutex_handed_over,
    "condition_ping_pong": condition_ping_pong,
    "semaphore": semaphore,
    "semaphore_ping_pong": semaphore_ping_pong,
    "future_get": future_get,
    "future_callback": future_callback,
    "timers": timers,
    "sleepers": sleepers,
    "sleep_late": sleep_late,
}
loop = asyncio.new_event_loop()
run({"generator": generator, **{name: functools.partial(lambda case, rounds: loop.run_until_complete(case(rounds)), case)
                                for name, case in CASES.items()}}, once={"spawn_join/many", "skynet", "timers"})
