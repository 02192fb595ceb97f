"""The ZooKeeper source: every configured registry, each read on its own."""

import asyncio
from collections.abc import Iterator

from meshregistry.model.call_model import CallSteps
from meshregistry.model.events import Sink
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.sources.polling import REAL_CLOCK, Clock
from meshregistry.sources.readiness import Readiness
from meshregistry.sources.zookeeper.equipment import Equipment
from meshregistry.sources.zookeeper.options import ZooKeeperOptions
from meshregistry.sources.zookeeper.registry import ZooKeeperRegistry
from meshregistry.sources.zookeeper.session import ZooKeeperSession
from meshregistry.sources.zookeeper.sidecars import SidecarDesk
from meshregistry.sources.zookeeper.tree import OpenSession
from meshregistry.telemetry.metrics import Metrics


class ZooKeeperSource:
    """A `model.events.Source`. Constructed without I/O; raises ValueError for hosts or a chroot that are none."""

    def __init__(
        self,
        options: ZooKeeperOptions,
        metrics: Metrics,
        clock: Clock = REAL_CLOCK,
        open_session: OpenSession = ZooKeeperSession,
    ) -> None:
        self._options = options
        self._metrics = metrics
        ids = frozenset(server.registry_id for server in options.servers)
        self._desk = SidecarDesk(options.sidecars, ids, clock) if options.sidecars else None
        equipment = Equipment(options, metrics, clock, self._desk)
        self._registries = tuple(ZooKeeperRegistry(server, equipment, open_session) for server in options.servers)
        scopes = frozenset(scope for registry in self._registries for scope in registry.scopes)
        self._readiness = Readiness(self.name, scopes, metrics, clock)
        metrics.source_connection_status.labels(self.name).set_function(self._status)

    @property
    def name(self) -> str:
        """Source kind."""
        return "zookeeper"

    async def run(self, sink: Sink) -> None:
        """Read every registry until cancelled. Cancelling it is safe: sessions are ended, nothing is lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._readiness.give_up_after(self._options.wait_time_s, sink))
            if self._desk is not None:
                group.create_task(self._desk.run(sink))
            for registry in self._registries:
                group.create_task(registry.run(sink, self._readiness))

    @property
    def is_failing(self) -> bool:
        """Whether the latest attempt to read a registry failed."""
        return any(registry.is_failing for registry in self._registries)

    def registries(self) -> list[dict[str, object]]:
        """Return what the status page shows, one object per registry. Fit for JSON, without secrets."""
        return [registry.describe() for registry in self._registries]

    def read_again(self) -> None:
        """Have every registry read in full as soon as possible."""
        for registry in self._registries:
            registry.read_again()

    def instances(self, interface: str = "") -> Iterator[tuple[str, str, tuple[Instance, ...]]]:
        """Yield interface, service and instances of all that was published, or of one interface."""
        for registry in self._registries:
            yield from registry.reader.instances(interface)

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published; others may come and go meanwhile."""
        for registry in self._registries:
            yield from registry.reader.known()

    @property
    def reads_consumers(self) -> bool:
        """Whether consumers are read, for Sidecars."""
        return self._desk is not None

    def calls(self) -> CallSteps:
        """Find out in steps who provides and calls what now; nothing where no Sidecars are made."""
        return (yield from self._desk.calls()) if self._desk else {}

    def used_calls(self) -> CallSteps:
        """Do the same as it stands in the published Sidecars."""
        return (yield from self._desk.used_calls()) if self._desk else {}

    def _status(self) -> float:
        return float(all(registry.healthy for registry in self._registries))
