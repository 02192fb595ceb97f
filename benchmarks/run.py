"""`python -m benchmarks.run`: measure, print a table, and write it to benchmarks/results/."""

import argparse
import asyncio
import compileall
import functools
import platform
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.ads_measurements import measure_ads
from benchmarks.eureka_measurements import measure_eureka
from benchmarks.measurements import INSTANCES, Result, Row, Table
from benchmarks.nacos_measurements import measure_nacos, measure_real
from benchmarks.start_measurements import measure_start
from benchmarks.zookeeper_measurements import SETUP, measure_zookeeper

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Suite:
    """Benchmarks that share a file of results."""

    title: str
    file: str
    setup: str
    measure: Callable[[int], Coroutine[None, None, Result]]
    sizes: tuple[int, ...] = (1_000, 10_000)


_SUITES = {
    "start": Suite("Starts", "start", "Simulated registries in processes of their own", measure_start),
    "nacos": Suite("Nacos", "nacos", "Simulated Nacos in its own process", measure_nacos),
    "eureka": Suite("Eureka", "eureka", "Simulated Eureka in its own process", measure_eureka),
    "zookeeper": Suite("ZooKeeper", "zookeeper", SETUP, measure_zookeeper),
    "ads": Suite(
        "ADS", "ads", "Server, registry and clients in processes of their own, on loopback", measure_ads, (10_000,)
    ),
}


def main() -> None:
    """Measure each size and write one Markdown file per suite, named after the commit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=_SUITES, help="one suite (default all)")
    parser.add_argument("--nacos", help="base URL of a real, empty 2.x to measure instead, as http://127.0.0.1:8848")
    parser.add_argument(
        "--services", type=int, action="append", help="sizes to measure (default 1000 and 10000; ads: 10000)"
    )
    parser.add_argument("--print-only", action="store_true", help="write no file")
    arguments = parser.parse_args()
    compileall.compile_dir("meshregistry", quiet=1)  # as the image has it: compiling takes a start 0.2 s
    commit = _commit()
    for suite in _choose(arguments.only, arguments.nacos):
        results = [asyncio.run(suite.measure(services)) for services in arguments.services or suite.sizes]
        text = _render(suite, results, commit)
        print(text)
        if not arguments.print_only:
            path = RESULTS / f"{suite.file}-{commit}.md"
            path.write_text(text + "\n")
            print(f"written to {path.relative_to(Path.cwd())}")


def _choose(only: str | None, nacos: str | None) -> list[Suite]:
    if nacos:
        return [Suite("Nacos, real", "nacos-real", f"Real Nacos at {nacos}", functools.partial(measure_real, nacos))]
    return [_SUITES[only]] if only else list(_SUITES.values())


def _render(suite: Suite, results: list[Result], commit: str) -> str:
    machine = (
        f"{psutil.cpu_count()} cores (load average {psutil.getloadavg()[1]:.1f}), {platform.machine()}, "
        f"Python {platform.python_version()}. {suite.setup}, {INSTANCES} instances per service. The ratio is against "
        "the time that the standard library takes to parse the same catalogue in the same run."
    )
    lines = [f"# {suite.title}, {datetime.now(UTC):%Y-%m-%d}, commit {commit}", "", machine, ""]
    for result in results:
        lines += [f"## {result.services:,} services (baseline {result.baseline_s * 1000:.0f} ms)", ""]
        for table in result.tables:
            lines += _render_table(table, result.baseline_s)
    return "\n".join(lines).rstrip()


def _render_table(table: Table, baseline_s: float) -> list[str]:
    head = [f"### {table.title}", "", "| what | value | ratio to baseline |", "|---|---|---|"]
    return [*head, *(_render_row(row, baseline_s) for row in table.rows), ""]


def _render_row(row: Row, baseline_s: float) -> str:
    scale = {"s": 1.0, "ms": 0.001}.get(row.unit)
    ratio = "" if scale is None else f"{row.value * scale / baseline_s:.2f}"
    value = f"{row.value:.0f}" if row.value >= 1000 else f"{row.value:.3g}"
    return f"| {row.what} | {value} {row.unit} | {ratio} |"


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
