"""What is measured of the Nacos source: by push and by poll, on a simulated server and on a real one."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from benchmarks.ads_probe import Probe, first_answer
from benchmarks.measurements import CHANGES, INSTANCES, Result, Row, Table, measure, p99, parse_catalogue
from benchmarks.nacos_registrant import registered
from benchmarks.processes import Service, Simulator, service, simulator
from benchmarks.start_measurements import measure_saved_start

IDLE_S = 60.0
PERIOD_S = 30.0
_SUBSCRIBED_TIMEOUT_S = 180.0
_QUIET_S = 3.0
_DRAIN_S = 1.0
_NEW_SERVICES = 10

Change = Callable[[], Awaitable[float]]
"""Makes one change at the registry; returns the monotonic second at which it was asked for."""

Pushed = Callable[[], Awaitable[float]]
"""Returns the monotonic second at which the registry sent its latest push."""


async def measure_nacos(services: int) -> Result:
    """Measure one size on the simulator, by poll and by push; takes about six minutes."""
    polled = await measure(services)
    with simulator(services, INSTANCES) as nacos:

        async def change() -> float:
            changed_at = time.monotonic()
            await asyncio.to_thread(nacos.call, "POST", "/sim/churn", {"kind": "replace"})
            return changed_at

        async def pushed() -> float:
            return await _pushed_at(nacos)

        pushes = Table("One client, push", await _measure_push(nacos.port, change, pushed))
        idle = Table("Nothing changes", await _measure_idle(nacos.port))
        saved = Table("From the saved snapshot, registry down", await measure_saved_start(nacos.port))
    return Result(services, polled.baseline_s, [*polled.tables, pushes, idle, saved])


async def measure_real(base_url: str, services: int) -> Result:
    """Measure a real, empty Nacos 2.x without authentication; what is registered for it ends with the run."""
    port = urlsplit(base_url).port or 8848
    async with registered(base_url, services, INSTANCES) as registrant:
        baseline_s = parse_catalogue(port)
        change, add = _timed(registrant.change), _timed(registrant.add)
        pushes = Table("One client, push", await _measure_push(port, change, None, add))
        idle = Table("Nothing changes", await _measure_idle(port))
    return Result(services, baseline_s, [pushes, idle])


def _timed(make: Callable[[], Awaitable[None]]) -> Change:
    async def change() -> float:
        changed_at = time.monotonic()
        await make()
        return changed_at

    return change


async def _measure_push(port: int, change: Change, pushed: Pushed | None, add: Change | None = None) -> list[Row]:
    """Start, subscribe everything, then change one instance at a time; `add` makes services that are new."""
    with service(port, PERIOD_S, "watching") as under_test:
        probe, arrival = await first_answer(under_test.ads)
        rows = [Row("start → first complete answer", arrival.at - under_test.started, "s")]
        cpu_s = under_test.cpu_s()
        rows.append(Row("start → all services subscribed", await _until_subscribed(under_test), "s"))
        rows.append(Row("CPU of subscribing", under_test.cpu_s() - cpu_s, "s"))
        rows += await _measure_changes(probe, change, pushed)
        rows += await _measure_new_services(probe, add) if add is not None else []
        longest = under_test.metric("meshregistry_event_loop_longest_block_seconds")
        rows.append(Row("longest loop block", longest, "s"))
        rows.append(Row("resident memory", under_test.resident_mb(), "MB"))
        probe.close()
        return rows


async def _measure_changes(probe: Probe, change: Change, pushed: Pushed | None) -> list[Row]:
    await _drain(probe)
    whole, own = [], []
    for _ in range(CHANGES):
        changed_at = await change()
        arrival = await probe.next()
        whole.append(arrival.at - changed_at)
        if pushed is not None and (pushed_at := await pushed()) >= changed_at:
            own.append(arrival.at - pushed_at)  # others were found by a complete reading first
    rows = [
        Row("change → wire, p50 (the server waits 0.5 s)", statistics.median(whole), "s"),
        Row("change → wire, p99 (the server waits 0.5 s)", p99(whole), "s"),
    ]
    if own:
        rows.append(Row("push sent → wire, p50", statistics.median(own) * 1000, "ms"))
        rows.append(Row("push sent → wire, p99", p99(own) * 1000, "ms"))
        rows.append(Row("push sent → wire, longest", max(own) * 1000, "ms"))
    return rows


async def _measure_new_services(probe: Probe, add: Change) -> list[Row]:
    """A service nobody has subscribed to yet is found by the list of names; then its instances are asked for."""
    await _drain(probe)
    took = []
    for _ in range(_NEW_SERVICES):
        added_at = await add()
        took.append((await probe.next()).at - added_at)
    return [
        Row("new service → wire, p50 (names are listed every 5 s)", statistics.median(took), "s"),
        Row("new service → wire, longest", max(took), "s"),
    ]


async def _drain(probe: Probe) -> None:
    """Take what is still under way, or each change would be measured by the response to the one before."""
    while True:
        try:
            async with asyncio.timeout(_DRAIN_S):
                await probe.next()
        except TimeoutError:
            return


async def _measure_idle(port: int) -> list[Row]:
    rows = []
    for mode in ("polling", "watching"):
        with service(port, PERIOD_S, mode) as under_test:
            probe, arrival = await first_answer(under_test.ads)
            rows.append(Row(f"start → first complete answer, {mode}", arrival.at - under_test.started, "s"))
            if mode == "watching":
                await _until_subscribed(under_test)
            before = under_test.cpu_s()
            await asyncio.sleep(IDLE_S)
            used = under_test.cpu_s() - before
            rows.append(Row(f"CPU per idle minute, {mode}", used * 60 / IDLE_S * 1000, "ms"))
            rows.append(Row(f"share of a core, {mode}", used / IDLE_S * 100, "%"))
            probe.close()
    return rows


async def _until_subscribed(under_test: Service) -> float:
    """Return the seconds from the start until nothing waits to be subscribed, after some quiet."""
    async with asyncio.timeout(_SUBSCRIBED_TIMEOUT_S):
        while True:
            side = await asyncio.to_thread(under_test.push_side)
            if side["connected"] and side["subscriptions"] and not side["subscriptions_waiting"]:
                break
            await asyncio.sleep(0.5)
    elapsed = time.monotonic() - under_test.started
    await asyncio.sleep(_QUIET_S)
    return elapsed


async def _pushed_at(nacos: Simulator) -> float:
    traffic = await asyncio.to_thread(nacos.call, "GET", "/sim/traffic")
    pushed_at = traffic["pushed_at"]
    assert isinstance(pushed_at, float)
    return pushed_at
