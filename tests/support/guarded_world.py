"""A reducer with a clock in the test's hand, and services of many endpoints to take away from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from meshregistry.model.events import ScopeConfirmed, ScopeListing, ServiceReading
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Kind, ServiceEntry
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.operator import StoreUpdate
from meshregistry.store.reducer import Reducer
from meshregistry.store.rules import RulesReplaced, SourceLimits, SourceRules
from meshregistry.store.saved import Terms, decode_world, encode_world
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder

SCOPE = Scope("nacos", "", "public", "DEFAULT_GROUP")
OTHER_SCOPE = Scope("nacos", "", "public", "BATCH")
POLICY = GuardPolicy(empty_grace_s=10, delete_after_s=600, port_grace_s=0, mass_ratio=0.3, mass_min=10, mass_hold_s=600)
POLL_S = 30.0

Services = Mapping[str, tuple[Instance, ...]]


def instances(*numbers: int, port: int = 8080, net: int = 0) -> tuple[Instance, ...]:
    """Instances with one address per number."""
    return tuple(Instance(f"10.{net}.{number // 250}.{number % 250}", port) for number in numbers)


def fleet(services: int, size: int, *, first: int = 0) -> dict[str, tuple[Instance, ...]]:
    """Services `s0`, `s1`, … of so many instances each, no two of them at one address."""
    return {
        f"s{service}": instances(*range(service * size, (service + 1) * size))
        for service in range(first, first + services)
    }


def sharing(source: str, **conversion: Any) -> SourceRules:
    """Rules under which every source gives its services the same hosts, in resources of its own."""
    names: dict[str, Any] = {"ns_host": False, "dom_suffix": "shop", "resource_ns": source}
    return SourceRules(ConversionPolicy(source=source, **names, **conversion), POLICY)


class GuardedWorld:
    """A reducer on a store; the guard's times are seconds of `now`."""

    def __init__(
        self,
        policy: GuardPolicy = POLICY,
        conversion: ConversionPolicy | None = None,
        limits: SourceLimits = SourceLimits(),  # noqa: B008 - it is frozen
    ) -> None:
        self.now = 1000.0
        self.rules = {
            source: SourceRules(conversion or ConversionPolicy(source=source), policy, limits=limits)
            for source in ("nacos", "zookeeper")
        }
        self._start()

    def _start(self) -> None:
        self.metrics = Metrics()
        self.store = SnapshotStore({Kind.SERVICE_ENTRY})
        self.changes: list[Change] = []
        self.store.listen(self.changes.append)
        encoder = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC))
        self.reducer = Reducer(self.store, encoder, self.rules, self.metrics, lambda: self.now)

    async def restart(self, downtime_s: float = 0.0) -> None:
        """Begin again as another process that finds what this one saved."""
        fingerprints = dict.fromkeys(self.rules, "equal")
        saved = b"".join(encode_world(self.reducer.export(fingerprints, self.now)))
        self.now += downtime_s
        self._start()
        terms = Terms({source: rules.conversion for source, rules in self.rules.items()}, fingerprints)
        await self.reducer.restore(decode_world(saved, terms), self.now)

    async def convert_otherwise(self, source: str, conversion: ConversionPolicy, *updates: StoreUpdate) -> list[Change]:
        """Reload with another conversion of a source, and take what it tells since in the same batch."""
        self.rules = {**self.rules, source: SourceRules(conversion, self.rules[source].guard)}
        return await self.take(RulesReplaced(self.rules, restarted=frozenset({source})), *updates)

    async def take(self, *updates: StoreUpdate) -> list[Change]:
        """Reduce one batch; return the changes that it caused."""
        self.changes.clear()
        await self.reducer.reduce(updates)
        return list(self.changes)

    async def show(self, services: Services, scope: Scope = SCOPE) -> list[Change]:
        """Take a listing of everything in a scope."""
        return await self.take(ScopeListing(scope, frozenset(services), services))

    async def read(self, name: str, found: tuple[Instance, ...], scope: Scope = SCOPE) -> list[Change]:
        """Take a reading of one service."""
        return await self.take(ServiceReading(ServiceKey(scope, name), found))

    async def confirm_for(self, seconds: float, scope: Scope = SCOPE) -> None:
        """Let time pass in which the registry repeats what it said, poll after poll."""
        ends = self.now + seconds
        while self.now < ends:
            self.now = min(self.now + POLL_S, ends)
            await self.take(ScopeConfirmed(scope))

    async def wait(self, seconds: float) -> None:
        """Let time pass without a word of any registry."""
        self.now += seconds
        await self.take()

    def entries(self) -> dict[str, ServiceEntry]:
        """Everything that is served, by resource name."""
        resources = self.store.current.collection(Kind.SERVICE_ENTRY).resources
        return {name: resource.entry for name, resource in resources.items()}

    def endpoints(self) -> set[tuple[str, str]]:
        """Every endpoint that is served, with its resource."""
        return {(name, endpoint.address) for name, entry in self.entries().items() for endpoint in entry.endpoints}

    def count(self) -> int:
        """How many endpoints are served."""
        return len(self.endpoints())

    @property
    def version(self) -> str:
        """The version of everything that is served."""
        return self.store.current.collection(Kind.SERVICE_ENTRY).version

    def hold(self, place: int = 0) -> str:
        """The name of a hold, the oldest first."""
        return self.reducer.list_holds()[place].id

    def metric(self, name: str, **labels: str) -> float | None:
        """A metric's value."""
        return self.metrics.registry.get_sample_value(f"meshregistry_{name}", labels)
