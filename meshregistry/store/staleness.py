"""What of the world is older than it should be: restored and not yet confirmed, or of registries that are away."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from meshregistry.model.events import SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.telemetry.metrics import Metrics


class Stale(msgspec.Struct, frozen=True):
    """A source whose part of the world is older than it should be."""

    source: str
    as_of: float
    """Unix seconds until which it was heard."""

    scopes: frozenset[Scope]
    """Those that it is about."""

    restored: bool = False
    """Whether another process left it, and the source has not been read in whole since."""

    def __str__(self) -> str:
        """Return it for humans."""
        at = datetime.fromtimestamp(self.as_of, UTC).isoformat(timespec="seconds")
        return f"stale as of {at}: {self.source}" + ("" if self.restored else f", unheard scopes: {len(self.scopes)}")


class Staleness:
    """The sources that have not spoken since a restored world was loaded; owned by the reducer."""

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.stale
        self._unheard: dict[str, set[Scope]] = {}
        self._as_of = 0.0

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources whose part of the world is as old as `as_of`, sorted."""
        return tuple(sorted(self._unheard))

    @property
    def as_of(self) -> float:
        """Unix seconds until which the registries had been heard; 0.0 when nothing is stale."""
        return self._as_of if self._unheard else 0.0

    def list_stale(self, silent: Iterable[Stale]) -> tuple[Stale, ...]:
        """Return what is stale by source: what was restored, and of others that of silent registries."""
        restored = (Stale(source, self._as_of, frozenset(left), True) for source, left in self._unheard.items())
        found = {each.source: each for each in (*silent, *restored)}
        return tuple(found[source] for source in sorted(found))

    def begin(self, as_of: float, sources: Iterable[str], scopes: Iterable[Scope]) -> None:
        """Mark everything of these sources as stale."""
        self._as_of = as_of
        self._unheard = {source: set() for source in sources}
        for source in self._unheard:
            self._gauge.labels(source).set(1)
        for scope in scopes:
            if scope.source in self._unheard:
                self._unheard[scope.source].add(scope)

    def hear(self, scope: Scope) -> None:
        """Note that the registry spoke of a scope."""
        unheard = self._unheard.get(scope.source)
        if unheard:
            # A statement without a group is about all groups: in ZooKeeper each interface is one.
            unheard -= (
                {each for each in unheard if scope in (each, each._replace(group=""))} if not scope.group else {scope}
            )

    def confirm(self, synced: SourceSynced) -> frozenset[Scope]:
        """Note that a source has read all it is configured to read; returns the scopes that it does not have any more.

        A wait time that passed confirms nothing.
        """
        if synced.reason != "read":
            return frozenset()
        self._gauge.labels(synced.source).set(0)
        return frozenset(self._unheard.pop(synced.source, ()))
