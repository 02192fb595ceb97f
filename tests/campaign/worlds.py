"""Which registries are attacked together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from meshregistry.sim.nacos.views import Dialect
from tests.campaign.eureka import RealEureka, SimulatedEureka
from tests.campaign.nacos import PolledNacos, RealNacos, SimulatedNacos
from tests.campaign.registry import Registry
from tests.campaign.scene import Size
from tests.campaign.zookeeper import RealZooKeeper, SimulatedZooKeeper

GUARD_S = 12.0
"""How long a shrink is held in the campaign: the product's default of ten minutes would make it last for hours."""


@dataclass(frozen=True, slots=True)
class World:
    """Registries before one Meshregistry. `name` is how `--world` calls it.

    `whole` is what all of them are called where Meshregistry itself is attacked before them; "" where it is not, as one
    registry adds nothing to the same among three.
    """

    name: str
    title: str
    is_real: bool
    size: Size
    build: Callable[[Path, float], Sequence[Registry]]
    whole: str = ""


def _simulated(folder: Path, guard_s: float) -> Sequence[Registry]:
    return [SimulatedNacos(1, guard_s), SimulatedEureka(2, guard_s), SimulatedZooKeeper(3, guard_s)]


def _polled(folder: Path, guard_s: float) -> Sequence[Registry]:
    return [PolledNacos(1, guard_s)]


def _real(folder: Path, guard_s: float) -> Sequence[Registry]:
    eureka, zookeeper = RealEureka(folder, 2, guard_s), RealZooKeeper(folder, 3, guard_s)
    return [RealNacos(Dialect.V2, folder, 1, guard_s), eureka, zookeeper]


def _real_nacos3(folder: Path, guard_s: float) -> Sequence[Registry]:
    return [RealNacos(Dialect.V3, folder, 1, guard_s)]


WORLDS = (
    World("simulated", "the three simulators", False, Size(40, 5), _simulated, "simulators"),
    World("polled", "the simulated Nacos without push", False, Size(40, 5), _polled),
    World("real", "Nacos 2.3.1, two Eurekas, three ZooKeepers 3.9.5", True, Size(8, 3), _real, "real servers"),
    World("nacos3", "Nacos 3.1.0", True, Size(8, 3), _real_nacos3),
)
