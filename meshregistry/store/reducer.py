"""The single writer: takes what sources, the configuration and operators say, and makes each batch of it one commit.

Owns the parts (`store/parts`): `store/intake` fills them, sources come and go in `store/lifecycle`, `store/builder`
decides what is served. Everything is decided synchronously; the loop only yields between slices of a large update, so
that streams stay served.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from meshregistry.model.events import RegistryAway, SidecarChanges, SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.model.pods import PodsChanged
from meshregistry.model.rejects import Reject as Rejected
from meshregistry.store import origins
from meshregistry.store.batches import Batches
from meshregistry.store.builder import Builder
from meshregistry.store.explainer import Explainer
from meshregistry.store.handover import export_world, take_over
from meshregistry.store.holds import HoldReport
from meshregistry.store.inbox import Inbox
from meshregistry.store.intake import Intake
from meshregistry.store.journal import Journal, Origin, origin_of
from meshregistry.store.lifecycle import Lifecycle
from meshregistry.store.operator import OperatorDecision, ReadAgain, ServeAnyway, StoreUpdate, Thaw
from meshregistry.store.parts import Parts
from meshregistry.store.rules import RulesReplaced, SourceRules
from meshregistry.store.staleness import Stale, Staleness
from meshregistry.store.store import SnapshotStore
from meshregistry.store.world import World
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder

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
        self._parts = Parts(store, encoder, rules, metrics, clock, journal_size, retired)
        self._intake = Intake(self._parts)
        self._lifecycle = Lifecycle(self._parts, self._intake, rules)
        self._builder = Builder(self._parts)
        self._revision = 0
        self.provenance = self._parts.provenance
        self.explainer = Explainer(self._parts)
        self.batches = Batches()
        self.decided = asyncio.Event()
        """Set when operators' decisions have taken effect, for who saves them to clear."""

    @property
    def pending_sources(self) -> tuple[str, ...]:
        """Enabled sources that have not yet read each of their scopes once."""
        return tuple(sorted(self._parts.barrier.pending))

    @property
    def frozen(self) -> tuple[Scope, ...]:
        """What operators have frozen; an empty field stands for everything."""
        return self._parts.book.frozen

    @property
    def scopes(self) -> frozenset[Scope]:
        """Every scope that contributes something or of which something is held."""
        return self._parts.known_scopes()

    @property
    def journal(self) -> Journal:
        """What changed lately, and why."""
        return self._parts.chronicle.journal

    def list_holds(self) -> list[HoldReport]:
        """Return every held shrink, the oldest first."""
        return self._parts.mass.list_holds(self._parts.clock())

    @property
    def revision(self) -> int:
        """A number that grows with everything that is worth saving; local to the process."""
        return self._revision + self._parts.freshness.revision + self._parts.mass.progress.revision

    @property
    def staleness(self) -> Staleness:
        """What of the world was restored and not yet confirmed by its registries."""
        return self._parts.staleness

    def list_silent(self, wall: float) -> list[Stale]:
        """Return the sources of which scopes have not been heard of for long; `wall` is now in Unix seconds."""
        return self._parts.freshness.list_silent(self._parts.clock(), wall)

    def export(self, fingerprints: Mapping[str, str], wall: float) -> World:
        """Return everything that a later process needs to go on from here; `wall` is the time of day, Unix seconds.

        What a restarted source has not read since keeps the fingerprint of the settings that made it.
        """
        return export_world(self._parts, fingerprints, wall)

    async def restore(
        self, world: World, wall: float, *, served: Iterable[str] | None = None, seams: Iterable[str] = ()
    ) -> None:
        """Go on from a world that another process left, stale until the sources speak; before the first update only.

        Its resources are served as they are, but for `seams`, which are built here, and for sources that are not
        among the `served` (None: all are): nothing is before those are synced. What nobody claims and what waited for
        a time is decided anew by the first `reduce`, and what sources that do not run any more have said is
        withdrawn, as if they were retired now.
        """
        parts, running = self._parts, self._lifecycle.running
        parts.slices.begin()
        await take_over(parts, world, wall)
        parts.quota.restore(world.claims)
        gone = (scope for scope in parts.known_scopes() if scope.source not in running)
        for name in await self._lifecycle.withdraw(gone):
            parts.upkeep.timers.arm(name, parts.clock())
        parts.chronicle.tell_guard((), parts.book, 0)
        await parts.slices.go(self._builder.publish(world.resources.values(), (), 0.0))
        await parts.slices.go(await self._builder.commit(set(seams), 0.0))
        makers = [source for source in running if parts.rules[source].makes_sidecars]
        parts.sidecars.restore(world.sidecars.values(), makers)
        parts.provenance.restore(world.fingerprints)
        scopes = parts.known_scopes()
        told_of = world.fingerprints.keys() | world.partial.keys() | {scope.source for scope in scopes}
        parts.staleness.begin(world.as_of, parts.barrier.pending & told_of, scopes)
        parts.barrier.release(world.fingerprints if served is None else world.fingerprints.keys() & set(served))
        _log.info("store.restored resources=%d stale=%s", len(world.resources), ",".join(parts.staleness.sources))

    def rejects(self) -> list[Rejected]:
        """Return everything that is dropped or repaired in the current snapshot, sorted by resource."""
        return self._parts.rejects.all()

    def walk_rejects(self) -> Iterator[Rejected]:
        """Yield the same in any order, for who has other things to do in between."""
        return self._parts.rejects.walk()

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
        parts, mark = self._parts, self._builder.mark
        started = parts.clock()
        parts.slices.begin()
        dirty = mark(parts.upkeep.timers.due(started), origins.TIMED)
        synced: list[SourceSynced] = []
        is_decided = False
        observed_at = 0.0
        for update in updates:
            if isinstance(update, SourceSynced):
                synced.append(update)
                continue
            if isinstance(update, RegistryAway):
                parts.doubts.begin(update.scope)
                continue
            if isinstance(update, SidecarChanges):
                parts.sidecars.note(update, parts.rules[update.source].conversion.territory)
                continue
            if isinstance(update, RulesReplaced):
                synced = [each for each in synced if each.source not in update.restarted]
                dirty |= mark(await self._lifecycle.replace_rules(update), origins.CONFIGURED)
                continue
            if isinstance(update, PodsChanged):
                dirty |= mark(parts.pods.note(update), origins.PODS)
                continue
            if isinstance(update, OperatorDecision):
                is_decided = True
                dirty |= mark(self._obey(update), Origin("operator", None, update.by))
                continue
            dirty |= mark(await self._intake.apply(update), origin_of(update))
            observed_at = observed_at or update.observed_at
        dirty |= mark(await self._lifecycle.confirm(synced) | self._lifecycle.confirm_withdrawn(), origins.NOT_READ)
        dirty |= mark(await self._intake.claim(parts.conversions.read_waiting()), origins.WITHIN_LIMITS)
        dirty |= mark(parts.mass.settle(parts.clock(), parts.freshness.newcomers), origins.HELD)
        dirty |= mark(parts.freshness.overtake(parts.clock()), origins.SUPERSEDED)
        dirty |= mark(parts.freshness.expire(parts.clock(), parts.book.frozen), origins.EXPIRED)
        events = [*parts.doubts.take_events(), *parts.book.verdicts.take(), *parts.freshness.take_events()]
        parts.chronicle.tell_guard(events, parts.book, parts.store.current.sequence)
        steps = await self._builder.commit(dirty, observed_at)
        parts.given_up.clear()
        parts.sidecars.commit()
        parts.barrier.release(each.source for each in synced)
        if dirty or synced or events or is_decided:
            self._revision += 1
        if is_decided:
            self.decided.set()
        if dirty:
            parts.metrics.reduce_time.observe(parts.clock() - started)
        await parts.slices.go(steps)  # last, as nobody waits for the journal
        self._builder.forget_origins()

    def _obey(self, decision: OperatorDecision) -> set[str]:
        """Do what an operator has decided; returns the resources it touches."""
        if not isinstance(decision, ServeAnyway | ReadAgain):
            waiting = self._parts.upkeep.list_waiting() if isinstance(decision, Thaw) else ()
            return self._parts.mass.obey(decision, self._parts.clock()).union(waiting)
        self._parts.chronicle.tell_decision(decision, self._parts.store.current.sequence)
        if isinstance(decision, ServeAnyway):
            self._parts.barrier.release(decision.sources or self.pending_sources)
        return set()

    def _wait_s(self) -> float | None:
        if self._parts.quota.has_turn:
            return 0.0
        deadline = self._parts.upkeep.timers.next()
        wait_s = None if deadline is None else max(0.0, deadline - self._parts.clock())
        ages = any(rules.guard.max_stale_s is not None for rules in self._parts.rules.values())
        if not ages and not (self._parts.turnover.withdrawn and self._parts.book.held_endpoints):
            return wait_s
        return _CONFIRM_S if wait_s is None else min(wait_s, _CONFIRM_S)
