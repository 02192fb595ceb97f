"""What is dropped or repaired right now, kept for inspection and counted by reason."""

from collections.abc import Iterator

from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.rejects import Reject
from meshregistry.telemetry.metrics import Metrics


class RejectLedger:
    """Rejects by their origin (a registry service or a resource); owned by the reducer, bounded by what it reads."""

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.rejects
        self._by_origin: dict[ServiceKey | str, tuple[Reject, ...]] = {}
        self._by_scope: dict[Scope, set[str]] = {}
        """Scope → its services that have rejects: in ZooKeeper each of 10,000 interfaces is one, and asks."""

    def replace(self, origin: ServiceKey | str, rejects: tuple[Reject, ...]) -> None:
        """Make `rejects` all that is known against an origin; none forgets it."""
        before = self._by_origin.pop(origin, ())
        if not before and not rejects:
            return
        if rejects:
            self._by_origin[origin] = rejects
        if isinstance(origin, ServiceKey) and bool(before) != bool(rejects):
            self._index(origin, is_there=bool(rejects))
        for reject in before:
            self._gauge.labels(reject.reason).dec()
        for reject in rejects:
            self._gauge.labels(reject.reason).inc()

    def names(self, scope: Scope) -> set[str]:
        """Return the services of a scope that have rejects."""
        return set(self._by_scope.get(scope, ()))

    def of(self, key: ServiceKey) -> tuple[Reject, ...]:
        """Return the rejects of one service by itself, before it meets others."""
        return self._by_origin.get(key, ())

    def about(self, resource: str) -> tuple[Reject, ...]:
        """Return the rejects of one resource (named as rejects name it), sorted."""
        return tuple(
            sorted(each for rejects in self._by_origin.values() for each in rejects if each.resource == resource)
        )

    def walk(self) -> Iterator[Reject]:
        """Yield every reject in any order; what comes or goes meanwhile may be missing."""
        for rejects in tuple(self._by_origin.values()):
            yield from rejects

    def all(self) -> list[Reject]:
        """Return every reject, sorted by resource, reason and subject."""
        return sorted(reject for rejects in self._by_origin.values() for reject in rejects)

    def _index(self, key: ServiceKey, *, is_there: bool) -> None:
        names = self._by_scope.setdefault(key.scope, set())
        if is_there:
            names.add(key.name)
        else:
            names.discard(key.name)
            if not names:
                del self._by_scope[key.scope]
