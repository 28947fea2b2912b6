"""The four works on AnyIO, on asyncio."""
import statistics
import threading
from time import perf_counter_ns

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread

WARM_UP, TRIPS, YIELDS, SPAWNS = 100, 3000, 20000, 5000


def nothing():
    return 0


async def nothing_async():
    return 0


def tell_median(work, samples):
    print(work, round(statistics.median(samples[WARM_UP:])))


async def run_in_thread():
    samples = []
    for _ in range(WARM_UP + TRIPS):
        begin = perf_counter_ns()
        await anyio.to_thread.run_sync(nothing)
        samples.append(perf_counter_ns() - begin)
    tell_median("run_in_thread", samples)


def call_from_thread(portal):
    samples = []
    for _ in range(WARM_UP + TRIPS):
        begin = perf_counter_ns()
        portal.call(nothing)
        samples.append(perf_counter_ns() - begin)
    tell_median("call_in", samples)
    portal.call(portal.stop)


async def call_in():
    async with anyio.from_thread.BlockingPortal() as portal:
        caller = threading.Thread(target=call_from_thread, args=(portal,))
        caller.start()
        await portal.sleep_until_stopped()
    caller.join()


async def yield_often():
    for _ in range(YIELDS):
        await anyio.lowlevel.checkpoint()


async def yields():
    begin = perf_counter_ns()
    async with anyio.create_task_group() as group:
        group.start_soon(yield_often)
        group.start_soon(yield_often)
    print("yield", (perf_counter_ns() - begin) / (2 * YIELDS))


async def spawn_join():
    begin = perf_counter_ns()
    for _ in range(SPAWNS):
        async with anyio.create_task_group() as group:
            group.start_soon(nothing_async)
    print("spawn_join", (perf_counter_ns() - begin) / SPAWNS)


async def main():
    await run_in_thread()
    await call_in()
    await yields()
    await spawn_join()


anyio.run(main)
