"""The Nacos source: every configured registry, each read on its own."""

import asyncio
from collections.abc import Iterator

from meshregistry.model.events import Sink
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.sources.nacos.client import NacosClient
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.registry import configured_registries
from meshregistry.sources.nacos.server import NacosServer
from meshregistry.sources.polling import REAL_CLOCK, Clock
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics


class NacosSource:
    """A `model.events.Source`. Constructed without I/O; a slow registry does not delay the others."""

    def __init__(self, options: NacosOptions, metrics: Metrics, clock: Clock = REAL_CLOCK) -> None:
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._client = NacosClient(options, metrics)
        registries = configured_registries(options.servers)
        self._servers = tuple(NacosServer(registry, options, self._client, metrics, clock) for registry in registries)
        scopes = frozenset[object](part for registry in registries for part in registry.parts())
        self._readiness = Readiness(self.name, scopes, metrics, clock)

    @property
    def name(self) -> str:
        """Source kind."""
        return "nacos"

    async def run(self, sink: Sink) -> None:
        """Read every registry until cancelled. Cancelling it is safe: connections are closed, nothing is lost."""
        async with self._client, asyncio.TaskGroup() as group:
            group.create_task(self._readiness.give_up_after(self._options.wait_time_s, sink))
            for server in self._servers:
                group.create_task(server.run(sink, self._readiness, self._note_reading))

    @property
    def is_failing(self) -> bool:
        """Whether the latest attempt to read a registry failed."""
        return any(server.is_failing for server in self._servers)

    def registries(self) -> list[dict[str, object]]:
        """Return what the status page `/meshregistry/nacos?registries=true` shows, one object per registry.

        Slime shows `registry_id` and `addresses` there; the rest is ours. Fit for JSON, without secrets.
        """
        return [server.describe() for server in self._servers]

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published; others may come and go meanwhile."""
        for server in self._servers:
            yield from server.known()

    def read_again(self) -> None:
        """Have every service of every registry listed as soon as possible."""
        for server in self._servers:
            server.read_again()

    def _note_reading(self) -> None:
        healthy = all(each.healthy for each in self._servers)
        self._metrics.source_connection_status.labels(self.name).set(healthy)
