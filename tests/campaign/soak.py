"""`python -m tests.campaign.soak`: churn with random faults for minutes; a picture of memory and latency, a verdict.

The registries are the simulators: a real Nacos takes a tenth of the rate. Meshregistry is never killed here, so that
its memory is one line; that is the campaign's part.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

from tests.campaign import client_faults, process_faults, registry_faults
from tests.campaign.churn import Churn
from tests.campaign.fault import Make, MakeAll
from tests.campaign.provenance import ROOT, name_commit, name_run
from tests.campaign.registry import Registry
from tests.campaign.scene import Scene, Size
from tests.campaign.served import name as name_endpoint
from tests.campaign.soak_figure import draw
from tests.campaign.soak_record import Record, Span
from tests.campaign.worlds import WORLDS

RESULTS = ROOT / "benchmarks" / "results"
_GUARD_S = 5.0
_SAMPLE_S, _COUNT_S = 1.0, 2.0
_SHOWN = 5
_STORM_EACH = 4
"""Every fourth fault is a storm of connections: what it leaves is looked for, so that the number of living objects
comes down to its floor in each third of the time."""

_WAY_FAULTS: tuple[Make, ...] = (
    *(registry_faults.refuse, registry_faults.drop, registry_faults.flap, registry_faults.delay),
    *(registry_faults.slow, registry_faults.truncate, registry_faults.endless, registry_faults.garbage),
    registry_faults.hostile_records,
)
_SERVER_FAULTS: tuple[Make, ...] = (registry_faults.kill, registry_faults.pause, registry_faults.restart_empty)
"""While they last nobody can register anything there."""

_PROCESS_FAULTS: tuple[MakeAll, ...] = (
    *(process_faults.pause, process_faults.files_exhausted),
    *(client_faults.slow_readers, client_faults.storm, client_faults.hostile_ads, client_faults.hostile_http),
)


async def soak(scene: Scene, duration_s: float, rate: float, dice: random.Random) -> Record:
    """Churn and break for so long; afterwards everything must agree."""
    loop = asyncio.get_running_loop()
    churn = Churn(scene, rate)
    scene.is_still = False
    record = Record(loop.time(), rate=rate)
    async with asyncio.TaskGroup() as tasks:
        endless = (churn.run(), _sample(scene, churn, record), _count_blocks(scene, record))
        living = [tasks.create_task(each) for each in endless]
        while loop.time() - record.started < duration_s:
            await asyncio.sleep(min(dice.uniform(3, 8), duration_s / 8))
            await _break_something(scene, churn, record, dice)
            await churn.rest()
            differing = await scene.disagreement()
            record.wrong += len(differing)
            record.notes += differing[:_SHOWN]
            churn.go_on()
        await churn.rest()
        for task in living:
            task.cancel()
    record.arrivals += churn.arrivals()
    record.changes, record.active_s, record.duration_s = churn.made, churn.active_s, loop.time() - record.started
    await scene.outlast_guard()
    record.lost += len(scene.witness.lost)
    record.wrong += len(scene.witness.wrong) + len(scene.objections)
    record.notes += [*map(name_endpoint, scene.witness.lost[:_SHOWN]), *scene.witness.wrong[:_SHOWN], *scene.objections]
    return record


async def _break_something(scene: Scene, churn: Churn, record: Record, dice: random.Random) -> None:
    begin_s = asyncio.get_running_loop().time() - record.started
    name, making = _begin_fault(scene, churn, dice, is_storm=len(record.spans) % _STORM_EACH == _STORM_EACH - 1)
    await making
    record.spans.append(Span(name, begin_s, asyncio.get_running_loop().time() - record.started))
    print(f"{begin_s:7.0f} s  {name}  lost {len(scene.witness.lost)}  wrong {len(scene.witness.wrong)}", flush=True)


def _begin_fault(scene: Scene, churn: Churn, dice: random.Random, *, is_storm: bool) -> tuple[str, Awaitable[None]]:
    """Return the name of a fault by chance, and the making of it."""
    number = dice.randrange(len(_WAY_FAULTS) + len(_SERVER_FAULTS) + len(_PROCESS_FAULTS))
    registry = dice.choice(scene.registries)
    if is_storm or number >= len(_WAY_FAULTS) + len(_SERVER_FAULTS):
        make_all = client_faults.storm if is_storm else _PROCESS_FAULTS[number - len(_WAY_FAULTS) - len(_SERVER_FAULTS)]
        return make_all.__name__, make_all(scene)
    make = (*_WAY_FAULTS, *_SERVER_FAULTS)[number]
    making = make(scene, registry)
    return f"{make.__name__} {registry.source}", _spare(churn, registry, making) if make in _SERVER_FAULTS else making


async def _spare(churn: Churn, registry: Registry, making: Awaitable[None]) -> None:
    async with churn.sparing(registry):
        await making


async def _sample(scene: Scene, churn: Churn, record: Record) -> None:
    while True:
        at = asyncio.get_running_loop().time() - record.started
        record.memory.append((at, scene.process.resident_mb()))
        record.arrivals += churn.arrivals()
        await asyncio.sleep(_SAMPLE_S)


async def _count_blocks(scene: Scene, record: Record) -> None:
    while True:
        with suppress(LookupError):  # it does not answer during some of the faults
            count = await scene.process.metric("python_memory_blocks")
            record.blocks.append((asyncio.get_running_loop().time() - record.started, count))
        await asyncio.sleep(_COUNT_S)


def main() -> None:
    """Run the soak; the exit code is 1 when the verdict is bad."""
    arguments = _parser().parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="meshregistry-soak-") as folder:
        record = asyncio.run(_run(arguments, Path(folder)))
    path = arguments.png or RESULTS / f"soak-{name_commit()}.png"
    draw(record, path)
    report = path.with_suffix(".md")
    report.write_text(record.report(name_run(), path.name), "utf-8")
    print(f"picture: {path}, verdict: {report}")
    print(record.verdict(), *record.notes, sep="\n", flush=True)
    sys.exit(0 if record.is_good else 1)


async def _run(arguments: argparse.Namespace, folder: Path) -> Record:
    world = WORLDS[0]
    scene = Scene(folder, world.build(folder, _GUARD_S), _GUARD_S)
    async with scene.running(Size(arguments.services, world.size.instances)):
        return await soak(scene, arguments.minutes * 60, arguments.rate, random.Random(arguments.seed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="how long (default 15)")
    parser.add_argument("--rate", type=float, default=200.0, help="changes a second (default 200)")
    parser.add_argument("--services", type=int, default=40, help="services in every registry (default 40)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of faults")
    parser.add_argument(
        "--png", type=Path, help="where the picture goes, the verdict beside it (default benchmarks/results)"
    )
    return parser


if __name__ == "__main__":
    main()
