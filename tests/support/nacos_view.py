"""A running Nacos source in a test, and what its updates add up to."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from meshregistry.model.events import (
    RegistryAway,
    ScopeConfirmed,
    ScopeListing,
    ServiceReading,
    SourceSynced,
    SourceUpdate,
)
from meshregistry.model.instance import Instance, Scope, ServiceKey, sort_pairs
from meshregistry.sources.nacos import NacosOptions, NacosScope, NacosServerOptions, NacosSource
from meshregistry.sources.nacos.options import WatchOptions
from meshregistry.sources.polling import PollOptions
from meshregistry.telemetry.metrics import Metrics
from tests.support.beside import beside
from tests.support.nacos_rig import LONG_LIFE, NacosRig
from tests.support.source_view import PolledView

PERIOD_S = 0.05

Mode = Mapping[str, object]
"""Further options of a source."""

MODES: dict[str, Mode] = {
    "polling": {},
    "watching": {"watch": WatchOptions(list_period_s=0.1), "resync_period_s": 10 * PERIOD_S},
}
"""How a source may read: with pushes the complete readings are rarer, so that pushes come first."""


def instance(
    address: str,
    port: int,
    *,
    cluster: str = "DEFAULT",
    healthy: bool = True,
    weight: float = 1.0,
    metadata: dict[str, str] | None = None,
) -> Instance:
    """What the source should make of an ephemeral registration through a rig."""
    pairs = sort_pairs({**LONG_LIFE, **(metadata or {})})
    return Instance(address, port, cluster, healthy=healthy, weight=weight, metadata=pairs)


class Store(Protocol):
    """What may get every update, too."""

    async def take(self, *updates: SourceUpdate) -> object:
        """Take them in order."""
        ...


class View(PolledView):
    """A sink that does with updates what the store does, and remembers them."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self.services = {}
        self.updates: list[SourceUpdate] = []
        self.absences: list[Scope] = []
        """What was away before anything was read of it: no news of what is registered."""

        self.source: NacosSource
        self.metrics = Metrics()

    async def publish(self, update: SourceUpdate) -> None:
        """Take an update; that nothing has changed is no news and is not remembered."""
        if self._store is not None:
            await self._store.take(update)
        if isinstance(update, ScopeConfirmed):
            return
        if isinstance(update, RegistryAway):
            self.absences.append(update.scope)
            return
        self.updates.append(update)
        if isinstance(update, ScopeListing):
            kept = {name: known for name, known in self.services.items() if name in update.names}
            self.services = {**kept, **update.services}
        elif isinstance(update, ServiceReading):
            self.services = {**self.services, update.key.name: update.instances}

    @property
    def contents(self) -> dict[ServiceKey, tuple[Instance, ...]]:
        """Every service of every scope, as the store tells them apart: a listing is about its own scope only."""
        contents: dict[ServiceKey, tuple[Instance, ...]] = {}
        for update in self.updates:
            if isinstance(update, ScopeListing):
                gone = [key for key in contents if key.scope == update.scope and key.name not in update.names]
                for key in gone:
                    del contents[key]
                contents |= {ServiceKey(update.scope, name): each for name, each in update.services.items()}
            elif isinstance(update, ServiceReading):
                contents[update.key] = update.instances
        return contents

    @property
    def union(self) -> dict[str, list[str]]:
        """Service → addresses of all scopes that have instances of it, which is what the mesh gets."""
        union: dict[str, set[str]] = {}
        for key, instances in self.contents.items():
            union.setdefault(key.name, set()).update(each.address for each in instances)
        return {name: sorted(addresses) for name, addresses in union.items() if addresses}

    @property
    def listings(self) -> list[ScopeListing]:
        """The listings so far."""
        return [update for update in self.updates if isinstance(update, ScopeListing)]

    @property
    def synced(self) -> list[SourceSynced]:
        """The declarations of completeness so far."""
        return [update for update in self.updates if isinstance(update, SourceSynced)]

    @property
    def registry(self) -> dict[str, object]:
        """The first registry on the status page."""
        return self.source.registries()[0]

    @property
    def scope(self) -> dict[str, object]:
        """The first scope on the status page."""
        scopes = self.registry["scopes"]
        assert isinstance(scopes, list)
        described = scopes[0]
        assert isinstance(described, dict)
        return described

    @property
    def namespaces(self) -> list[dict[str, object]]:
        """The first registry's namespaces on the status page: what is told of their push connections."""
        namespaces = self.registry["namespaces"]
        assert isinstance(namespaces, list)
        return namespaces

    @property
    def side(self) -> dict[str, object]:
        """The first namespace on the status page."""
        return self.namespaces[0]

    def is_up(self) -> bool:
        """Whether pushes of the first namespace come, for every service."""
        return is_subscribed(self.side)


def is_subscribed(side: Mapping[str, object]) -> bool:
    """Whether pushes of a namespace come, for every service, as the status page has it."""
    return side["connected"] is True and bool(side["subscriptions"]) and not side["subscriptions_waiting"]


def server_options(rig: NacosRig, **changes: object) -> NacosServerOptions:
    """Return the options that read the rig's own namespace."""
    fields: dict[str, object] = {
        "addresses": (rig.base_url,),
        "scopes": (NacosScope(rig.namespace),),
        "username": rig.username,
        "password": rig.password,
        **changes,
    }
    return NacosServerOptions(**fields)  # type: ignore[arg-type]


@asynccontextmanager
async def reading(*servers: NacosServerOptions, **changes: object) -> AsyncIterator[View]:
    """Run a source with a short period as long as the context is open."""
    async with feeding(None, *servers, **changes) as view:
        yield view


@asynccontextmanager
async def feeding(store: Store | None, *servers: NacosServerOptions, **changes: object) -> AsyncIterator[View]:
    """The same for a source that publishes to a store, too."""
    polling = PollOptions(refresh_period_s=PERIOD_S, first_retry_s=PERIOD_S)
    fields: dict[str, object] = {"polling": polling, "request_timeout_s": 5.0, **changes}
    view = View(store)
    view.source = NacosSource(NacosOptions(servers=servers, **fields), view.metrics)  # type: ignore[arg-type]
    async with beside(view.source.run(view)):
        yield view
