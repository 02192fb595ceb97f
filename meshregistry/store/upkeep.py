"""What the guard remembers of each resource from one decision to the next. Bookkeeping only: it decides nothing."""

from collections.abc import Container, Iterable, Sequence

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope
from meshregistry.store.guard import Decision, History, Rule
from meshregistry.store.timers import Timers
from meshregistry.store.world import NOBODY


class Upkeep:
    """Histories, owners, the rules in force and the times to look again, by resource name; owned by the reducer."""

    def __init__(self) -> None:
        self.histories: dict[str, History] = {}
        self.owners: dict[str, Scope] = {}
        self.rules: dict[str, Rule] = {}
        self.timers = Timers()
        self._emptied: dict[str, set[str]] = {}
        """Host → resources of it that nobody gives endpoints any more."""

    def emptied_of(self, hosts: Iterable[str]) -> set[str]:
        """Return the resources of some hosts that are still served though nobody gives them endpoints."""
        return set().union(*(self._emptied.get(host, ()) for host in hosts)) if self._emptied else set()

    def remember(self, name: str, history: History | None) -> None:
        """Make this all that is remembered of a resource; None forgets it."""
        before = self.histories.pop(name, None)
        if before is not None and before.empty_since is not None:
            self._drop_emptied(before.served.hosts[0], name)
        if history is None:
            return
        self.histories[name] = history
        if history.empty_since is not None:
            self._emptied.setdefault(history.served.hosts[0], set()).add(name)

    def own(self, name: str, claims: Sequence[Claim]) -> Scope:
        """Return the scope that claims a resource first, or did so last: its guard counts."""
        if claims:
            self.owners[name] = claims[0].key.scope
        return self.owners.get(name, NOBODY)

    def owned_by(self, sources: Container[str]) -> set[str]:
        """Return the resources of some sources."""
        return {name for name, owner in self.owners.items() if owner.source in sources}

    def list_waiting(self) -> list[str]:
        """Return the resources of which something goes when a time has passed."""
        return [name for name, history in self.histories.items() if history.is_waiting]

    def keep(self, name: str, decision: Decision, *, is_frozen: bool) -> Rule | None:
        """Remember a decision until the next one; returns the rule that was in force before.

        A resource that is served no longer is forgotten. Where nothing may leave, time stands still: what waits is
        looked at again after the thaw.
        """
        self.remember(name, decision.history)
        if decision.history is None:
            self.owners.pop(name, None)
        self.timers.arm(name, None if is_frozen else decision.wake_at)
        before = self.rules.pop(name, None)
        if decision.rule is not None:
            self.rules[name] = decision.rule
        return before

    def _drop_emptied(self, host: str, name: str) -> None:
        names = self._emptied[host]
        names.discard(name)
        if not names:
            del self._emptied[host]
