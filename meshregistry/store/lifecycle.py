"""Sources that begin, are read and go: what they do not speak of any more is withdrawn, under the guard."""

import logging
import math
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from meshregistry.model.events import SidecarChanges, SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.model.service_entry import Kind
from meshregistry.store.intake import Intake
from meshregistry.store.parts import Parts
from meshregistry.store.rules import RulesReplaced

_log = logging.getLogger(__name__)

_CONFIRM_PAUSE_S = 1.0
"""Least time between two confirmations by the configuration, seconds."""


class Lifecycle:
    """Owner of which sources run; called by the reducer only.

    Calls that return names return the resources that have to be built again.
    """

    def __init__(self, parts: Parts, intake: Intake, sources: Iterable[str]) -> None:
        self._parts = parts
        self._intake = intake
        self._running = set(sources)
        self._confirmed_at = -math.inf

    @property
    def running(self) -> AbstractSet[str]:
        """The sources that are enabled."""
        return self._running

    async def replace_rules(self, update: RulesReplaced) -> set[str]:
        """Take other rules, with the sources that begin anew or are enabled no longer."""
        parts = self._parts
        for source in update.end_sidecars(parts.rules):
            parts.sidecars.note(SidecarChanges(source, {}, is_complete=True))
        guarded = {name for name, rules in update.rules.items() if parts.guard_of(name) != rules.guard}
        parts.rules.update(update.rules)
        self._running = (self._running | update.rules.keys()) - update.retired
        scopes = parts.known_scopes() | parts.book.departures.scopes  # what left lately may be held with the rest
        for source in update.restarted:
            parts.turnover.expect(source, scopes)
            parts.provenance.expect(source, update.fingerprints.get(source, ""))
            parts.freshness.begin(source, parts.clock())
        parts.barrier.expect(update.restarted, update.retired)
        parts.provenance.forget(update.retired)
        parts.doubts.forget(update.retired)
        dirty = parts.upkeep.owned_by(guarded)
        dirty |= await self.confirm(SourceSynced(source) for source in update.retired)
        return dirty | await self.withdraw(scope for scope in scopes if scope.source in update.retired)

    async def confirm(self, synced: Iterable[SourceSynced]) -> set[str]:
        """Withdraw restored scopes that a source does not have any more.

        Once nothing is stale all resources are decided anew: what a restored one is made of may be merged or written
        otherwise by this release.
        """
        parts = self._parts
        was_stale = bool(parts.staleness.sources)
        dirty: set[str] = set()
        for each in synced:
            parts.provenance.confirm(each)
            if each.reason == "read":
                parts.freshness.complete(each.source)
            dirty |= await self.withdraw(parts.staleness.confirm(each) | parts.turnover.confirm(each))
        if was_stale and not parts.staleness.sources:
            _log.info("store.confirmed")
            dirty |= set(parts.store.current.collection(Kind.SERVICE_ENTRY).resources)
        return dirty

    async def withdraw(self, scopes: Iterable[Scope]) -> set[str]:
        """Take away all that scopes contribute which are read no longer."""
        gone = frozenset(scopes)
        self._parts.turnover.withdraw(gone)
        return await self._intake.claim(self._parts.conversions.drop(gone))

    def confirm_withdrawn(self) -> set[str]:
        """Let the configuration itself confirm, once a second, what it took away: no registry speaks of it any more.

        Of a source that runs it only does while the registry speaks of others: one that is away says nothing.
        """
        parts = self._parts
        now, scopes = parts.clock(), parts.turnover.withdrawn
        if not scopes or not parts.book.held_endpoints or now < self._confirmed_at + _CONFIRM_PAUSE_S:
            return set()
        self._confirmed_at = now
        gone = {scope for scope in scopes if scope.source not in self._running}
        return parts.mass.confirm_withdrawn(gone | parts.freshness.list_speaking(scopes - gone, now), now)
