"""`python -m benchmarks.run`: measure, print a table, and write it to benchmarks/results/."""

import argparse
import asyncio
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.measurements import INSTANCES, Result, measure

RESULTS = Path(__file__).parent / "results"

_SETUP = (
    f"Simulated Nacos in its own process, {INSTANCES} instances per service. The ratio is against the time that the "
    "standard library takes to parse the same catalogue in the same run."
)


def main() -> None:
    """Measure each size and write one Markdown file named after the commit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, action="append", help="sizes to measure (default 1000 and 10000)")
    parser.add_argument("--print-only", action="store_true", help="write no file")
    arguments = parser.parse_args()
    results = [asyncio.run(measure(services)) for services in arguments.services or [1_000, 10_000]]
    text = _render(results)
    print(text)
    if not arguments.print_only:
        path = RESULTS / f"nacos-polling-{_commit()}.md"
        path.write_text(text + "\n")
        print(f"written to {path.relative_to(Path.cwd())}")


def _render(results: list[Result]) -> str:
    lines = [
        f"# Nacos by polling, {datetime.now(UTC):%Y-%m-%d}, commit {_commit()}",
        "",
        f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}. {_SETUP}",
        "",
    ]
    for result in results:
        lines += [
            f"## {result.services:,} services (baseline {result.baseline_s * 1000:.0f} ms)",
            "",
            "| what | value | ratio to baseline |",
            "|---|---|---|",
            *(
                f"| {row.what} | {row.value:.3g} {row.unit} | {_ratio(row.value, row.unit, result)} |"
                for row in result.rows
            ),
            "",
        ]
    return "\n".join(lines).rstrip()


def _ratio(value: float, unit: str, result: Result) -> str:
    scale = {"s": 1.0, "ms": 0.001}.get(unit)
    return "" if scale is None else f"{value * scale / result.baseline_s:.2f}"


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
