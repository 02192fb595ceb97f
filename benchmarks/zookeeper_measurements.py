"""What is measured of ZooKeeper at one size: the first reading, changes, idle minutes, a lost connection."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import orjson

from benchmarks.ads_clients import Arrival, ClientKind
from benchmarks.ads_probe import first_answer
from benchmarks.ads_processes import Clients, Unanswered, clients_process
from benchmarks.arrivals import QUIET_S, latency_rows, match_changes, take_first, take_until_quiet
from benchmarks.measurements import INSTANCES, Result, Row, Table
from benchmarks.processes import Service
from benchmarks.zookeeper_load import ROOT, Load, parse_providers
from benchmarks.zookeeper_processes import Relay, real_version, relay, zookeeper, zookeeper_service
from benchmarks.zookeeper_writer import ZooKeeperWriter

POLL_S = 10.0
IDLE_S = 60.0
SETUP = f"{f'Real ZooKeeper {real_version()}' if real_version() else 'Simulated ZooKeeper'} in its own process"
_RATES = ((100.0, 1000), (500.0, 10_000))
"""Changes per second, and how many."""

_MISSED = 1000
_TICK_S = 0.005
_SETTLE_S = 3.0
_LOOK_S = 0.1
_WAIT_S = 60.0
_LONGEST = "meshregistry_event_loop_longest_block_seconds"


async def measure_zookeeper(interfaces: int) -> Result:
    """Measure one size; takes about five minutes."""
    load = Load(interfaces, INSTANCES)
    with zookeeper() as port:
        bench = Bench(load)
        began = time.monotonic()
        await bench.fill(port)
        filled = Row("filling the server", time.monotonic() - began, "s")
        tables = [
            Table("The registry", [filled]),
            Table("Watching", await _measure_watching(bench, port)),
            Table("A lost connection", await _measure_loss(bench, port)),
            Table(f"Polling, every {POLL_S:.0f} s", await _measure_polling(bench, port)),
        ]
        bench.close()
        return Result(interfaces, parse_providers(load), tables)


class Bench:
    """What changes the registry, and when the server told of it. Owner of one provider more or less per interface."""

    def __init__(self, load: Load) -> None:
        self.interfaces = load.interfaces
        self._load = load
        self._told_at: list[float] = []
        self._writer = ZooKeeperWriter(lambda _path, at: self._told_at.append(at))
        self._changes = 0

    async def fill(self, port: int) -> None:
        """Create everything on an empty server."""
        await self._writer.open(port)
        await self._writer.create_all(self._load.paths())
        await self._writer.watch(ROOT)

    async def change(self, count: int, per_s: float) -> tuple[list[float], list[float]]:
        """Make so many changes at a steady pace; return when each was asked for, and when a watch told of it.

        Each adds a provider to the next interface, or takes it away again. Both are monotonic seconds, in order.
        """
        self._told_at.clear()
        asked_at: list[float] = []
        began = time.monotonic()
        async with asyncio.timeout(count / per_s + _WAIT_S), asyncio.TaskGroup() as writes:
            while len(asked_at) < count:
                due = min(int((time.monotonic() - began) * per_s) + 1, count)
                for _ in range(due - len(asked_at)):
                    asked_at.append(time.monotonic())
                    writes.create_task(self._change())
                await asyncio.sleep(_TICK_S)
        return asked_at, list(self._told_at)

    def close(self) -> None:
        """Leave the server."""
        self._writer.close()

    def _change(self) -> Coroutine[None, None, None]:
        times, interface = divmod(self._changes, self._load.interfaces)
        self._changes += 1
        path = self._load.provider(interface, self._load.providers)
        return self._writer.delete(path) if times % 2 else self._writer.create(path)


async def _measure_watching(bench: Bench, port: int) -> list[Row]:
    with zookeeper_service(port, "watching", POLL_S) as under_test:
        rows = await _measure_start(under_test)
        rows += await _measure_idle(under_test)
        async with clients_process(under_test.ads, ClientKind.DELTA) as clients:
            await _attach(clients, bench)
            for per_s, count in _RATES:
                rows += await _measure_changes(bench, under_test, clients, count, per_s)
        return [*rows, *_measure_end(under_test)]


async def _measure_polling(bench: Bench, port: int) -> list[Row]:
    with zookeeper_service(port, "polling", POLL_S) as under_test:
        rows = await _measure_start(under_test)
        rows += await _measure_idle(under_test)
        return [*rows, *_measure_end(under_test)]


async def _measure_loss(bench: Bench, port: int) -> list[Row]:
    """Cut the connection, change a thousand interfaces behind the service's back, and let it connect again."""
    async with relay(port) as door:
        with zookeeper_service(door.port, "watching", POLL_S) as under_test:
            await _measure_start(under_test)
            async with clients_process(under_test.ads, ClientKind.DELTA) as clients:
                await _attach(clients, bench)
                return await _measure_return(bench, under_test, clients, door)


async def _measure_return(bench: Bench, under_test: Service, clients: Clients, door: Relay) -> list[Row]:
    door.shut()
    await bench.change(_MISSED, _MISSED)
    before = under_test.cpu_s()
    opened_at = time.monotonic()
    await door.open()
    arrivals = await _take_resources(clients, _MISSED)
    registry = await _until_read(under_test)
    return [
        Row(f"reachable again → all of {_MISSED:,} missed changes on the wire", arrivals[-1].at - opened_at, "s"),
        Row("reading everything again", registry["last_reading_s"], "s"),
        Row("CPU of it", under_test.cpu_s() - before, "s"),
    ]


async def _measure_start(under_test: Service) -> list[Row]:
    probe, arrival = await first_answer(under_test.ads)
    probe.close()
    return [
        Row("start → first complete answer", arrival.at - under_test.started, "s"),
        Row("CPU until then", under_test.cpu_s(), "s"),
        Row("reading everything, of that", (await _show_registry(under_test))["last_reading_s"], "s"),
        Row("longest loop block until then", await asyncio.to_thread(under_test.metric, _LONGEST), "s"),
    ]


async def _measure_idle(under_test: Service) -> list[Row]:
    await asyncio.sleep(_SETTLE_S)
    before = under_test.cpu_s()
    await asyncio.sleep(IDLE_S)
    cpu_s = (under_test.cpu_s() - before) * 60 / IDLE_S
    return [Row("idle: CPU per minute", cpu_s * 1000, "ms"), Row("idle: share of a core", cpu_s / 60 * 100, "%")]


async def _measure_changes(bench: Bench, under_test: Service, clients: Clients, count: int, per_s: float) -> list[Row]:
    before, began = under_test.cpu_s(), time.monotonic()
    asked_at, told_at = await bench.change(count, per_s)
    arrivals = await take_until_quiet(clients)
    spent_s = arrivals[-1].at - began
    cpu_s = under_test.cpu_s() - before
    return [
        *latency_rows(f"{per_s:.0f} changes/s: registration → wire", match_changes(asked_at, arrivals)),
        *latency_rows(f"{per_s:.0f} changes/s: watch event → wire", match_changes(told_at, arrivals)),
        Row(f"{per_s:.0f} changes/s: CPU per minute", cpu_s * 60 / spent_s, "s"),
        Row(f"{per_s:.0f} changes/s: CPU per change", cpu_s / count * 1000, "ms"),
    ]


def _measure_end(under_test: Service) -> list[Row]:
    return [
        Row("longest loop block in all", under_test.metric(_LONGEST), "s"),
        Row("resident memory", under_test.resident_mb(), "MB"),
    ]


async def _attach(clients: Clients, bench: Bench) -> None:
    """Connect one client and make one change: the first of both pays for what is kept for all later ones."""
    await clients.open(1)
    await take_first(clients, bench.interfaces)
    await asyncio.sleep(QUIET_S)
    await bench.change(1, 1)
    await take_until_quiet(clients)


async def _take_resources(clients: Clients, count: int) -> list[Arrival]:
    """Return what arrives until so many resources have; raises Unanswered."""
    arrivals: list[Arrival] = []
    deadline = time.monotonic() + _WAIT_S
    while (missing := count - sum(each.resources for each in arrivals)) > 0:
        if time.monotonic() > deadline:
            raise Unanswered(f"{missing} of {count} changes never came")
        arrivals += (await clients.take(1, QUIET_S)).arrivals
    return arrivals


async def _until_read(under_test: Service) -> dict[str, Any]:
    """Return the status page of the registry once everything has been read since the connection was lost."""
    async with asyncio.timeout(_WAIT_S):
        while True:
            registry = await _show_registry(under_test)
            if registry["healthy"]:
                return registry
            await asyncio.sleep(_LOOK_S)


async def _show_registry(under_test: Service) -> dict[str, Any]:
    """Return the status page of the registry: `healthy`, `last_reading_s` and more."""
    (registry,) = orjson.loads(await asyncio.to_thread(under_test.get, "/meshregistry/sources"))["zookeeper"]
    found: dict[str, Any] = registry
    return found
