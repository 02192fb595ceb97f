"""What is measured at one size, and the baseline that makes runs on different machines comparable."""

import asyncio
import json
import statistics
import time
import urllib.request
from typing import NamedTuple

from benchmarks.ads_probe import Probe, first_answer
from benchmarks.processes import Service, Simulator, service, simulator

INSTANCES = 10
CHANGES = 150
"""So many single changes that their p99 is not simply the longest."""
IDLE_S = 20.0
POLL_S = 1.0
_CATALOGUE = "/nacos/v1/ns/catalog/services?withInstances=true&pageNo=1&pageSize=100000&namespaceId=public"


class Row(NamedTuple):
    """One line of the table; `value` in `unit`, lower is better."""

    what: str
    value: float
    unit: str


class Table(NamedTuple):
    """The rows of one scenario."""

    title: str
    rows: list[Row]


class Result(NamedTuple):
    """All tables of one size, and the baseline: seconds that the standard library takes to parse the catalogue."""

    services: int
    baseline_s: float
    tables: list[Table]


async def measure(services: int) -> Result:
    """Measure one size; takes about a minute and a half."""
    with simulator(services, INSTANCES) as nacos:
        baseline_s = parse_catalogue(nacos.port)
        rows = await _measure_start(nacos)
        rows += await _measure_idle(nacos)
        return Result(services, baseline_s, [Table("One client, polling", rows)])


def parse_catalogue(port: int) -> float:
    """Return the baseline: how long the standard library takes to parse the catalogue, seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{_CATALOGUE}", timeout=60) as answer:
        return time_parsing(answer.read())


def time_parsing(body: bytes) -> float:
    """Return the median of five times the standard library takes to parse JSON, seconds."""
    runs = []
    for _ in range(5):
        started = time.perf_counter()
        json.loads(body)
        runs.append(time.perf_counter() - started)
    return statistics.median(runs)


async def _measure_start(nacos: Simulator) -> list[Row]:
    """Start with a poll every second: first answer, changes, pages, memory."""
    with service(nacos.port, POLL_S) as under_test:
        probe, arrival = await first_answer(under_test.ads)
        rows = [
            Row("start → first complete answer", arrival.at - under_test.started, "s"),
            Row("bytes of a full answer", arrival.size / 1e6, "MB"),
            Row(
                "longest loop block until then", under_test.metric("meshregistry_event_loop_longest_block_seconds"), "s"
            ),
        ]
        rows += await _measure_changes(nacos, probe)
        rows += _measure_pages(under_test)
        rows.append(Row("resident memory", under_test.resident_mb(), "MB"))
        probe.close()
        return rows


async def _measure_changes(nacos: Simulator, probe: Probe) -> list[Row]:
    """Change one instance at a time; latency counts from the registry's answer to the poll that shows it."""
    latencies, detection, sizes = [], [], []
    for _ in range(CHANGES):
        changed_at = time.monotonic()
        await asyncio.to_thread(nacos.call, "POST", "/sim/churn", {"kind": "replace"})
        arrival = await probe.next()
        latencies.append(arrival.at - await asyncio.to_thread(nacos.answered_at))
        detection.append(arrival.at - changed_at)
        sizes.append(arrival.size)
    return [
        Row("poll answered → wire, p50", statistics.median(latencies) * 1000, "ms"),
        Row("poll answered → wire, p99", p99(latencies) * 1000, "ms"),
        Row("poll answered → wire, longest", max(latencies) * 1000, "ms"),
        Row(f"change → wire, p50 (poll every {POLL_S:.0f} s)", statistics.median(detection) * 1000, "ms"),
        Row(f"change → wire, p99 (poll every {POLL_S:.0f} s)", p99(detection) * 1000, "ms"),
        Row("bytes per push of one change", statistics.median(sizes) / 1e6, "MB"),
    ]


def p99(values: list[float]) -> float:
    """Return the 99th percentile, between the neighbours it falls between."""
    return statistics.quantiles(values, n=100)[98]


def _measure_pages(under_test: Service) -> list[Row]:
    runs = []
    for _ in range(3):
        started = time.perf_counter()
        under_test.get("/meshregistry/xdsCache")
        runs.append(time.perf_counter() - started)
    longest = under_test.metric("meshregistry_event_loop_longest_block_seconds")
    return [
        Row("/meshregistry/xdsCache, everything", statistics.median(runs), "s"),
        Row("longest loop block in all", longest, "s"),
    ]


async def _measure_idle(nacos: Simulator) -> list[Row]:
    """Poll with nothing changing: CPU per round, and as a share of a core at the default period of 30 s."""
    with service(nacos.port, POLL_S) as under_test:
        probe, _ = await first_answer(under_test.ads)
        await asyncio.sleep(3)
        before = under_test.cpu_s()
        await asyncio.sleep(IDLE_S)
        per_round = (under_test.cpu_s() - before) / (IDLE_S / POLL_S)
        probe.close()
    return [
        Row("CPU per poll round, nothing changed", per_round * 1000, "ms"),
        Row("share of a core at a poll every 30 s", per_round / 30 * 100, "%"),
    ]
