"""Services whose registry was away before it spoke of them: what its first word lacks is not believed at once.

A registry that was restarted while this process was, too, answers before every owner has registered again. A source
that has just begun has no memory by which to tell that; what is known from before its start is the only measure. So
what the first word of a service lacks is held for as long as registries of its kind need to fill
(`GuardPolicy.doubt_hold_s`). What is registered then, and leaves later, was deregistered: that is not delayed.
"""

from collections.abc import Collection, Iterable

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.contributions import Contributions
from meshregistry.store.departures import Place, covers, place_of
from meshregistry.store.holds import GuardEvent, Verdict


class Doubts:
    """Owner of the services in doubt, each from when its registry is found away until that speaks of it."""

    def __init__(self, contributions: Contributions) -> None:
        self._contributions = contributions
        self._unheard: dict[Scope, set[str]] = {}
        self._events: list[GuardEvent] = []

    @property
    def scopes(self) -> frozenset[Scope]:
        """Scopes of which some service is in doubt: what another process has to know."""
        return frozenset(self._unheard)

    def begin(self, target: Scope) -> None:
        """Note that a registry is away and has not been read before; an empty field stands for everything.

        What is not known is not in doubt.
        """
        scopes = [scope for scope in self._contributions.scopes() if covers(target, scope)]
        if not scopes:
            return
        self.restore(scopes)
        known = (claim for key in self._contributions.keys(scopes) for claim in self._contributions.of(key))
        self._events.append(GuardEvent(Verdict.AWAY, 0, target, sum(len(claim.endpoints) for claim in known), ()))

    def restore(self, scopes: Iterable[Scope]) -> None:
        """Go on from what another process knew; what is not known of these scopes is passed over."""
        for scope in scopes:
            names = self._contributions.names(scope)
            if names:
                self._unheard[scope] = set(names)

    def end(self, key: ServiceKey) -> bool:
        """Note that a registry speaks of a service, or does not have it; return whether it was in doubt."""
        names = self._unheard.get(key.scope)
        if names is None or key.name not in names:
            return False
        names.discard(key.name)
        if not names:
            del self._unheard[key.scope]
        return True

    def forget(self, sources: Collection[str]) -> None:
        """Note that these sources are not read any more: what goes then was taken away by the configuration."""
        self._unheard = {scope: names for scope, names in self._unheard.items() if scope.source not in sources}

    def take_events(self) -> list[GuardEvent]:
        """Return what began since the last call."""
        events, self._events = self._events, []
        return events


def find_lost(known: Iterable[Claim], after: Iterable[Claim]) -> frozenset[Place]:
    """Return the places of what was known of a service that it does not have any more, under whatever name."""
    return _places(known) - _places(after)


def _places(claims: Iterable[Claim]) -> frozenset[Place]:
    return frozenset(place_of(endpoint) for claim in claims for endpoint in claim.endpoints)
