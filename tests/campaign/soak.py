"""`python -m tests.campaign.soak`: churn with random faults for minutes; a picture of memory and latency, a verdict.

The registries are the simulators: a real Nacos takes a tenth of the rate. Meshregistry is never killed here, so that
its memory is one line; that is the campaign's part.
"""

import argparse
import asyncio
import logging
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median, quantiles

from tests.campaign import client_faults, process_faults, registry_faults
from tests.campaign.churn import Arrival, Churn
from tests.campaign.fault import Make, MakeAll
from tests.campaign.scene import Scene, Size
from tests.campaign.soak_figure import draw
from tests.campaign.worlds import WORLDS

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
MOST_MB_PER_MINUTE = 1.0
"""The slope of memory over the second half above which the verdict is bad."""

SETTLED_S = 300.0
"""A shorter soak does not judge memory: it is still growing into its caches."""

_GUARD_S = 5.0
_SAMPLE_S = 1.0
_REGISTRY_FAULTS: tuple[Make, ...] = (
    *(registry_faults.refuse, registry_faults.drop, registry_faults.flap, registry_faults.delay),
    *(registry_faults.slow, registry_faults.truncate, registry_faults.endless, registry_faults.garbage),
    registry_faults.hostile_records,
)
_PROCESS_FAULTS: tuple[MakeAll, ...] = (
    *(process_faults.pause, process_faults.files_exhausted),
    *(client_faults.slow_readers, client_faults.storm, client_faults.hostile_ads, client_faults.hostile_http),
)


@dataclass(frozen=True, slots=True)
class Span:
    """A fault: its name, and from when to when it was made, in seconds from the start."""

    name: str
    begin_s: float
    end_s: float


@dataclass(slots=True)
class Record:
    """What a soak saw; times in seconds from the start."""

    started: float
    memory: list[tuple[float, float]] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    lost: int = 0
    wrong: int = 0
    changes: int = 0
    active_s: float = 0.0
    duration_s: float = 0.0

    def calm_arrivals(self) -> list[Arrival]:
        """Return the arrivals of changes that were under way while nothing was broken."""
        return [each for each in self.arrivals if not any(_meet(each, span) for span in self.spans)]

    def slope(self) -> float:
        """Return the growth of memory over the second half, in MB a minute, by least squares."""
        half = [point for point in self.memory if point[0] > self.duration_s / 2]
        if len(half) < 2:
            return 0.0
        return 60.0 * linear_regression(*zip(*half, strict=True)).slope

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost or wrong, and memory does not grow once it has had the time to settle."""
        grows = self.duration_s >= SETTLED_S and self.slope() > MOST_MB_PER_MINUTE
        return not self.lost and not self.wrong and not grows

    def verdict(self) -> str:
        """Return the line for the end."""
        took = sorted(each.took_s for each in self.calm_arrivals())
        p50, p99 = (median(took), quantiles(took, n=100)[98]) if len(took) > 1 else (0.0, 0.0)
        word, pace = "passed" if self.is_good else "FAILED", self.changes / max(self.active_s, 1.0)
        return (
            f"{word}: {self.duration_s:.0f} s, {self.changes} changes ({pace:.0f}/s), "
            f"{len(self.spans)} faults, {self.lost} lost, {self.wrong} wrong, memory {self.memory[-1][1]:.0f} MB, "
            f"slope {self.slope():+.2f} MB/min, latency p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
        )


async def soak(scene: Scene, duration_s: float, rate: float, dice: random.Random) -> Record:
    """Churn and break for so long; afterwards everything must agree."""
    loop = asyncio.get_running_loop()
    churn = Churn(scene, rate)
    scene.is_still = False
    record = Record(loop.time())
    async with asyncio.TaskGroup() as tasks:
        living = [tasks.create_task(each) for each in (churn.run(), _sample(scene, churn, record))]
        while loop.time() - record.started < duration_s:
            await asyncio.sleep(min(dice.uniform(3, 8), duration_s / 8))
            await _break_something(scene, record, dice)
            await churn.rest()
            record.wrong += len(await scene.disagreement())
            churn.go_on()
        await churn.rest()
        for task in living:
            task.cancel()
    record.arrivals += churn.arrivals()
    record.changes, record.active_s, record.duration_s = churn.made, churn.active_s, loop.time() - record.started
    await scene.outlast_guard()
    record.lost += len(scene.witness.lost)
    record.wrong += len(scene.witness.wrong) + len(scene.objections)
    return record


async def _break_something(scene: Scene, record: Record, dice: random.Random) -> None:
    begin_s = asyncio.get_running_loop().time() - record.started
    number = dice.randrange(len(_REGISTRY_FAULTS) + len(_PROCESS_FAULTS))
    if number < len(_REGISTRY_FAULTS):
        make, registry = _REGISTRY_FAULTS[number], dice.choice(scene.registries)
        name = f"{make.__name__} {registry.source}"
        await make(scene, registry)
    else:
        make_all = _PROCESS_FAULTS[number - len(_REGISTRY_FAULTS)]
        name = make_all.__name__
        await make_all(scene)
    record.spans.append(Span(name, begin_s, asyncio.get_running_loop().time() - record.started))
    print(f"{begin_s:7.0f} s  {name}  lost {len(scene.witness.lost)}", flush=True)


async def _sample(scene: Scene, churn: Churn, record: Record) -> None:
    while True:
        at = asyncio.get_running_loop().time() - record.started
        record.memory.append((at, scene.process.resident_mb()))
        record.arrivals += churn.arrivals()
        await asyncio.sleep(_SAMPLE_S)


def _meet(arrival: Arrival, span: Span) -> bool:
    return span.begin_s <= arrival.made_at + arrival.took_s and arrival.made_at <= span.end_s


def main() -> None:
    """Run the soak; the exit code is 1 when the verdict is bad."""
    arguments = _parser().parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="meshregistry-soak-") as folder:
        record = asyncio.run(_run(arguments, Path(folder)))
    path = arguments.png or RESULTS / f"soak-{_commit()}.png"
    draw(record.memory, record.arrivals, [(each.name, each.begin_s, each.end_s) for each in record.spans], path)
    print(f"picture: {path}")
    print(record.verdict(), flush=True)
    sys.exit(0 if record.is_good else 1)


async def _run(arguments: argparse.Namespace, folder: Path) -> Record:
    world = WORLDS[0]
    scene = Scene(folder, world.build(folder, _GUARD_S), _GUARD_S)
    async with scene.running(Size(arguments.services, world.size.instances)):
        return await soak(scene, arguments.minutes * 60, arguments.rate, random.Random(arguments.seed))


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="how long (default 15)")
    parser.add_argument("--rate", type=float, default=200.0, help="changes a second (default 200)")
    parser.add_argument("--services", type=int, default=40, help="services in every registry (default 40)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of faults")
    parser.add_argument("--png", type=Path, help="where the picture goes (default benchmarks/results)")
    return parser


if __name__ == "__main__":
    main()
