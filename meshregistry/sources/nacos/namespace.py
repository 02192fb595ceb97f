"""One namespace of one registry: what exists in it, and where its listings and pushes go."""

import asyncio
import logging
from collections.abc import Mapping, Set

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.model.events import Sink
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.absence import SEVERAL
from meshregistry.sources.nacos.client import Endpoint
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.discovery import Rung
from meshregistry.sources.nacos.hold import Settling
from meshregistry.sources.nacos.instances import InstanceReader
from meshregistry.sources.nacos.ladder import Ladder, Listed, Listings
from meshregistry.sources.nacos.memory import Listing, Memory
from meshregistry.sources.nacos.messages import Content, ServiceName
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.registry import EVERYTHING
from meshregistry.sources.nacos.scope import IsWatched, ScopeReader
from meshregistry.sources.nacos.watch import NamespaceWatch
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer
from meshregistry.sources.status import FirstWord, ScopeStatus
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_MOST_MEASURED = 1000
"""Groups that have metrics of their own, where all that are found are read."""

_QUICKEST_RESTART_S = 5.0
"""Nacos takes 8 to 20 s from its end to its first answer."""

Outcome = bool | SourceError
"""What a reading of a scope came to: whether it is complete, or why it failed."""


class NamespaceReader:
    """Reads one namespace. Owner of its scopes and of its ladder.

    `groups` None means every group that is found.
    """

    def __init__(
        self,
        place: tuple[str, str],
        groups: tuple[str, ...] | None,
        options: NacosOptions,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._registry, self.namespace = place
        self._groups = None if groups is None else frozenset(groups)
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._reader = InstanceReader()
        self.settling = Settling(options.settle_s, clock.now)
        self.scopes: dict[str, ScopeReader] = {}
        for group in groups or ():
            self.scope(group)
        self._whole = ScopeStatus(Scope("nacos", self._registry, self.namespace, EVERYTHING), metrics, clock)
        self._ladder = Ladder(self, options, self._reader, metrics, clock)
        self.error_if_empty: SourceError | None = None
        """What to find nothing in the namespace would be, where nothing tells that it exists."""

        self._first_word = FirstWord(Scope("nacos", self._registry, self.namespace, ""), clock)
        self._exists = False
        self._seen_turns = 0
        self._listed_at: float | None = None
        self._nodes: dict[str, Endpoint] = {}
        self.watch: NamespaceWatch | None = None

    # What BulkReader and NamespaceWatch ask.

    def reads(self, group: str) -> bool:
        """Whether the group is wanted."""
        return self._groups is None or group in self._groups

    def memory(self, group: str) -> Memory | None:
        """The memory of the group's scope; None when nothing of it has been read."""
        scope = self.scopes.get(group)
        return scope.memory if scope is not None else None

    def services(self) -> set[ServiceName]:
        """All published services."""
        return {ServiceName(group, name) for group, scope in self.scopes.items() for name in scope.memory.known}

    def groups(self) -> frozenset[str] | None:
        """The wanted groups; None when all are."""
        return self._groups

    def want(self, groups: tuple[str, ...]) -> None:
        """Read these groups too from now on."""
        if self._groups is not None and not self._groups.issuperset(groups):
            self._groups |= frozenset(groups)
            for group in groups:
                self.scope(group)

    def status(self, group: str) -> ScopeStatus:
        """Return the status of a group's scope."""
        return self.scope(group).status

    @property
    def healthy(self) -> bool:
        """Whether the latest reading of every group succeeded, and these are all."""
        return self.groups_unknown is None and all(scope.status.healthy for scope in self.scopes.values())

    @property
    def is_failing(self) -> bool:
        """Whether the latest reading of a group, or of the list of groups, failed."""
        return self.groups_unknown is not None or any(scope.status.is_failing for scope in self.scopes.values())

    @property
    def groups_unknown(self) -> SourceError | None:
        """Why it is not known which groups there are; None when it is, or when only some are wanted."""
        return self._ladder.found.unknown

    @property
    def is_empty(self) -> bool:
        """Whether nothing is published of the namespace."""
        return all(scope.is_empty for scope in self.scopes.values())

    @property
    def due_at(self) -> float | None:
        """Monotonic seconds from which on a reading may confirm what an earlier one took away; None when none did."""
        return min((due for scope in self.scopes.values() if (due := scope.absences.due_at) is not None), default=None)

    async def read(self, connection: Connection, sink: Sink, only: Set[str] | None = None) -> dict[str, Outcome]:
        """Read every scope, or those of some groups, from a node; publish what changed, return what came of each.

        Raises SourceError when the node gives no authoritative listing of any. Cancelling it is safe.
        """
        self._note_connection()
        self._forget_empty_groups()
        listed = self._noted(await self._ladder.list(connection, only))
        outcomes = await self._take(listed, sink, connection.endpoint)
        await asyncio.sleep(0)
        await self._tell_watch(listed.listings)
        return outcomes

    async def read_pushed(self, sink: Sink) -> dict[str, Outcome]:
        """Read every scope over the live gRPC connection, where HTTP gives nothing.

        Raises SourceUnavailable without such a connection. Cancelling it is safe.
        """
        live = self.watch.live if self.watch is not None else None
        if live is None:
            raise SourceUnavailable("no gRPC connection")
        self._note_connection()
        listed = self._noted(await self._ladder.list_pushed(live))
        outcomes = await self._take(listed, sink)
        await self._tell_watch(listed.listings)
        return outcomes

    async def deliver(self, content: Content, arrived_at: float, sink: Sink) -> None:
        """Publish a pushed content if it is news. Cancelling it is safe."""
        self._note_connection()
        group, name = content.service
        if not self.reads(group):
            return
        try:
            is_news = await self.scope(group).take_push(name, content.body, arrived_at, sink)
        except SourceDataError as error:
            self._metrics.pushes_taken.labels("nacos", "unreadable").inc()
            _log.warning("push.unreadable source=nacos scope=%s service=%r error=%s", self.label, name, error)
            return
        self._metrics.pushes_taken.labels("nacos", "changed" if is_news else "unchanged").inc()

    def forget(self) -> None:
        """Take the namespace out of the metrics: it is not read any more."""
        for status in (self._whole, *(scope.status for scope in self.scopes.values())):
            status.forget()

    def read_again(self) -> None:
        """Have the next reading look at every service, and try the bulk listing even where it was refused."""
        self._ladder.read_again()

    async def fail(self, error: SourceError, sink: Sink) -> None:
        """Note that no node could be read; what is known stays, and may not shrink for a while afterwards.

        Cancelling it is safe.
        """
        if isinstance(error, SourceUnavailable):
            self.settling.leave()
        if self.watch is not None:
            self.watch.begin()
        for scope in tuple(self.scopes.values()):
            scope.status.fail(error)
            await scope.miss(sink)
        if self._groups is None and self.is_empty:
            # Of groups that are not known yet.
            await self._first_word.miss(sink)

    def describe_scopes(self, most: int) -> list[dict[str, object]]:
        """Return the scopes' parts of the status page, at most so many, those that fail before the others."""
        scopes = sorted(self.scopes.values(), key=lambda scope: scope.status.healthy)[:most]
        refusal = self._ladder.refusal
        rung = {"rung": self._ladder.rung, "bulk_refused": refusal.why if refusal else None}
        return [scope.describe() | rung for scope in scopes]

    def describe_watch(self) -> dict[str, object]:
        """Return the push side's part of the status page."""
        unknown = None if self.groups_unknown is None else str(self.groups_unknown)
        mode = {"namespace": self.namespace, "settling": self.settling.holds, "groups_unknown": unknown}
        if self.watch is None:
            return mode | {"connected": False, "rung": Rung.HTTP_LISTING}
        return mode | self.watch.describe()

    @property
    def label(self) -> str:
        """The namespace's name for logs and metrics."""
        return "/".join(part for part in ("nacos", self._registry, self.namespace) if part)

    def scope(self, group: str) -> ScopeReader:
        """The scope of a group; it is made if there is none yet."""
        scope = self.scopes.get(group)
        if scope is None:
            place = Scope("nacos", self._registry, self.namespace, group)
            # Whoever may register may make groups.
            is_measured = self._groups is not None or len(self.scopes) < _MOST_MEASURED
            scope = ScopeReader(place, self._reader, self.settling, self._metrics, self._clock, is_measured=is_measured)
            self.scopes[group] = scope
        return scope

    async def _take(self, listed: Listed, sink: Sink, node: Endpoint | None = None) -> dict[str, Outcome]:
        """Publish what one reading of a node changes; return what came of each group."""
        outcomes: dict[str, Outcome] = {}
        read: dict[str, Listing] = {}
        for group, listing in listed.listings.items():
            try:
                read[group] = await self._ladder.look_twice(group, listing, listed.calls)
            except SourceError as error:
                outcomes[group] = error
        is_doubted = await self._is_doubted(read)
        for group, listing in read.items():
            # Once more: a node that is being restarted may have answered in between.
            self._note_connection()
            self._note_node(group, node)
            self.settling.come_back()
            self._listed_at = self._clock.now()
            is_watched = self._is_watched(group)
            outcomes[group] = await self.scope(group).take_listing(listing, sink, is_watched, is_doubted=is_doubted)
        return outcomes

    async def _is_doubted(self, listings: Mapping[str, Listing]) -> bool:
        """Whether what a reading takes away looks like a restart that no failed call and no connection told of."""
        losses = 0
        for group, listing in listings.items():
            losses += await self.scope(group).count_losses(listing, self._is_watched(group))
            if losses >= SEVERAL:
                return True
        return any(scope.absences for scope in self.scopes.values())

    def _is_watched(self, group: str) -> IsWatched:
        watch = self.watch
        if watch is None:
            return lambda name, moment: False
        return lambda name, moment: watch.is_live_since(ServiceName(group, name), moment)

    def _noted(self, listed: Listed) -> Listed:
        """Note what a reading says of the namespace as a whole; errors take the place of what must not be believed."""
        self._first_word.note()
        if self.groups_unknown is not None:
            self._whole.fail(self.groups_unknown)
        elif self._whole.is_failing:
            self._whole.succeed()
        names = any(listing.names for listing in listed.listings.values() if isinstance(listing, Listing))
        self._exists = self._exists or listed.is_populated or names or not self.is_empty
        error = self.error_if_empty
        if error is None or self._exists:
            return listed
        if self.watch is not None:
            self.watch.begin()
        doubted: Listings = {
            group: error if isinstance(each, Listing) else each for group, each in listed.listings.items()
        }
        return listed._replace(listings=doubted)

    def _forget_empty_groups(self) -> None:
        """Where all groups are read: let go of those that have been published as empty.

        One of which something is still subscribed is read on: its listings are what ends the subscriptions.
        """
        if self._groups is not None or self.groups_unknown is not None:
            return
        subscribed = self.watch.groups if self.watch is not None else ()
        for group, scope in list(self.scopes.items()):
            if scope.is_empty and scope.status.healthy and group not in subscribed:
                scope.status.forget()
                del self.scopes[group]
                self._nodes.pop(group, None)

    def _note_connection(self) -> None:
        """Let nothing shrink for a while after a connection was lost, and after the next one was set up."""
        if self.watch is None or self.watch.turns == self._seen_turns:
            return
        if self._seen_turns or self._may_have_been_restarted():
            self.settling.begin()
        self._seen_turns = self.watch.turns

    def _note_node(self, group: str, node: Endpoint | None) -> None:
        """Let nothing shrink for a while when a group is read from another node than before, whose view may differ."""
        if node is None:
            return
        if self._nodes.setdefault(group, node) != node:
            self.settling.begin()
        self._nodes[group] = node

    def _may_have_been_restarted(self) -> bool:
        """Whether the first connection leads to a server that could have been restarted since the latest listing."""
        return self._listed_at is not None and self._clock.now() - self._listed_at > _QUICKEST_RESTART_S

    async def _tell_watch(self, listings: Listings) -> None:
        if self.watch is None:
            return
        slicer = Slicer()
        listed = {}
        read = {group: listing for group, listing in listings.items() if isinstance(listing, Listing)}
        for group, listing in read.items():
            memory = self.scopes[group].memory
            for name in listing.names:
                known = memory.known.get(name)
                listed[ServiceName(group, name)] = known is not None and bool(known.instances)
                await slicer.breathe()
        await self.watch.note_listing(listed, frozenset(read))
