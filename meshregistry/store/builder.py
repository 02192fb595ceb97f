"""What is served under each name: claims merged, guarded and given an address, encoded, and committed together."""

from collections.abc import Iterable

from meshregistry.model.assembly import merge_claims
from meshregistry.model.service_entry import Kind
from meshregistry.store.chronicle import RuleChange
from meshregistry.store.guard import decide
from meshregistry.store.journal import Origin
from meshregistry.store.origins import MERGED
from meshregistry.store.parts import Parts
from meshregistry.store.world import NOBODY
from meshregistry.wire.resource import Resource


class Builder:
    """Builds and commits; owner of why the resources of a batch are looked at. Called by the reducer only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._origins: dict[str, Origin] = {}
        self._outlived: set[str] = set()
        """Emptied resources of hosts that are served under another name now."""

    def mark(self, names: set[str], origin: Origin) -> set[str]:
        """Remember why resources are looked at, and return them; the first reason of a batch counts."""
        for name in names:
            self._origins.setdefault(name, origin)
        return names

    def forget_origins(self) -> None:
        """End a batch: what is looked at from now on has other reasons."""
        self._origins.clear()

    async def commit(self, dirty: set[str], observed_at: float) -> Iterable[None]:
        """Build and publish what is dirty; returns the steps in which it is told.

        Yields to the loop between slices. Cancelling it commits nothing of it.
        """
        built: dict[str, Resource | None] = {}
        while dirty:
            for name in dirty:
                built[name] = self._build(name)
                await self._parts.slices.breathe()
            dirty = self._parts.addresses.take_touched() | (self._outlived - built.keys())
            self._outlived.clear()
        upserts = [resource for resource in built.values() if resource is not None]
        removals = [name for name, resource in built.items() if resource is None]
        return self.publish(upserts, removals, observed_at)

    def publish(self, upserts: Iterable[Resource], removals: Iterable[str], observed_at: float) -> Iterable[None]:
        """Commit resources as they are; returns the steps in which it is told."""
        store = self._parts.store
        before = store.current
        change = store.commit(Kind.SERVICE_ENTRY, upserts, removals, observed_at)
        if change is None:
            return ()
        return self._parts.chronicle.tell_commit(change, before, store.current, self._origins, self._parts.upkeep.rules)

    def _build(self, name: str) -> Resource | None:
        """Decide what is served under a resource name now, and remember when to decide again."""
        parts = self._parts
        live = parts.contributions.claims(name)
        known = (*live, *parts.book.claims(name, live))
        claims = parts.pods.patch(parts.freshness.admit(known))
        history = parts.upkeep.histories.get(name)
        if not known and history is not None and parts.is_elsewhere(history.served.hosts[0]):
            history = None  # the host lives on under another name: two resources of it would be two services
        self._outlived |= parts.upkeep.emptied_of(claim.hosts[0] for claim in known) - {name}
        assembled = merge_claims(claims, parts.cache, name) if claims else None
        owner = parts.upkeep.own(name, claims)
        frozen_since = parts.book.frozen_since(owner)
        decision = decide(
            history,
            assembled.entry if assembled else None,
            parts.clock() if frozen_since is None else frozen_since,
            parts.guard_of(owner.source),
            quarantined=assembled is not None and assembled.entry is None,
            standing=bool(claims) and not any(claim.endpoints for claim in claims),
            lost=parts.given_up.of(name, claims),
        )
        origin = self._origins.get(name, MERGED)
        self._origins[name] = origin if origin.scope or owner == NOBODY else origin._replace(scope=owner)
        before = parts.upkeep.keep(name, decision, is_frozen=frozen_since is not None)
        if before is not decision.rule:
            change = RuleChange(name, before, decision.rule, decision.entry, owner)
            parts.chronicle.tell_rule(change, parts.store.current.sequence)
        entry = parts.addresses.settle(name, decision.entry)
        judged = parts.addresses.judge(name, decision.entry)
        parts.rejects.replace(name, (*assembled.rejects, *judged) if assembled else judged)
        return parts.encoder.encode(entry) if entry is not None else None
