"""Which faults are made against what: of each registry those that fit it, of Meshregistry itself all of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.campaign.catalogue import FAULTS
from tests.campaign.fault import Fault
from tests.campaign.registry import Registry
from tests.campaign.worlds import GUARD_S, WORLDS, World


class Pair(NamedTuple):
    """A fault and what it is made against; no registry where that is Meshregistry itself."""

    fault: Fault
    registry: Registry | None
    against: str
    """In words."""


def list_pairs(world: World, registries: Sequence[Registry]) -> Iterator[Pair]:
    """Return every pair of a world in the order in which they run."""
    for fault in FAULTS:
        yield from (Pair(fault, registry, registry.name) for registry in registries if fault.meets(registry))
        if fault.make_all is not None and world.whole and fault.real in (None, world.is_real):
            yield Pair(fault, None, f"Meshregistry on {world.whole}")


def list_keys() -> list[tuple[str, str]]:
    """Return fault and target of all pairs there are, in the order of the faults."""
    pairs = [pair for world in WORLDS for pair in list_pairs(world, world.build(Path(), GUARD_S))]
    return [(pair.fault.name, pair.against) for pair in sorted(pairs, key=lambda pair: FAULTS.index(pair.fault))]
