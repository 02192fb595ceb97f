"""A ZooKeeper source and the store behind it: what the mesh is offered."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from meshregistry.model.dubbo_naming import SERVICE_KEY_ANNOTATION
from meshregistry.model.events import SourceUpdate
from meshregistry.model.service_entry import Kind, ServiceEntry
from meshregistry.model.sidecar import Sidecar
from meshregistry.settings.load import load_settings
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.reducer import Reducer
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource, ResourceEncoder
from meshregistry.wiring import source_rules
from meshregistry.wiring_zookeeper import zookeeper_options
from tests.support.beside import beside

_TIMEOUT_S = 60.0


class Mesh:
    """A source and the store behind it; the guard holds nothing back but last endpoints, for `grace_s`.

    With `is_guarded` it does all that it does by default. `gone` are the endpoints that were served and are not any
    more: name, address and port.
    """

    def __init__(
        self, hosts: str, profile: str, extra: str = "", grace_s: int = 0, *, is_guarded: bool = False
    ) -> None:
        guard = f"guard: {{empty_grace: {grace_s}s, delete_after: 0s, port_grace: 0s, mass_ratio: 0}}"
        guard = "" if is_guarded else guard
        addresses = ", ".join(map(repr, hosts.split(",")))
        source = f"zookeeper_source: {{enabled: true, address: [{addresses}], refresh_period: 1s, {extra}}}"
        settings = load_settings(f"profile: {profile}\n{guard}\n{source}\n", {}).settings
        metrics = Metrics()
        self.store = SnapshotStore([Kind.SERVICE_ENTRY, Kind.SIDECAR])
        self._news = asyncio.Event()
        self._served: set[tuple[str, str, int]] = set()
        self.gone: set[tuple[str, str, int]] = set()
        self.names: set[str] = set()
        """Of every entry that ever was."""

        self.store.listen(self._note)
        encoder = ResourceEncoder(settings.mcp.create_time)
        self._reducer = Reducer(self.store, encoder, source_rules(settings), metrics)
        self.source = ZooKeeperSource(zookeeper_options(settings), metrics)

    def _note(self, _change: Change) -> None:
        served = {
            (each.entry.name, endpoint.address, endpoint.ports[0][1])
            for each in self.resources.values()
            for endpoint in each.entry.endpoints
        }
        self.gone |= self._served - served
        self._served = served
        self.names.update(each.entry.name for each in self.resources.values())
        self._news.set()

    def forget_start(self) -> None:
        """Count from now on what is gone: until Dubbo 3 has registered a service for its scheme `dubbo`, too, Triple,
        which comes some milliseconds before, has the service's own host."""
        self.gone.clear()

    async def publish(self, update: SourceUpdate) -> None:
        """Reduce an update at once."""
        async with self._lock:
            await self._reducer.reduce([update])

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["Mesh"]:
        """Run the source."""
        self._lock = asyncio.Lock()
        async with beside(self.source.run(self)):
            yield self

    @property
    def resources(self) -> Mapping[str, Resource]:
        """What is served, by namespace and name."""
        return self.store.current.collection(Kind.SERVICE_ENTRY).resources

    def weights(self, interface: str) -> set[float]:
        """The weights of an interface's instances, as registered and ruled."""
        return {each.weight for _, _, instances in self.source.instances(interface) for each in instances}

    @property
    def entries(self) -> dict[str, ServiceEntry]:
        """Entries with endpoints, by name."""
        return {each.entry.name: each.entry for each in self.resources.values() if each.endpoint_count}

    @property
    def sidecars(self) -> dict[str, Sidecar]:
        """Sidecars by name."""
        found = [each.record for each in self.store.current.collection(Kind.SIDECAR).resources.values()]
        return {each.name: each for each in found if isinstance(each, Sidecar)}

    def protocols(self) -> dict[tuple[str, str], set[tuple[str, int]]]:
        """Service key and protocol of the port → address and port of every endpoint."""
        return {
            (dict(entry.annotations).get(SERVICE_KEY_ANNOTATION, entry.name), entry.ports[0].protocol): {
                (endpoint.address, endpoint.ports[0][1]) for endpoint in entry.endpoints
            }
            for entry in self.entries.values()
        }

    async def until_names(self, names: Iterable[str]) -> None:
        """Wait until exactly these entries have endpoints; else the comparison is the failure."""
        expected = set(names)
        try:
            await self.until(lambda: set(self.entries) == expected)
        except TimeoutError:
            assert expected == set(self.entries)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for commits until the condition holds."""
        async with asyncio.timeout(_TIMEOUT_S):
            while not condition():
                self._news.clear()
                await self._news.wait()
