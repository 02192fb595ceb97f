"""The snapshot store: the only mutable truth, with one writer and any number of listeners."""

from collections.abc import Callable, Iterable, Mapping

from xxhash import xxh3_64_intdigest

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import EMPTY, Change, Collection, Snapshot
from meshregistry.wire.resource import Resource

Listener = Callable[[Change], None]
"""Called synchronously at each commit, after `current` has moved; must be quick and must not raise."""

_MASK = (1 << 64) - 1


class SnapshotStore:
    """Owns the current snapshot. Only the reducer calls `commit` and `complete`; anybody reads and listens."""

    def __init__(self, held: Iterable[Kind]) -> None:
        self._current = Snapshot(sequence=0, complete=False, held=frozenset(held), collections={})
        self._listeners: dict[int, Listener] = {}
        self._next_listener = 0

    @property
    def current(self) -> Snapshot:
        """The newest snapshot; immutable, so it may be kept and read at leisure."""
        return self._current

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Register a listener; the returned call ends it and may be called twice."""
        number = self._next_listener
        self._next_listener += 1
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    def commit(
        self, kind: Kind, upserts: Iterable[Resource], removals: Iterable[str], observed_at: float = 0.0
    ) -> Change | None:
        """Apply a batch in one synchronous step; returns None, and moves nothing, when nothing really changed.

        `observed_at` (monotonic seconds) travels with the change, so that servers can tell the convergence time.
        """
        before = self._current.collection(kind)
        changed = {
            resource.name: resource
            for resource in upserts
            if (old := before.resources.get(resource.name)) is None or old.version != resource.version
        }
        removed = frozenset(name for name in removals if name in before.resources and name not in changed)
        if not changed and not removed:
            return None
        self._move(kind, _apply(before, changed, removed, self._current.sequence + 1))
        change = Change(kind, frozenset(changed), removed, observed_at)
        self._notify(change)
        return change

    def complete(self) -> None:
        """Declare the snapshot complete, once: from now on the held kinds may be served."""
        if self._current.complete:
            return
        current = self._current
        self._current = Snapshot(current.sequence + 1, True, current.held, current.collections)
        for kind in current.held:
            self._notify(Change(kind, frozenset(), frozenset()))

    def _move(self, kind: Kind, collection: Collection) -> None:
        current = self._current
        collections = {**current.collections, kind: collection}
        self._current = Snapshot(current.sequence + 1, current.complete, current.held, collections)

    def _notify(self, change: Change) -> None:
        for listener in tuple(self._listeners.values()):
            listener(change)


def _apply(before: Collection, changed: Mapping[str, Resource], removed: frozenset[str], sequence: int) -> Collection:
    """Return the next collection; its version is a sum over all resources, so the order of arrival is no part of it."""
    total = int(before.version, 16)
    for name in removed:
        total -= _digest(before.resources[name])
    for name, resource in changed.items():
        old = before.resources.get(name)
        total += _digest(resource) - (_digest(old) if old else 0)
    resources = before.resources.updated(changed, removed)
    sequences = before.sequences.updated(dict.fromkeys(changed, sequence), removed)
    return Collection(f"{total & _MASK:016x}", resources, sequences) if resources else EMPTY


def _digest(resource: Resource) -> int:
    return xxh3_64_intdigest(f"{resource.name}\0{resource.version}".encode("utf-8", "replace"))
