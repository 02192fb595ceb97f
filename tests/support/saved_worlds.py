"""Reducers with a clock of their own, and worlds that went through the saved form."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from meshregistry.model.events import ScopeListing, SourceSynced
from meshregistry.model.instance import Instance, Scope
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Kind
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.operator import StoreUpdate
from meshregistry.store.reducer import Reducer
from meshregistry.store.rules import SourceRules
from meshregistry.store.saved import Terms, decode_world, encode_world
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.store.world import World
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder

SCOPE = Scope("nacos", "", "public", "DEFAULT_GROUP")
POLICY = ConversionPolicy()
GUARD = GuardPolicy(empty_grace_s=10, delete_after_s=600, port_grace_s=300)
SYNCED = SourceSynced("nacos")


def fingerprints(*sources: str) -> dict[str, str]:
    """Return what `terms_of` expects."""
    return {source: f"settings of {source}" for source in sources}


def terms_of(*sources: str) -> Terms:
    """Return the terms of a process with these sources."""
    return Terms(dict.fromkeys(sources, POLICY), fingerprints(*sources))


def instance(last: int, port: int = 8080, **metadata: str) -> Instance:
    return Instance(f"10.0.0.{last}", port, "DEFAULT", metadata=tuple(sorted(metadata.items())))


def listing(scope: Scope = SCOPE, /, **services: Iterable[Instance]) -> ScopeListing:
    """A first listing of a scope."""
    return ScopeListing(scope, frozenset(services), {name: tuple(each) for name, each in services.items()})


class Process:
    """A reducer on a store, with both clocks in the test's hand and a record of all changes."""

    def __init__(
        self,
        *sources: str,
        now: float = 1000.0,
        wall: float = 1_700_000_000.0,
        guard: GuardPolicy = GUARD,
        retired: Mapping[str, SourceRules] = MappingProxyType({}),
        makes_sidecars: bool = False,
    ) -> None:
        self.now = now
        self.wall = wall
        self.sources = sources or ("nacos",)
        self.metrics = Metrics()
        self.store = SnapshotStore({Kind.SERVICE_ENTRY, Kind.SIDECAR} if makes_sidecars else {Kind.SERVICE_ENTRY})
        self.changes: list[Change] = []
        self.store.listen(self.changes.append)
        rules = {source: SourceRules(POLICY, guard, makes_sidecars) for source in self.sources}
        encoder = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC))
        self.reducer = Reducer(self.store, encoder, rules, self.metrics, lambda: self.now, retired=retired)

    async def take(self, *updates: StoreUpdate) -> list[Change]:
        """Reduce one batch and return what it really changed."""
        self.changes.clear()
        await self.reducer.reduce(updates)
        return [change for change in self.changes if change.changed or change.removed]

    async def pass_time(self, seconds: float, *updates: StoreUpdate) -> list[Change]:
        """Let time pass on both clocks, then reduce one batch."""
        self.now += seconds
        self.wall += seconds
        return await self.take(*updates)

    def export(self) -> World:
        return self.reducer.export(fingerprints(*self.sources), self.wall)

    def save(self) -> bytes:
        """Return what would be written to disk now."""
        return b"".join(encode_world(self.export()))

    async def restore(self, data: bytes) -> None:
        """Go on from saved bytes."""
        await self.reducer.restore(decode_world(data, terms_of(*self.sources)), self.wall)

    @property
    def complete(self) -> bool:
        """Whether the snapshot is complete."""
        return self.store.current.complete

    def wire(self) -> dict[str, tuple[str, bytes]]:
        """Return what clients are served: name → version and bytes."""
        resources = self.store.current.collection(Kind.SERVICE_ENTRY).resources
        return {name: (each.version, each.any_bytes) for name, each in resources.items()}

    def addresses(self, name: str) -> list[str]:
        resource = self.store.current.collection(Kind.SERVICE_ENTRY).resources[name]
        return [endpoint.address for endpoint in resource.entry.endpoints]
