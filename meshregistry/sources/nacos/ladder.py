"""How a namespace is listed: in bulk, service by service over its gRPC connection, or so over HTTP."""

import functools
import logging
from collections.abc import Callable, Set
from typing import NamedTuple, Protocol

from meshregistry.errors import SourceError, SourceUnavailable
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.bulk import BulkReader, Published, look_again_at_suspects
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.groups import Catalogue, Groups, find_groups, without_catalogue
from meshregistry.sources.nacos.instances import InstanceReader
from meshregistry.sources.nacos.memory import Listing
from meshregistry.sources.nacos.messages import ServiceName
from meshregistry.sources.nacos.options import DEFAULT_GROUP, NacosOptions
from meshregistry.sources.nacos.refusal import Refusal, explained
from meshregistry.sources.nacos.scope import ScopeReader
from meshregistry.sources.nacos.services import HttpCalls, OneByOne, PushCalls, ServiceCalls
from meshregistry.sources.nacos.session import LiveSession
from meshregistry.sources.nacos.watch import NamespaceWatch
from meshregistry.sources.polling import Clock
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

BULK = "bulk"
PER_SERVICE = "per_service"
PUSHED = "grpc"

_ROTATION = 10
"""Services that are watched are queried one by one in every so manieth listing where there is no bulk listing."""

Listings = dict[str, Listing | SourceError]
"""Group → its listing, or why there is none."""

Calls = Callable[[Scope], ServiceCalls]


class Scopes(Published, Protocol):
    """What is listed, and what is published of it."""

    namespace: str
    scopes: dict[str, ScopeReader]
    watch: NamespaceWatch | None

    @property
    def label(self) -> str:
        """The namespace's name for logs and metrics."""
        ...

    def groups(self) -> frozenset[str] | None:
        """The wanted groups; None when all are."""
        ...

    def scope(self, group: str) -> ScopeReader:
        """The scope of a group; it is made if there is none yet."""
        ...


class Listed(NamedTuple):
    """One reading of a namespace."""

    listings: Listings
    calls: Calls
    """How services are asked for one by one beside it."""

    is_populated: bool = False
    """Whether there are services, if only in unwanted groups."""


class Ladder:
    """Lists one namespace by the best way that is offered. Owner of the rung, its refusal, and the groups found."""

    def __init__(self, scopes: Scopes, options: NacosOptions, reader: InstanceReader, metrics: Metrics, clock: Clock):
        self.rung = ""
        self.refusal: Refusal | None = None
        self.found = Groups()
        self._scopes = scopes
        self._options = options
        self._reader = reader
        self._metrics = metrics
        self._clock = clock
        self._bulk = BulkReader(scopes.namespace, options, reader, scopes)
        self._cycle = 0
        self._trusts_pushes = True

    def read_again(self) -> None:
        """Have the next listing look at every service, and try the bulk listing even where it was refused."""
        self._trusts_pushes = False
        self.refusal = None

    async def list(self, connection: Connection, only: Set[str] | None = None, *, may_probe: bool = True) -> Listed:
        """List every group, or some, from a node. Raises SourceError when it gives none; cancelling it is safe.

        A node that lacks a call is asked once what it speaks now: behind one address there may be several versions.
        """

        def over_http(scope: Scope) -> ServiceCalls:
            return HttpCalls(connection, scope, self._options)

        refusal: Refusal | None = None
        path = connection.dialect.bulk_path
        if path is not None and self._bulk_is_due(connection):
            known = frozenset(self._scopes.scopes) | (self._scopes.groups() or frozenset())
            try:
                whole = await self._bulk.list_namespace(connection, path, known, self._clock)
            except (AccessDenied, NotOffered) as error:
                if isinstance(error, NotOffered) and may_probe and await connection.probe_again():
                    return await self.list(connection, only, may_probe=False)
                refusal = Refusal(error, connection, self._options.bulk_retry_polls)
            else:
                self._step_to(BULK, None)
                self.found = Groups()
                self._metrics.source_unchanged.labels("nacos").inc(whole.unchanged)
                listings = {group: each for group, each in whole.groups.items() if only is None or group in only}
                return Listed(dict(listings), over_http, not whole.is_empty)
        refusal = refusal or self.refusal
        await self._look_for_groups(connection, refusal)
        calls = self._best_calls(over_http)
        found = await self._list_one_by_one(calls, only)
        self._step_to(PUSHED if calls is not over_http else PER_SERVICE, refusal)
        return Listed({group: explained(listing, refusal) for group, listing in found.items()}, calls)

    async def list_pushed(self, live: LiveSession) -> Listed:
        """List every known group over a gRPC connection, where HTTP gives nothing. Cancelling it is safe."""
        if self._scopes.groups() is None:
            self.found = Groups(unknown=SourceUnavailable("groups cannot be listed over gRPC"))

        def over_grpc(scope: Scope) -> ServiceCalls:
            return PushCalls(live, scope, self._options)

        listings = await self._list_one_by_one(over_grpc)
        self._step_to(PUSHED, self.refusal)
        return Listed(listings, over_grpc)

    async def look_twice(self, group: str, listing: Listing | SourceError, calls: Calls) -> Listing:
        """Return the listing of a group with the second look at suspects; raises SourceError, the group's own too."""
        if isinstance(listing, SourceError):
            raise listing
        if self.rung != BULK:
            return listing
        scope = self._scopes.scope(group)
        one_by_one = self._one_by_one(scope, self._best_calls(calls)(scope.scope))
        return await look_again_at_suspects(listing, one_by_one, scope.memory)

    async def _list_one_by_one(self, calls: Calls, only: Set[str] | None = None) -> Listings:
        if only is None:
            # What another member is asked for in the same reading is no turn of the others.
            self._cycle = (self._cycle + 1) % _ROTATION
        rests, self._trusts_pushes = self._rests if self._trusts_pushes else _never, True
        listings: Listings = {}
        least = {DEFAULT_GROUP} if self.found.unknown else set()
        groups = self._scopes.groups() or self.found.names | self._scopes.scopes.keys() or least
        for group in sorted(groups if only is None else groups & only):
            scope = self._scopes.scope(group)
            one_by_one = self._one_by_one(scope, calls(scope.scope))
            try:
                listing = await one_by_one.list_scope(self._clock, functools.partial(rests, group))
            except SourceError as error:
                listings[group] = error
                self._trusts_pushes = self._trusts_pushes and rests is not _never
            else:
                self._metrics.source_unchanged.labels("nacos").inc(listing.unchanged)
                listings[group] = listing
        return listings

    async def _look_for_groups(self, connection: Connection, refusal: Refusal | None) -> None:
        """Find out which groups there are, where all are wanted and nothing lists them with their instances."""
        path = connection.dialect.catalogue_path
        if self._scopes.groups() is not None:
            return
        if path is not None:
            catalogue = Catalogue(path, self._scopes.namespace, self._options.names_page_size)
            self.found = await find_groups(connection, catalogue, self._scopes.services())
        elif refusal is not None:
            self.found = Groups(unknown=without_catalogue(refusal.error))

    def _rests(self, group: str, name: str) -> bool:
        """Whether pushes may be trusted for a service this time."""
        service = ServiceName(group, name)
        memory, watch = self._scopes.memory(group), self._scopes.watch
        known = memory.known.get(name) if memory is not None else None
        if watch is None or known is None or known.held or not watch.is_live_since(service, self._clock.now()):
            return False
        return hash(service) % _ROTATION != self._cycle

    def _best_calls(self, over_http: Calls) -> Calls:
        """Return the gRPC calls while there is a connection, else those over HTTP."""
        live = self._scopes.watch.live if self._scopes.watch is not None else None
        if live is None:
            return over_http
        return lambda scope: PushCalls(live, scope, self._options)

    def _one_by_one(self, scope: ScopeReader, calls: ServiceCalls) -> OneByOne:
        return OneByOne(calls, self._options.concurrency, self._reader, scope.memory)

    def _bulk_is_due(self, connection: Connection) -> bool:
        return self.refusal is None or self.refusal.is_worth_another_try(connection)

    def _step_to(self, rung: str, refusal: Refusal | None) -> None:
        self.refusal = refusal
        if rung != self.rung:
            why = refusal.why if refusal else ""
            _log.info("source.rung source=nacos scope=%s rung=%s refused=%s", self._scopes.label, rung, why)
        self.rung = rung


def _never(group: str, name: str) -> bool:
    """Trust no pushes."""
    return False
