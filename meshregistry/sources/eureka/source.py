"""The Eureka source: every configured registry, each polled on its own."""

import asyncio
from collections.abc import Iterator

import msgspec

from meshregistry.model.events import Sink
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.sources.eureka.client import EurekaClient
from meshregistry.sources.eureka.options import EurekaOptions, Mode
from meshregistry.sources.eureka.reader import RegistryReader
from meshregistry.sources.eureka.server import EurekaServer, configured_scopes
from meshregistry.sources.polling import REAL_CLOCK, Clock, PollLoop, PollOptions
from meshregistry.sources.readiness import Readiness
from meshregistry.sources.resolving import Resolve, resolve_host
from meshregistry.telemetry.metrics import Metrics


class EurekaSource:
    """A `model.events.Source`. Constructed without I/O; a slow registry does not delay the others."""

    def __init__(
        self, options: EurekaOptions, metrics: Metrics, clock: Clock = REAL_CLOCK, resolve: Resolve = resolve_host
    ) -> None:
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._client = EurekaClient(options, metrics)
        readers = (
            RegistryReader(scope, server, options, metrics, clock)
            for server, scope in zip(options.servers, configured_scopes(options.servers), strict=True)
        )
        self._servers = tuple(EurekaServer(reader, options, self._client.get, resolve, clock) for reader in readers)
        self._loops = tuple(PollLoop(self.name, self._rhythm(), metrics, clock) for _ in self._servers)
        scopes = frozenset(server.scope for server in self._servers)
        self._readiness = Readiness(self.name, scopes, metrics, clock)

    @property
    def name(self) -> str:
        """Source kind."""
        return "eureka"

    async def run(self, sink: Sink) -> None:
        """Poll every registry until cancelled. Cancelling it is safe: connections are closed, nothing is lost.

        Raises OSError when a TLS file cannot be used.
        """
        async with self._client, asyncio.TaskGroup() as group:
            group.create_task(self._readiness.give_up_after(self._options.wait_time_s, sink))
            for server, loop in zip(self._servers, self._loops, strict=True):
                group.create_task(self._poll_forever(server, loop, sink))

    @property
    def is_failing(self) -> bool:
        """Whether the latest attempt to read a registry failed."""
        return any(server.is_failing for server in self._servers)

    def registries(self) -> list[dict[str, object]]:
        """Return what the status page `/meshregistry/eureka?registries=true` shows, one object per registry.

        Slime shows `registry_id` and `addresses` there; the rest is ours. Fit for JSON, without secrets.
        """
        return [server.describe() for server in self._servers]

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published; others may come and go meanwhile."""
        for server in self._servers:
            yield from server.known()

    def read_again(self) -> None:
        """Have every registry fetched in full as soon as possible."""
        for server, loop in zip(self._servers, self._loops, strict=True):
            server.read_again()
            loop.wake()

    async def _poll_forever(self, server: EurekaServer, loop: PollLoop, sink: Sink) -> None:
        async def poll() -> float:
            try:
                return await server.poll(sink, self._readiness)
            finally:
                healthy = all(each.healthy for each in self._servers)
                self._metrics.source_connection_status.labels(self.name).set(healthy)

        await loop.run(poll)

    def _rhythm(self) -> PollOptions:
        """Return the rhythm after failures, and before it is known what a server offers."""
        polling = self._options.polling
        if self._options.mode is Mode.POLLING:
            return polling
        return msgspec.structs.replace(
            polling, refresh_period_s=min(self._options.delta_period_s, polling.refresh_period_s)
        )
