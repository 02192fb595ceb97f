"""`python -m tests.campaign`: make faults, print a table; the exit code is 1 when anything was lost, wrong or left."""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from tests.campaign.catalogue import NAMES
from tests.campaign.fault import Outcome, strike
from tests.campaign.pairs import list_keys, list_pairs
from tests.campaign.provenance import name_run
from tests.campaign.report import notes, row, table, verdict
from tests.campaign.results import PAGE, write_rows
from tests.campaign.scene import Scene, Size
from tests.campaign.worlds import GUARD_S, WORLDS, World


def main() -> None:
    """Run the campaign."""
    arguments = _parser().parse_args()
    logging.disable(logging.WARNING)  # kazoo tells of every server that is not there
    outcomes: list[Outcome] = []
    try:
        with tempfile.TemporaryDirectory(prefix="meshregistry-faults-") as folder:
            asyncio.run(_run(arguments, arguments.folder or Path(folder), outcomes))
    finally:
        print("\n".join(["", table(outcomes), "", *notes(outcomes), verdict(outcomes)]), flush=True)
    sys.exit(0 if outcomes and all(outcome.is_good for outcome in outcomes) else 1)


async def _run(arguments: argparse.Namespace, folder: Path, outcomes: list[Outcome]) -> None:
    for world in WORLDS:
        if (arguments.real or not world.is_real) and arguments.world in (None, world.name):
            await _attack(world, arguments, folder / world.name, outcomes)


async def _attack(world: World, arguments: argparse.Namespace, folder: Path, outcomes: list[Outcome]) -> None:
    registries = world.build(folder, arguments.guard_s)
    pairs = [pair for pair in list_pairs(world, registries) if not arguments.only or pair.fault.name in arguments.only]
    if not pairs:
        return
    run = name_run()
    print(f"starting {world.title}, {run} …", flush=True)
    scene = Scene(folder, registries, arguments.guard_s, arguments.settings)
    made = []
    async with scene.running(Size(arguments.services or world.size.services, world.size.instances)):
        for pair in pairs:
            outcome = Outcome(pair.fault.name, pair.against)
            made.append(outcome)
            outcomes.append(outcome)
            for _ in range(arguments.times):
                await strike(scene, pair.fault, pair.registry, outcome)
            print("  ".join(row(outcome)), flush=True)
        await scene.outlast_guard()
        outcome.count(scene)
    if arguments.write:
        write_rows(PAGE, [(*row(outcome), run) for outcome in made], list_keys())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--times", type=int, default=3, help="runs of each fault (default 3)")
    parser.add_argument("--real", action=argparse.BooleanOptionalAction, default=True, help="real servers too")
    parser.add_argument("--world", choices=[world.name for world in WORLDS], help="only these registries")
    parser.add_argument("--services", type=int, help="services in every registry (default: by world)")
    parser.add_argument("--write", action="store_true", help=f"put the rows into {PAGE.name}, others stay as they are")
    parser.add_argument("--guard-s", type=float, default=GUARD_S, help=f"how long shrinks are held (default {GUARD_S})")
    parser.add_argument("--settings", default="", help="further lines of the settings file")
    parser.add_argument("--folder", type=Path, help="where logs and state stay (default: nowhere)")
    return parser


if __name__ == "__main__":
    main()
