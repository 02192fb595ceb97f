"""The single writer: takes source updates, converts what changed, guards what shrinks, commits.

Owns the contributions, the guard's histories and the reject list. Everything is decided synchronously; the loop
only yields between slices of a large update, so that streams stay served.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from meshregistry.model.assembly import ConversionCache, merge_claims
from meshregistry.model.events import (
    EntryListing,
    RegistryAway,
    ScopeConfirmed,
    ScopeListing,
    ServiceReading,
    SidecarChanges,
    SourceSynced,
)
from meshregistry.model.instance import Scope
from meshregistry.model.pods import PodsChanged
from meshregistry.model.rejects import Reject as Rejected
from meshregistry.model.service_entry import Kind
from meshregistry.store import origins
from meshregistry.store.address_book import AddressBook
from meshregistry.store.batches import Batches
from meshregistry.store.chronicle import Chronicle, RuleChange
from meshregistry.store.contributions import Contributions
from meshregistry.store.conversions import Claimed, Conversions
from meshregistry.store.doubts import Doubts, find_lost
from meshregistry.store.explainer import Explainer, Parts
from meshregistry.store.freshness import Freshness
from meshregistry.store.given_up import GivenUp
from meshregistry.store.guard import GuardPolicy, decide
from meshregistry.store.handover import Estate, Instant, export_world, take_over
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.holds import HoldReport
from meshregistry.store.inbox import Inbox
from meshregistry.store.journal import Journal, Origin, origin_of
from meshregistry.store.mass import MassGuard
from meshregistry.store.operator import OperatorDecision, ReadAgain, ServeAnyway, StoreUpdate, Thaw
from meshregistry.store.pods import PodPatches
from meshregistry.store.provenance import Provenance
from meshregistry.store.quota import Quota
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.rules import RulesReplaced, SourceRules
from meshregistry.store.sidecars import SidecarShelf
from meshregistry.store.slices import Slices
from meshregistry.store.staleness import Stale, Staleness
from meshregistry.store.store import SnapshotStore
from meshregistry.store.turnover import Turnover
from meshregistry.store.upkeep import Upkeep
from meshregistry.store.world import NOBODY, World
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource, ResourceEncoder

_log = logging.getLogger(__name__)

COMMIT_PAUSE_S = 0.005
"""Least time between two commits, seconds: a burst becomes few commits, each of which copies the table of names."""

_CONFIRM_S = 5.0
"""How often the configuration confirms what it took away, and how exactly ages are judged, seconds."""


class Reducer:
    """Turns source updates into commits; `run` is the only writer of the store."""

    def __init__(
        self,
        store: SnapshotStore,
        encoder: ResourceEncoder,
        rules: Mapping[str, SourceRules],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        journal_size: int = 10_000,
        retired: Mapping[str, SourceRules] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._rules = {**retired, **rules}
        self._metrics = metrics
        self._clock = clock
        self._cache = ConversionCache()
        self._contributions = Contributions()
        self._given_up = GivenUp()
        self._book = HoldBook(self._contributions.home)
        self._mass = MassGuard(self._guard_of, self._book, self._given_up)
        self._pods = PodPatches(self._contributions)
        self._upkeep = Upkeep()
        self._freshness = Freshness(self._contributions, self._guard_of, self._given_up, clock())
        self._doubts = Doubts(self._contributions)
        self._rejects = RejectLedger(metrics)
        self._quota = Quota(self._rules, self._contributions, self._book, metrics)
        self._conversions = Conversions(self._rules, self._contributions, self._rejects, self._quota, self._cache)
        self._sidecars = SidecarShelf(store, encoder.create_time, self._rejects, metrics)
        self._addresses = AddressBook(next((each.conversion.vip_range for each in rules.values()), ""))
        heard = self._freshness, self._doubts
        self._estate = Estate(self._contributions, self._book, self._mass, self._upkeep, self._addresses, *heard)
        self._running, self._pending = set(rules), set(rules)
        self._confirmed_at = -math.inf
        self._staleness = Staleness(metrics)
        self._turnover = Turnover()
        self.provenance = Provenance()
        self._revision = 0
        self._chronicle = Chronicle(metrics, journal_size)
        self._origins: dict[str, Origin] = {}
        self._slices = Slices(clock)
        looked_at = self._contributions, self._book, self._rejects, self._rules, self._upkeep.rules, self._freshness
        self.explainer = Explainer(store, Parts(*looked_at))
        self.batches = Batches()
        self.decided = asyncio.Event()
        """Set when operators' decisions have taken effect, for who saves them to clear."""

    @property
    def pending_sources(self) -> tuple[str, ...]:
        """Enabled sources that have not yet read each of their scopes once."""
        return tuple(sorted(self._pending))

    @property
    def frozen(self) -> tuple[Scope, ...]:
        """What operators have frozen; an empty field stands for everything."""
        return self._book.frozen

    @property
    def scopes(self) -> frozenset[Scope]:
        """Every scope that contributes something."""
        return self._contributions.scopes()

    @property
    def journal(self) -> Journal:
        """What changed lately, and why."""
        return self._chronicle.journal

    def list_holds(self) -> list[HoldReport]:
        """Return every held shrink, the oldest first."""
        return self._mass.list_holds(self._clock())

    @property
    def revision(self) -> int:
        """A number that grows with everything that is worth saving; local to the process."""
        return self._revision + self._freshness.revision + self._mass.progress.revision

    @property
    def staleness(self) -> Staleness:
        """What of the world was restored and not yet confirmed by its registries."""
        return self._staleness

    def list_silent(self, wall: float) -> list[Stale]:
        """Return the sources of which scopes have not been heard of for long; `wall` is now in Unix seconds."""
        return self._freshness.list_silent(self._clock(), wall)

    def export(self, fingerprints: Mapping[str, str], wall: float) -> World:
        """Return everything that a later process needs to go on from here; `wall` is the time of day, Unix seconds.

        What a restarted source has not read since keeps the fingerprint of the settings that made it.
        """
        at, as_of = Instant(self._clock(), wall), self._staleness.as_of or wall
        contributing = {each.source for each in (*self._known_scopes(), *self._upkeep.owners.values())}
        made = self.provenance.tell(fingerprints, contributing)
        return export_world(self._estate, self._store.current, made, at, as_of)

    async def restore(
        self, world: World, wall: float, *, served: Iterable[str] | None = None, seams: Iterable[str] = ()
    ) -> None:
        """Go on from a world that another process left, stale until the sources speak; before the first update only.

        Its resources are served as they are, but for `seams`, which are built here, and for sources that are not
        among the `served` (None: all are): nothing is before those are synced. What nobody claims and what waited for
        a time is decided anew by the first `reduce`, and what sources that do not run any more have said is
        withdrawn, as if they were retired now.
        """
        self._slices.begin()
        await take_over(self._estate, world, Instant(self._clock(), wall), self._slices)
        self._quota.restore(world.claims)
        for name in await self._withdraw(each for each in self._known_scopes() if each.source not in self._running):
            self._upkeep.timers.arm(name, self._clock())
        self._chronicle.tell_guard((), self._book, 0)
        await self._slices.go(self._publish(world.resources.values(), (), 0.0))
        await self._slices.go(await self._commit(set(seams), 0.0))
        makers = [source for source in self._running if self._rules[source].makes_sidecars]
        self._sidecars.restore(world.sidecars.values(), makers)
        self.provenance.restore(world.fingerprints)
        told_of = world.fingerprints.keys() | world.partial.keys()
        self._staleness.begin(world.as_of, self._pending & told_of, self._known_scopes())
        self._release(world.fingerprints if served is None else world.fingerprints.keys() & set(served))
        _log.info("store.restored resources=%d stale=%s", len(world.resources), ",".join(self._staleness.sources))

    def rejects(self) -> list[Rejected]:
        """Return everything that is dropped or repaired in the current snapshot, sorted by resource."""
        return self._rejects.all()

    def walk_rejects(self) -> Iterator[Rejected]:
        """Yield the same in any order, for who has other things to do in between."""
        return self._rejects.walk()

    async def run(self, inbox: Inbox) -> None:
        """Reduce for ever: the first update at once, then at most one commit in `COMMIT_PAUSE_S`.

        Cancelling between two batches loses nothing; in one, it cannot be exported any more.
        """
        while True:
            updates = await inbox.take(self._wait_s())
            async with self.batches.one():
                await self.reduce(updates)
            inbox.mark_applied()
            await asyncio.sleep(COMMIT_PAUSE_S)

    async def reduce(self, updates: Iterable[StoreUpdate]) -> None:
        """Apply the updates and every timer that is due, as one commit.

        Yields to the loop between slices; must not be called concurrently with itself.
        """
        started = self._clock()
        self._slices.begin()
        dirty = self._mark(self._upkeep.timers.due(started), origins.TIMED)
        synced: list[SourceSynced] = []
        is_decided = False
        observed_at = 0.0
        for update in updates:
            if isinstance(update, SourceSynced):
                synced.append(update)
                continue
            if isinstance(update, RegistryAway):
                self._doubts.begin(update.scope)
                continue
            if isinstance(update, SidecarChanges):
                self._sidecars.note(update, self._rules[update.source].conversion.territory)
                continue
            if isinstance(update, RulesReplaced):
                synced = [each for each in synced if each.source not in update.restarted]
                dirty |= self._mark(await self._turn(update), origins.CONFIGURED)
                continue
            if isinstance(update, PodsChanged):
                dirty |= self._mark(self._pods.note(update), origins.PODS)
                continue
            if isinstance(update, OperatorDecision):
                is_decided = True
                dirty |= self._mark(self._obey(update), Origin("operator", None, update.by))
                continue
            dirty |= self._mark(await self._apply(update), origin_of(update))
            observed_at = observed_at or update.observed_at
        dirty |= self._mark(await self._confirm(synced) | self._confirm_withdrawn(), origins.NOT_READ)
        dirty |= self._mark(await self._claim(self._conversions.read_waiting()), origins.WITHIN_LIMITS)
        dirty |= self._mark(self._mass.settle(self._clock(), self._freshness.newcomers), origins.HELD)
        dirty |= self._mark(self._freshness.overtake(self._clock()), origins.SUPERSEDED)
        dirty |= self._mark(self._freshness.expire(self._clock(), self._book.frozen), origins.EXPIRED)
        events = [*self._doubts.take_events(), *self._book.verdicts.take(), *self._freshness.take_events()]
        self._chronicle.tell_guard(events, self._book, self._store.current.sequence)
        steps = await self._commit(dirty, observed_at)
        self._given_up.clear()
        self._sidecars.commit()
        self._release(each.source for each in synced)
        if dirty or synced or events or is_decided:
            self._revision += 1
        if is_decided:
            self.decided.set()
        if dirty:
            self._metrics.reduce_time.observe(self._clock() - started)
        await self._slices.go(steps)  # last, as nobody waits for the journal
        self._origins.clear()

    async def _turn(self, update: RulesReplaced) -> set[str]:
        """Take other rules; returns the resources to decide anew."""
        for source in update.end_sidecars(self._rules):
            self._sidecars.note(SidecarChanges(source, {}, is_complete=True))
        guarded = {name for name, rules in update.rules.items() if self._guard_of(name) != rules.guard}
        self._rules.update(update.rules)
        self._running = (self._running | update.rules.keys()) - update.retired
        scopes = self._known_scopes()
        for source in update.restarted:
            self._turnover.expect(source, scopes)
            self.provenance.expect(source, update.fingerprints.get(source, ""))
            self._freshness.begin(source, self._clock())
        if not self._store.current.complete:
            self._pending = (self._pending | update.restarted) - update.retired
        self.provenance.forget(update.retired)
        self._doubts.forget(update.retired)
        dirty = self._upkeep.owned_by(guarded)
        dirty |= await self._confirm(SourceSynced(source) for source in update.retired)
        return dirty | await self._withdraw(scope for scope in scopes if scope.source in update.retired)

    def _known_scopes(self) -> frozenset[Scope]:
        """Return every scope that contributes something or of which something is held."""
        return self._contributions.scopes() | self._book.scopes

    async def _withdraw(self, scopes: Iterable[Scope]) -> set[str]:
        """Take away all that scopes contribute which are read no longer; returns the resources it touches."""
        gone = frozenset(scopes)
        self._turnover.withdraw(gone)
        return await self._claim(self._conversions.drop(gone))

    def _confirm_withdrawn(self) -> set[str]:
        """Let the configuration itself confirm, once a second, what it took away: no registry speaks of it any more.

        Of a source that runs it only does while the registry speaks of others: one that is away says nothing.
        """
        now, scopes = self._clock(), self._turnover.withdrawn
        if not scopes or not self._book.held_endpoints or now < self._confirmed_at + 1.0:
            return set()
        self._confirmed_at = now
        gone = {scope for scope in scopes if scope.source not in self._running}
        return self._mass.confirm_withdrawn(gone | self._freshness.list_speaking(scopes - gone, now), now)

    def _mark(self, names: set[str], origin: Origin) -> set[str]:
        """Remember why resources are looked at; the first reason of a batch counts."""
        for name in names:
            self._origins.setdefault(name, origin)
        return names

    def _obey(self, decision: OperatorDecision) -> set[str]:
        """Do what an operator has decided; returns the resources it touches."""
        if not isinstance(decision, ServeAnyway | ReadAgain):
            waiting = self._upkeep.list_waiting() if isinstance(decision, Thaw) else ()
            return self._mass.obey(decision, self._clock()).union(waiting)
        self._chronicle.tell_decision(decision, self._store.current.sequence)
        if isinstance(decision, ServeAnyway):
            self._release(decision.sources or self.pending_sources)
        return set()

    async def _apply(self, update: EntryListing | ScopeListing | ServiceReading | ScopeConfirmed) -> set[str]:
        """Replace the contributions an update speaks of; returns the resources it touches."""
        if isinstance(update, ScopeConfirmed):
            return self._take_statement(update.scope)
        if isinstance(update, ServiceReading):
            self._hear(update.key.scope)
            return await self._claim([self._conversions.read(update.key, update.instances)])
        self._hear(update.scope)
        if isinstance(update, ScopeListing):
            dirty = await self._claim(self._conversions.read_listing(update))
            return dirty | self._take_statement(update.scope)
        dirty = await self._claim(self._conversions.read_entries(update))
        return dirty | self._take_statement(update.scope) if update.is_complete else dirty

    def _take_statement(self, scope: Scope) -> set[str]:
        """Note that a registry has just said all of a scope; returns the resources that this touches."""
        return self._mass.confirm(scope, self._clock()) | self._freshness.state(scope, self._clock())

    def _hear(self, scope: Scope) -> None:
        self._metrics.updates.labels(scope.source).inc()
        self._staleness.hear(scope)
        self._turnover.hear(scope)

    async def _claim(self, found: Iterable[Claimed]) -> set[str]:
        """Take what services contribute from now on; returns the resources it touches."""
        dirty: set[str] = set()
        for key, claims in found:
            before = self._contributions.of(key)
            lost = find_lost(self._freshness.admit(before), claims) if self._doubts.end(key) else None
            touched = self._contributions.replace(key, claims)
            if touched:
                now, own = self._clock(), self._book.departed(key)
                touched |= self._mass.note(key, before, claims, now, lost)
                touched |= self._freshness.note(key, before, claims, own, now)
            dirty |= touched
            await self._slices.breathe()
        return dirty

    async def _confirm(self, synced: Iterable[SourceSynced]) -> set[str]:
        """Withdraw restored scopes that a source does not have any more; returns the resources to decide anew.

        Once nothing is stale these are all: what a restored resource is made of may be merged or written otherwise
        by this release.
        """
        was_stale = bool(self._staleness.sources)
        dirty: set[str] = set()
        for each in synced:
            self.provenance.confirm(each)
            if each.reason == "read":
                self._freshness.complete(each.source)
            dirty |= await self._withdraw(self._staleness.confirm(each) | self._turnover.confirm(each))
        if was_stale and not self._staleness.sources:
            _log.info("store.confirmed")
            dirty |= set(self._store.current.collection(Kind.SERVICE_ENTRY).resources)
        return dirty

    async def _commit(self, dirty: set[str], observed_at: float) -> Iterable[None]:
        """Build and publish what is dirty; returns the steps in which it is told."""
        built: dict[str, Resource | None] = {}
        while dirty:
            for name in dirty:
                built[name] = self._build(name)
                await self._slices.breathe()
            dirty = self._addresses.take_touched()
        upserts = [resource for resource in built.values() if resource is not None]
        removals = [name for name, resource in built.items() if resource is None]
        return self._publish(upserts, removals, observed_at)

    def _publish(self, upserts: Iterable[Resource], removals: Iterable[str], observed_at: float) -> Iterable[None]:
        before = self._store.current
        change = self._store.commit(Kind.SERVICE_ENTRY, upserts, removals, observed_at)
        if change is None:
            return ()
        return self._chronicle.tell_commit(change, before, self._store.current, self._origins, self._upkeep.rules)

    def _build(self, name: str) -> Resource | None:
        """Decide what is served under a resource name now, and remember when to decide again."""
        live = self._contributions.claims(name)
        known = (*live, *self._book.claims(name, live))
        claims = self._pods.patch(self._freshness.admit(known))
        history = self._upkeep.histories.get(name)
        if not known and history is not None and self._contributions.is_claimed(history.served.hosts[0]):
            history = None  # the host lives on under another name: two resources of it would be two services
        assembled = merge_claims(claims, self._cache, name) if claims else None
        owner = self._upkeep.own(name, claims)
        frozen_since = self._book.frozen_since(owner)
        decision = decide(
            history,
            assembled.entry if assembled else None,
            self._clock() if frozen_since is None else frozen_since,
            self._guard_of(owner.source),
            quarantined=assembled is not None and assembled.entry is None,
            standing=bool(claims) and not any(claim.endpoints for claim in claims),
            lost=self._given_up.of(name, claims),
        )
        origin = self._origins.get(name, origins.MERGED)
        self._origins[name] = origin if origin.scope or owner == NOBODY else origin._replace(scope=owner)
        before = self._upkeep.keep(name, decision, is_frozen=frozen_since is not None)
        if before is not decision.rule:
            change = RuleChange(name, before, decision.rule, decision.entry, owner)
            self._chronicle.tell_rule(change, self._store.current.sequence)
        entry = self._addresses.settle(name, decision.entry)
        judged = self._addresses.judge(name, decision.entry)
        self._rejects.replace(name, (*assembled.rejects, *judged) if assembled else judged)
        return self._encoder.encode(entry) if entry is not None else None

    def _guard_of(self, source: str) -> GuardPolicy:
        rules = self._rules.get(source)
        return rules.guard if rules else GuardPolicy()

    def _wait_s(self) -> float | None:
        if self._quota.has_turn:
            return 0.0
        deadline = self._upkeep.timers.next()
        wait_s = None if deadline is None else max(0.0, deadline - self._clock())
        ages = any(rules.guard.max_stale_s is not None for rules in self._rules.values())
        if not ages and not (self._turnover.withdrawn and self._book.held_endpoints):
            return wait_s
        return _CONFIRM_S if wait_s is None else min(wait_s, _CONFIRM_S)

    def _release(self, sources: Iterable[str]) -> None:
        self._pending.difference_update(sources)
        if not self._pending and not self._store.current.complete:
            self._store.complete()
            self._metrics.complete.set(1)
            _log.info("store.complete resources=%d", len(self._store.current.collection(Kind.SERVICE_ENTRY).resources))
