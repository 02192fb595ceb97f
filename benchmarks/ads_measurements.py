"""What is measured of the ADS server, scenario by scenario, each for full, stub and delta clients."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from benchmarks.ads_clients import Arrival, ClientKind
from benchmarks.ads_probe import first_answer
from benchmarks.ads_processes import Clients, Server, Unanswered, ads_server_process, clients_process
from benchmarks.ads_server import Usage
from benchmarks.arrivals import QUIET_S, WAIT_S, latency_rows, match_changes, take_first, take_until_quiet
from benchmarks.measurements import INSTANCES, POLL_S, Result, Row, Table, parse_catalogue
from benchmarks.processes import Simulator, service, simulator

CLIENTS = (1, 10, 100)
CHANGES = 20
IDLE_S = 10.0
_FULL_CHANGES = 3
"""With a hundred clients that get everything in full: each change moves 1.5 GB."""

_PAUSE_S = 0.2
"""Longer than the pause between two responses of a stream: what is measured is a push, not its rhythm."""

_WATCHED_CHANGES = 10
"""The clock that finds blocks uses more CPU than a push, so blocks are looked for in pushes of their own."""

_RATES = (100.0, 500.0)
_BURST = 1000


async def measure_ads(services: int) -> Result:
    """Measure one size; raises Unanswered when something does not happen in time."""
    with simulator(services, INSTANCES) as nacos:
        baseline_s = parse_catalogue(nacos.port)
        polled = await _measure_polled(nacos, services)
    async with ads_server_process(services, INSTANCES) as server:
        tables = [await _measure_pushes(server, services, kind, count) for count in CLIENTS for kind in ClientKind]
        tables += [await _measure_reconnect(server, services), await _measure_burst(server, services)]
        tables += [await _measure_rates(server, services)]
    return Result(services, baseline_s, [*tables, polled])


async def _measure_pushes(server: Server, services: int, kind: ClientKind, count: int) -> Table:
    async with _clients(server, services, kind) as clients:
        rows = await _measure_first(server, clients, services, count)
        rows += await _measure_changes(server, clients)
        if count == max(CLIENTS) and kind is not ClientKind.FULL:
            rows.append(await _measure_idle(clients))
        return Table(f"{count} × {kind}", rows)


@asynccontextmanager
async def _clients(server: Server, services: int, kind: ClientKind) -> AsyncIterator[Clients]:
    """Run a process for clients; one has come and gone, so that caches are warm as they are in daily life."""
    async with clients_process(server.port, kind) as clients:
        await clients.open(1)
        await take_first(clients, services)
        await clients.close()
        await asyncio.sleep(QUIET_S)
        yield clients


async def _measure_first(server: Server, clients: Clients, services: int, count: int) -> list[Row]:
    await server.change(watch=True)
    before_mb = server.resident_mb()
    opened_at = await clients.open(count)
    arrivals = await take_first(clients, services)
    used = await server.change()
    await asyncio.sleep(QUIET_S)
    done_at = [max(each.at for each in arrivals if each.client == client) for client in {a.client for a in arrivals}]
    return [
        Row("first full answer, median client", (statistics.median(done_at) - opened_at) * 1000, "ms"),
        Row("first full answer, last client", (max(done_at) - opened_at) * 1000, "ms"),
        Row("its CPU per client", used.cpu_s / count * 1000, "ms"),
        Row("its bytes per client", sum(each.size for each in arrivals) / count / 1e6, "MB"),
        *_block_rows(used, "meanwhile"),
        Row("memory per idle client", (server.resident_mb() - before_mb) / count, "MB"),
    ]


async def _measure_changes(server: Server, clients: Clients) -> list[Row]:
    """Make one change at a time and wait until every client has it. The first, which makes stubs, does not count."""
    heavy = clients.kind is ClientKind.FULL and clients.count > 10
    await server.change(1)
    await _take(clients, clients.count)
    await asyncio.sleep(_PAUSE_S)
    await server.change()
    pushes = [await _push(server, clients) for _ in range(_FULL_CHANGES if heavy else CHANGES)]
    await server.change(watch=True)
    watched = [await _push(server, clients, watch=True) for _ in range(_FULL_CHANGES if heavy else _WATCHED_CHANGES)]
    worst = Usage((), 0, max(each.used.block_s for each in watched), max(each.used.block_cpu_s for each in watched))
    cpu_s = statistics.median(each.used.cpu_s for each in pushes)
    return [
        *latency_rows("change → every client has it", [each.latency_s for each in pushes]),
        Row("bytes per push", statistics.median(size for each in pushes for size in each.sizes) / 1e6, "MB"),
        Row("CPU per change, median", cpu_s * 1000, "ms"),
        Row("CPU per push, its share of that", cpu_s / clients.count * 1000, "ms"),
        *_block_rows(worst, "while pushing"),
    ]


class _Push(NamedTuple):
    """One change, sent to every client."""

    latency_s: float
    sizes: list[int]
    used: Usage


async def _push(server: Server, clients: Clients, *, watch: bool = False) -> _Push:
    """Make one change and wait until every client has it; what was used includes the quiet after it."""
    made = await server.change(1, watch=watch)
    arrivals = await _take(clients, clients.count)
    await asyncio.sleep(_PAUSE_S)
    after = await server.change(watch=watch)
    used = Usage(
        made.changed_at,
        made.cpu_s + after.cpu_s,
        max(made.block_s, after.block_s),
        max(made.block_cpu_s, after.block_cpu_s),
    )
    sizes = [each.size for each in arrivals]
    return _Push(max(each.at for each in arrivals) - made.changed_at[0], sizes, used)


async def _take(clients: Clients, count: int) -> tuple[Arrival, ...]:
    arrivals = (await clients.take(count, WAIT_S)).arrivals
    if len(arrivals) != count:
        raise Unanswered(f"{len(arrivals)} answers instead of {count}")
    return arrivals


async def _measure_idle(clients: Clients) -> Row:
    report = await clients.take(1, IDLE_S)
    return Row(f"bytes in {IDLE_S:.0f} s without a change", sum(each.size for each in report.arrivals), "bytes")


async def _measure_reconnect(server: Server, services: int) -> Table:
    """Let a hundred clients of version stubs, all connected, come back at once."""
    async with _clients(server, services, ClientKind.STUBS) as clients:
        await clients.open(100)
        await take_first(clients, services)
        await asyncio.sleep(5)
        await server.change(watch=True)
        before_mb = server.resident_mb()
        await clients.close()
        opened_at = await clients.open(100)
        arrivals, peak_mb = await _watch_memory(server, lambda: take_first(clients, services))
        used = await server.change()
        rows = [
            Row("until all have the full answer", max(each.at for each in arrivals) - opened_at, "s"),
            Row("CPU per client", used.cpu_s / 100 * 1000, "ms"),
            Row("resident memory before", before_mb, "MB"),
            Row("peak resident memory", peak_mb, "MB"),
            *_block_rows(used, "meanwhile"),
        ]
    return Table("100 × stubs reconnect at once", rows)


async def _watch_memory(
    server: Server, work: Callable[[], Awaitable[tuple[Arrival, ...]]]
) -> tuple[tuple[Arrival, ...], float]:
    peak_mb = 0.0

    async def sample() -> None:
        nonlocal peak_mb
        while True:
            peak_mb = max(peak_mb, server.resident_mb())
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        sampler = tasks.create_task(sample())
        arrivals = await work()
        sampler.cancel()
    return arrivals, peak_mb


async def _measure_burst(server: Server, services: int) -> Table:
    """Make 1,000 changes within a second; then everybody must have them, and silence must follow."""
    rows = []
    for kind, count in ((ClientKind.STUBS, 1), (ClientKind.STUBS, 10), (ClientKind.DELTA, 1), (ClientKind.DELTA, 100)):
        async with _clients(server, services, kind) as clients:
            await clients.open(count)
            await take_first(clients, services)
            await asyncio.sleep(QUIET_S)
            made = await server.change(_BURST, _BURST)
            arrivals = await take_until_quiet(clients)
            who = f"{count} × {kind}"
            spread_s = made.changed_at[-1] - made.changed_at[0]
            late_s = max(each.at for each in arrivals) - made.changed_at[-1]
            rows += [
                Row(f"{who}: time the changes took", spread_s, "s"),
                Row(f"{who}: last change → everything is there", late_s * 1000, "ms"),
                Row(f"{who}: pushes per client", len(arrivals) / count, "pushes"),
                Row(f"{who}: bytes per client", sum(each.size for each in arrivals) / count / 1e6, "MB"),
            ]
            if kind is ClientKind.DELTA:
                missing = _BURST * count - sum(each.resources for each in arrivals)
                rows.append(Row(f"{who}: changes that never came", missing, "changes"))
    return Table("1,000 changes within one second", rows)


async def _measure_rates(server: Server, services: int) -> Table:
    """Change at a steady pace; each change counts from the reducer's inbox to its resource at a delta client."""
    rows = []
    for per_s in _RATES:
        async with _clients(server, services, ClientKind.DELTA) as clients:
            await clients.open(1)
            await take_first(clients, services)
            await asyncio.sleep(QUIET_S)
            count = min(int(per_s * 5), services)
            made = await server.change(count, per_s)
            arrivals = await take_until_quiet(clients)
            rows += latency_rows(f"{per_s:.0f} changes/s: change → wire", match_changes(made.changed_at, arrivals))
    return Table("Steady change, 1 × delta", rows)


async def _measure_polled(nacos: Simulator, services: int) -> Table:
    """The whole service on a simulated Nacos, polled each second, with a hundred clients."""
    rows = []
    for kind in (ClientKind.STUBS, ClientKind.DELTA):
        with service(nacos.port, POLL_S) as under_test:
            async with asyncio.timeout(WAIT_S):
                probe, _ = await first_answer(under_test.ads)
            probe.close()
            async with clients_process(under_test.ads, kind) as clients:
                await clients.open(100)
                await take_first(clients, services)
                await asyncio.sleep(QUIET_S)
                latencies = [await _change_polled(nacos, clients) for _ in range(CHANGES)]
        rows += latency_rows(f"100 × {kind}: poll answered → every client has it", latencies)
    return Table(f"With Nacos polled every {POLL_S:.0f} s", rows)


async def _change_polled(nacos: Simulator, clients: Clients) -> float:
    await asyncio.to_thread(nacos.call, "POST", "/sim/churn", {"kind": "replace"})
    arrivals = await _take(clients, clients.count)
    return max(each.at for each in arrivals) - await asyncio.to_thread(nacos.answered_at)


def _block_rows(used: Usage, when: str) -> list[Row]:
    return [
        Row(f"longest loop block {when}, CPU", used.block_cpu_s * 1000, "ms"),
        Row(f"longest loop block {when}, by the clock", used.block_s * 1000, "ms"),
    ]
