"""The single writer: takes source updates, converts what changed, guards what shrinks, commits.

Owns the contributions, the guard's histories and the reject list. Everything is decided synchronously; the loop
only yields between slices of a large update, so that streams stay served.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.claim import Claim
from meshregistry.model.events import ScopeConfirmed, ScopeListing, ServiceReading, SidecarChanges, SourceSynced
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.rejects import Reject as Rejected
from meshregistry.model.rejects import print_subject
from meshregistry.model.service_entry import Kind
from meshregistry.store.address_book import AddressBook
from meshregistry.store.contributions import Contributions
from meshregistry.store.guard import Decision, GuardPolicy, History, Rule, decide
from meshregistry.store.holds import HoldReport, Verdict
from meshregistry.store.inbox import Inbox
from meshregistry.store.mass import MassGuard
from meshregistry.store.operator import Accept, Freeze, OperatorDecision, Reject, ServeAnyway, StoreUpdate, Thaw
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.sidecars import SidecarShelf
from meshregistry.store.staleness import Staleness
from meshregistry.store.store import SnapshotStore
from meshregistry.store.tally import count_commit
from meshregistry.store.timers import Timers
from meshregistry.store.world import World, shift_history, shift_hold
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource, ResourceEncoder

_log = logging.getLogger(__name__)

COMMIT_PAUSE_S = 0.005
"""Least time between two commits, seconds: a burst becomes few commits, each of which copies the table of names."""

_NAMES_SHOWN = 5

_SLICE_S = 0.01
"""Longest work between two yields to the loop, seconds."""


class SourceRules(msgspec.Struct, frozen=True):
    """How one source's services are converted and guarded."""

    conversion: ConversionPolicy
    guard: GuardPolicy


class Reducer:
    """Turns source updates into commits; `run` is the only writer of the store."""

    def __init__(
        self,
        store: SnapshotStore,
        encoder: ResourceEncoder,
        rules: Mapping[str, SourceRules],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._cache = ConversionCache()
        self._contributions = Contributions()
        self._mass = MassGuard(self._guard_of)
        self._histories: dict[str, History] = {}
        self._rules_in_use: dict[str, Rule] = {}
        self._owners: dict[str, str] = {}
        self._rejects = RejectLedger(metrics)
        self._sidecars = SidecarShelf(store, encoder.create_time, self._rejects, metrics)
        self._timers = Timers()
        self._addresses = AddressBook(next((each.conversion.vip_range for each in rules.values()), ""))
        self._pending = set(rules)
        self._staleness = Staleness(metrics)
        self._revision = 0
        self._slice_ends = 0.0

    @property
    def pending_sources(self) -> tuple[str, ...]:
        """Enabled sources that have not yet read each of their scopes once."""
        return tuple(sorted(self._pending))

    @property
    def frozen(self) -> tuple[Scope, ...]:
        """What operators have frozen; an empty field stands for everything."""
        return self._mass.frozen

    @property
    def scopes(self) -> frozenset[Scope]:
        """Every scope that contributes something."""
        return self._contributions.scopes()

    def list_holds(self) -> list[HoldReport]:
        """Return every held shrink, the oldest first."""
        return self._mass.list_holds(self._clock())

    @property
    def revision(self) -> int:
        """A number that grows with everything that is worth saving; local to the process."""
        return self._revision

    @property
    def staleness(self) -> Staleness:
        """What of the world was restored and not yet confirmed by its registries."""
        return self._staleness

    def export(self, fingerprints: Mapping[str, str], wall: float) -> World:
        """Return everything that a later process needs to go on from here; `wall` is the time of day, Unix seconds."""
        resources = self._store.current.collection(Kind.SERVICE_ENTRY).resources
        return World(
            self._staleness.as_of or wall,
            wall,
            self._clock(),
            fingerprints,
            resources,
            self._contributions.copy(),
            dict(self._histories),
            dict(self._owners),
            self._mass.export(),
        )

    async def restore(self, world: World, wall: float) -> None:
        """Go on from a world that another process left, stale until the sources speak; before the first update only.

        Its resources are served as they are. What nobody claims any more (its source is not configured any more) and
        what waited for a time is decided anew by the first `reduce`.
        """
        now = self._clock()
        self._slice_ends = now + _SLICE_S
        for key, claims in world.claims.items():
            self._contributions.replace(key, claims)
            self._mass.note(key, (), claims, now)
            await self._breathe()
        for name, history in world.histories.items():
            self._histories[name] = shift_history(history, world, now, wall)
            is_waiting = history.empty_since is not None or bool(history.idle_ports)
            is_claimed = bool(self._contributions.claims(name) or self._mass.claims(name))
            self._timers.arm(name, now if is_waiting or not is_claimed else None)
            await self._breathe()
        self._mass.restore((shift_hold(held, world, now, wall) for held in world.holds), now)
        self._owners.update(world.owners)
        for name, resource in world.resources.items():
            self._addresses.settle(name, resource.entry)
            await self._breathe()
        self._addresses.take_touched()
        self._publish(world.resources.values(), (), 0.0)
        self._staleness.begin(
            world.as_of, self._pending & world.fingerprints.keys(), {key.scope for key in world.claims}
        )
        self._release(world.fingerprints)
        _log.info("store.restored resources=%d stale=%s", len(world.resources), ",".join(self._staleness.sources))

    def rejects(self) -> list[Rejected]:
        """Return everything that is dropped or repaired in the current snapshot, sorted by resource."""
        return self._rejects.all()

    async def run(self, inbox: Inbox) -> None:
        """Reduce for ever: the first update at once, then at most one commit in `COMMIT_PAUSE_S`.

        Cancelling between two commits loses nothing that was served.
        """
        while True:
            updates = await inbox.take(self._wait_s())
            await self.reduce(updates)
            await asyncio.sleep(COMMIT_PAUSE_S)

    async def reduce(self, updates: Iterable[StoreUpdate]) -> None:
        """Apply the updates and every timer that is due, as one commit.

        Yields to the loop between slices; must not be called concurrently with itself.
        """
        started = self._clock()
        self._slice_ends = started + _SLICE_S
        dirty = self._timers.due(started)
        synced: list[SourceSynced] = []
        observed_at = 0.0
        for update in updates:
            if isinstance(update, SourceSynced):
                synced.append(update)
                continue
            if isinstance(update, SidecarChanges):
                self._sidecars.note(update)
                continue
            if isinstance(update, OperatorDecision):
                dirty |= self._obey(update)
                continue
            dirty |= await self._apply(update)
            observed_at = observed_at or update.observed_at
        dirty |= self._confirm(synced)
        dirty |= self._mass.settle(self._clock())
        self._tell_guard_events()
        await self._commit(dirty, observed_at)
        self._sidecars.commit()
        self._release(each.source for each in synced)
        if dirty or synced:
            self._revision += 1
        if dirty:
            self._metrics.reduce_time.observe(self._clock() - started)

    def _obey(self, decision: OperatorDecision) -> set[str]:
        """Do what an operator has decided; returns the resources it touches."""
        match decision:
            case Accept():
                return self._mass.accept(decision.hold, decision.by)
            case Reject():
                self._mass.reject(decision.hold, decision.by)
            case Freeze():
                return self._mass.freeze(decision.target, self._clock(), decision.by)
            case Thaw():
                return self._mass.thaw(decision.target, self._clock(), decision.by)
            case ServeAnyway():
                _log.warning("guard.serve_anyway sources=%s by=%s", ",".join(decision.sources), decision.by)
                self._release(decision.sources or self.pending_sources)
        return set()

    async def _apply(self, update: ScopeListing | ServiceReading | ScopeConfirmed) -> set[str]:
        """Replace the contributions an update speaks of; returns the resources it touches."""
        if isinstance(update, ScopeConfirmed):
            return self._mass.confirm(update.scope, self._clock())
        if isinstance(update, ServiceReading):
            self._metrics.updates.labels(update.key.scope.source).inc()
            self._staleness.hear(update.key.scope)
            return self._read(update.key, update.instances)
        self._metrics.updates.labels(update.scope.source).inc()
        self._staleness.hear(update.scope)
        dirty: set[str] = set()
        known = self._contributions.names(update.scope) | self._rejects.names(update.scope)
        for name in known - update.names:
            dirty |= self._read(ServiceKey(update.scope, name), ())
        for name, instances in update.services.items():
            dirty |= self._read(ServiceKey(update.scope, name), instances)
            await self._breathe()
        return dirty | self._mass.confirm(update.scope, self._clock())

    def _read(self, key: ServiceKey, instances: tuple[Instance, ...]) -> set[str]:
        conversion = convert_service(key, instances, self._rules[key.scope.source].conversion, self._cache)
        self._rejects.replace(key, conversion.rejects)
        before = self._contributions.of(key)
        touched = self._contributions.replace(key, conversion.claims)
        return touched | self._mass.note(key, before, conversion.claims, self._clock()) if touched else touched

    def _confirm(self, synced: Iterable[SourceSynced]) -> set[str]:
        """Withdraw restored scopes that a source does not have any more; returns the resources to decide anew.

        Once nothing is stale these are all: what a restored resource is made of may be merged or written otherwise
        by this release.
        """
        was_stale = bool(self._staleness.sources)
        dirty: set[str] = set()
        for each in synced:
            for key in self._contributions.keys(self._staleness.confirm(each)):
                dirty |= self._read(key, ())
        if was_stale and not self._staleness.sources:
            _log.info("store.confirmed")
            dirty |= set(self._store.current.collection(Kind.SERVICE_ENTRY).resources)
        return dirty

    async def _commit(self, dirty: set[str], observed_at: float) -> None:
        built: dict[str, Resource | None] = {}
        while dirty:
            for name in dirty:
                built[name] = self._build(name)
                await self._breathe()
            dirty = self._addresses.take_touched()
        upserts = [resource for resource in built.values() if resource is not None]
        removals = [name for name, resource in built.items() if resource is None]
        self._publish(upserts, removals, observed_at)

    def _publish(self, upserts: Iterable[Resource], removals: Iterable[str], observed_at: float) -> None:
        before = self._store.current.collection(Kind.SERVICE_ENTRY).resources
        change = self._store.commit(Kind.SERVICE_ENTRY, upserts, removals, observed_at)
        if change is not None:
            count_commit(self._metrics, change, before, self._store.current.collection(Kind.SERVICE_ENTRY).resources)
            _log.debug("store.committed changed=%d removed=%d", len(change.changed), len(change.removed))

    def _build(self, name: str) -> Resource | None:
        """Decide what is served under a resource name now, and remember when to decide again."""
        claims = (*self._contributions.claims(name), *self._mass.claims(name))
        history = self._histories.get(name)
        assembled = merge_claims(claims, self._cache) if claims else None
        decision = decide(
            history,
            assembled.entry if assembled else None,
            self._clock(),
            self._guard(name, claims),
            quarantined=assembled is not None and assembled.entry is None,
            standing=bool(claims) and not any(claim.endpoints for claim in claims),
        )
        self._note(name, decision)
        entry = self._addresses.settle(name, decision.entry)
        rejects = assembled.rejects if assembled else ()
        self._rejects.replace(name, (*rejects, *self._addresses.judge(name, decision.entry)))
        return self._encoder.encode(entry) if entry is not None else None

    def _guard(self, name: str, claims: tuple[Claim, ...]) -> GuardPolicy:
        """Return the guard of the source that claims the resource, or claimed it last."""
        if claims:
            self._owners[name] = claims[0].key.scope.source
        return self._guard_of(self._owners.get(name, ""))

    def _guard_of(self, source: str) -> GuardPolicy:
        rules = self._rules.get(source)
        return rules.guard if rules else GuardPolicy()

    def _tell_guard_events(self) -> None:
        """Log the decisions about shrinks and count them."""
        for event in self._mass.take_events():
            self._metrics.guard_decisions.labels(event.verdict.value).inc()
            level = logging.INFO if event.verdict in (Verdict.RETURNED, Verdict.RECOVERED) else logging.WARNING
            text = "guard.%s hold=%d scope=%s endpoints=%d resources=%s detail=%s"
            shown = ",".join(print_subject(name) for name in event.resources[:_NAMES_SHOWN])
            unit = print_subject(str(event.unit)) or "everything"
            _log.log(level, text, event.verdict, event.hold, unit, event.endpoints, shown, print_subject(event.detail))
        self._metrics.held_endpoints.set(self._mass.held_endpoints)

    def _note(self, name: str, decision: Decision) -> None:
        """Remember a decision until the next one; a resource that is served no longer is forgotten."""
        if decision.history is None:
            self._histories.pop(name, None)
            self._owners.pop(name, None)
        else:
            self._histories[name] = decision.history
        self._timers.arm(name, decision.wake_at)
        before = self._rules_in_use.pop(name, None)
        if decision.rule is not None:
            self._rules_in_use[name] = decision.rule
        if before is not decision.rule:
            self._log_rule(name, before, decision.rule)

    def _log_rule(self, name: str, before: Rule | None, rule: Rule | None) -> None:
        for each, step in ((before, -1), (rule, 1)):
            if each is not None:
                self._metrics.held_services.labels(each.value).inc(step)
        shown = print_subject(name)
        _log.info("guard.changed resource=%s rule=%s before=%s", shown, rule or "none", before or "none")

    def _wait_s(self) -> float | None:
        deadline = self._timers.next()
        return None if deadline is None else max(0.0, deadline - self._clock())

    async def _breathe(self) -> None:
        """Yield to the loop when the slice is used up."""
        if self._clock() >= self._slice_ends:
            await asyncio.sleep(0)
            self._slice_ends = self._clock() + _SLICE_S

    def _release(self, sources: Iterable[str]) -> None:
        self._pending.difference_update(sources)
        if not self._pending and not self._store.current.complete:
            self._store.complete()
            self._metrics.complete.set(1)
            _log.info("store.complete resources=%d", len(self._store.current.collection(Kind.SERVICE_ENTRY).resources))
