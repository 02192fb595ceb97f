"""What is measured of Eureka at one size: the first reading, idle minutes by changes and by everything, changes."""

import asyncio
import statistics
import urllib.request

from benchmarks.ads_probe import Probe, first_answer
from benchmarks.eureka_processes import EurekaSimulator, eureka, eureka_service
from benchmarks.measurements import INSTANCES, Result, Row, Table, time_parsing
from benchmarks.processes import Service

DELTA_S = 5.0
FULL_S = 30.0
CHANGES = {"delta": 12, "polling": 2}
_IDLE_ROUNDS = 6
_MEGA = 1e6
_SETTLE_S = 3.0
_LONGEST = "meshregistry_event_loop_longest_block_seconds"


async def measure_eureka(applications: int) -> Result:
    """Measure one size; takes about six minutes."""
    with eureka(applications, INSTANCES) as simulator:
        baseline_s = parse_everything(simulator)
        tables = [
            Table("By changes, every 5 s", await _measure(simulator, "delta", DELTA_S)),
            Table("By everything, every 30 s, as Slime", await _measure(simulator, "polling", FULL_S)),
        ]
        return Result(applications, baseline_s, tables)


def parse_everything(simulator: EurekaSimulator) -> float:
    """Return the baseline: how long the standard library takes to parse `/apps`, seconds."""
    request = urllib.request.Request(f"{simulator.base_url}/apps", headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return time_parsing(answer.read())


async def _measure(simulator: EurekaSimulator, mode: str, period_s: float) -> list[Row]:
    simulator.call("DELETE", "/sim/traffic")
    with eureka_service(simulator, mode, period_s) as under_test:
        probe, arrival = await first_answer(under_test.ads)
        rows = [
            Row("start → first complete answer", arrival.at - under_test.started, "s"),
            Row("CPU until then", under_test.cpu_s(), "s"),
            Row("everything, on the wire", _sent(simulator) / _MEGA, "MB"),
            Row("everything, as JSON", simulator.full_bytes() / _MEGA, "MB"),
            Row("longest loop block until then", under_test.metric(_LONGEST), "s"),
            *await _measure_idle(simulator, under_test, period_s),
            *await _measure_changes(simulator, probe, mode),
            Row("longest loop block in all", under_test.metric(_LONGEST), "s"),
            Row("resident memory", under_test.resident_mb(), "MB"),
        ]
        probe.close()
        return rows


async def _measure_idle(simulator: EurekaSimulator, under_test: Service, period_s: float) -> list[Row]:
    """Read with nothing changing: CPU and bytes of a minute."""
    await asyncio.sleep(_SETTLE_S)
    simulator.call("DELETE", "/sim/traffic")
    before = under_test.cpu_s()
    rounds = _IDLE_ROUNDS if period_s < FULL_S else 2
    await asyncio.sleep(rounds * period_s)
    minutes = rounds * period_s / 60
    cpu_s = (under_test.cpu_s() - before) / minutes
    return [
        Row("idle: CPU per minute", cpu_s * 1000, "ms"),
        Row("idle: share of a core", cpu_s / 60 * 100, "%"),
        Row("idle: bytes per minute", _sent(simulator) / minutes / _MEGA, "MB"),
    ]


async def _measure_changes(simulator: EurekaSimulator, probe: Probe, mode: str) -> list[Row]:
    """Replace one registration at a time; latency counts from the answer that shows it."""
    latencies = []
    for _ in range(CHANGES[mode]):
        await asyncio.to_thread(simulator.call, "POST", "/sim/churn", {"kind": "replace"})
        arrival = await probe.next()
        latencies.append(arrival.at - await asyncio.to_thread(simulator.answered_at))
    return [
        Row("answer that shows a change → wire, p50", statistics.median(latencies) * 1000, "ms"),
        Row("answer that shows a change → wire, longest", max(latencies) * 1000, "ms"),
    ]


def _sent(simulator: EurekaSimulator) -> float:
    sent = simulator.call("GET", "/sim/traffic")["sent_bytes"]
    assert isinstance(sent, dict)
    return float(sum(sent.values()))
