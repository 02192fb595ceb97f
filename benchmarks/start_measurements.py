"""What is measured of starts: from the process's first instruction to the first complete answer at a client."""

import asyncio
import statistics
import tempfile
from pathlib import Path

from benchmarks.ads_probe import first_answer
from benchmarks.eureka_processes import eureka, eureka_service
from benchmarks.measurements import INSTANCES, Result, Row, Table, parse_catalogue
from benchmarks.processes import Service, service, simulator
from benchmarks.start_processes import full_zookeeper, import_service, saving_service, wait_for_file
from benchmarks.zookeeper_processes import zookeeper_service

_PERIOD_S = 30.0
_IMPORTS = 3


async def measure_start(services: int) -> Result:
    """Measure the starts of one size, each once; takes about a minute."""
    with simulator(services, INSTANCES) as nacos:
        baseline_s = parse_catalogue(nacos.port)
        with service(nacos.port, _PERIOD_S) as under_test:
            polled = Table("Nacos, polling", await _measure_answer(under_test))
        saved = Table("From the saved snapshot, Nacos down", await measure_saved_start(nacos.port))
    with eureka(services, INSTANCES) as simulated, eureka_service(simulated, "delta", _PERIOD_S) as under_test:
        eurekas = Table("Eureka", await _measure_answer(under_test))
    with full_zookeeper(services, INSTANCES) as port, zookeeper_service(port, "watching", _PERIOD_S) as under_test:
        zookeepers = Table("ZooKeeper, one interface per service", await _measure_answer(under_test))
    return Result(services, baseline_s, [_measure_imports(), polled, saved, eurekas, zookeepers])


async def measure_saved_start(nacos_port: int) -> list[Row]:
    """Have a service save what it reads from Nacos, then start another from that with no registry to be reached."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with saving_service(nacos_port, folder) as saving:
            probe, complete = await first_answer(saving.ads)
            size = await asyncio.to_thread(wait_for_file, folder)
            probe.close()
        with saving_service(None, folder) as under_test:
            return [*await _measure_answer(under_test, complete.size), Row("saved snapshot", size, "MB")]


async def _measure_answer(under_test: Service, expected_size: int | None = None) -> list[Row]:
    probe, arrival = await first_answer(under_test.ads)
    cpu_s = under_test.cpu_s()
    probe.close()
    if expected_size is not None and arrival.size != expected_size:
        raise RuntimeError(f"the answer has {arrival.size} bytes and should have {expected_size}")
    return [
        Row("start → first complete answer", arrival.at - under_test.started, "s"),
        Row("CPU until then", cpu_s, "s"),
        Row("bytes of a full answer", arrival.size / 1e6, "MB"),
        Row("longest loop block until then", under_test.metric("meshregistry_event_loop_longest_block_seconds"), "s"),
        Row("resident memory", under_test.resident_mb(), "MB"),
    ]


def _measure_imports() -> Table:
    return Table("Imports", [Row("CPU", statistics.median(import_service() for _ in range(_IMPORTS)), "s")])
