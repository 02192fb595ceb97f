"""What every part of the source works with."""

from typing import NamedTuple

from meshregistry.sources.polling import Clock
from meshregistry.sources.zookeeper.options import ZooKeeperOptions
from meshregistry.sources.zookeeper.sidecars import SidecarDesk
from meshregistry.telemetry.metrics import Metrics


class Equipment(NamedTuple):
    """Shared by all registries; `desk` is None where no Sidecars are made."""

    options: ZooKeeperOptions
    metrics: Metrics
    clock: Clock
    desk: SidecarDesk | None
