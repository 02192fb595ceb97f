"""What sources say becomes what services contribute; the guards are told of everything that leaves or comes.

Decides nothing about what is served. Yields to the loop between slices of a large update, so that streams stay served.
"""

from collections.abc import Iterable

from meshregistry.model.events import EntryListing, ScopeConfirmed, ScopeListing, ServiceReading
from meshregistry.model.instance import Scope
from meshregistry.store.conversions import Claimed
from meshregistry.store.doubts import find_lost
from meshregistry.store.parts import Parts


class Intake:
    """Puts updates into the reducer's parts; has no state of its own.

    Calls that return names return the resources that have to be built again.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def apply(self, update: EntryListing | ScopeListing | ServiceReading | ScopeConfirmed) -> set[str]:
        """Replace the contributions an update speaks of."""
        if isinstance(update, ScopeConfirmed):
            return self._take_statement(update.scope)
        conversions = self._parts.conversions
        if isinstance(update, ServiceReading):
            self._hear(update.key.scope)
            return await self.claim([conversions.read(update.key, update.instances)])
        self._hear(update.scope)
        if isinstance(update, ScopeListing):
            dirty = await self.claim(conversions.read_listing(update))
            return dirty | self._take_statement(update.scope)
        dirty = await self.claim(conversions.read_entries(update))
        return dirty | self._take_statement(update.scope) if update.is_complete else dirty

    async def claim(self, found: Iterable[Claimed]) -> set[str]:
        """Take what services contribute from now on."""
        parts = self._parts
        dirty: set[str] = set()
        for key, claims in found:
            before = parts.contributions.of(key)
            lost = find_lost(parts.freshness.admit(before), claims) if parts.doubts.end(key) else None
            touched = parts.contributions.replace(key, claims)
            if touched:
                now, own = parts.clock(), parts.book.departed(key)
                touched |= parts.mass.note(key, before, claims, now, lost)
                touched |= parts.freshness.note(key, before, claims, own, now)
            dirty |= touched
            await parts.slices.breathe()
        return dirty

    def _take_statement(self, scope: Scope) -> set[str]:
        """Note that a registry has just said all of a scope."""
        parts = self._parts
        return parts.mass.confirm(scope, parts.clock()) | parts.freshness.state(scope, parts.clock())

    def _hear(self, scope: Scope) -> None:
        self._parts.metrics.updates.labels(scope.source).inc()
        self._parts.staleness.hear(scope)
        self._parts.turnover.hear(scope)
