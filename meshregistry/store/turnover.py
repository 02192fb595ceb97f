"""What a changed configuration takes away: scopes that a source, read anew, does not speak of any more."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from meshregistry.model.events import SourceSynced
from meshregistry.model.instance import Scope


class Turnover:
    """Scopes of restarted sources that are not heard of yet, and those that were withdrawn; owned by the reducer."""

    def __init__(self) -> None:
        self._unheard: dict[str, set[Scope]] = {}
        self._withdrawn: set[Scope] = set()

    @property
    def withdrawn(self) -> AbstractSet[Scope]:
        """Scopes that the configuration took away, or that a source, read anew, does not know."""
        return self._withdrawn

    def expect(self, source: str, scopes: Iterable[Scope]) -> None:
        """Note that a source begins anew with these scopes known, whatever was heard of them before."""
        self._unheard[source] = {scope for scope in scopes if scope.source == source}

    def hear(self, scope: Scope) -> None:
        """Note that a registry spoke of a scope."""
        self._withdrawn.discard(scope)
        unheard = self._unheard.get(scope.source)
        if unheard:
            # A statement without a group is about all groups: in ZooKeeper each interface is one.
            unheard -= {scope} if scope.group else {each for each in unheard if each._replace(group="") == scope}

    def confirm(self, synced: SourceSynced) -> frozenset[Scope]:
        """Note that a source has been read; returns the scopes that it does not have any more.

        A wait time that passed confirms nothing.
        """
        if synced.reason != "read":
            return frozenset()
        return frozenset(self._unheard.pop(synced.source, ()))

    def withdraw(self, scopes: Iterable[Scope]) -> None:
        """Note that nobody reads these scopes any more."""
        gone = frozenset(scopes)
        self._withdrawn |= gone
        for unheard in self._unheard.values():
            unheard -= gone
