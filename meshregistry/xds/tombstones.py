"""What went out of sight on an incremental listener, so that clients that saw it can be told.

The store keeps no deletions. A tombstone is the end of a stay: from commit `since` to commit `until` a resource was
served under one `istio.io/rev` label. It ends by removal, by another label, or by leaving the listener's selection.
Rule: Slime's tombstones and their CleanZombieInterval (slime-io/istio-mcp pkg/mcp/xds/apigen.go).
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

from meshregistry.errors import MeshRegistryError
from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change, Snapshot
from meshregistry.wire.resource import Resource
from meshregistry.xds.selection import Selection
from meshregistry.xds.visibility import Visibility

MAX_TOMBSTONES: Final = 100_000
"""Of one kind."""


class Forgotten(MeshRegistryError):
    """A client is so far behind that deletions it needs are gone: only a new stream, which begins in full, helps."""


class Tombstone(msgspec.Struct, frozen=True, gc=False):
    """A stay that ended: whoever sees the label and was told of the commits from `since` on holds the resource."""

    name: str
    label: str
    since: int
    until: int


class Tombstones:
    """Owns the tombstones of one listener; told of each commit, in order, before any stream is.

    Bounds: one entry per resource served, and `bound` tombstones per kind. Beyond it the oldest are dropped, and
    `find` raises Forgotten for clients that would need them.
    """

    def __init__(self, selection: Selection, bound: int = MAX_TOMBSTONES) -> None:
        """`selection` is the part of the world in sight."""
        self._selection = selection
        self._bound = bound
        self._living: dict[Kind, dict[str, tuple[str, int]]] = {}
        self._ended: dict[Kind, deque[Tombstone]] = {}
        self._dropped: dict[Kind, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._ended.values()))

    def begin(self, snapshot: Snapshot) -> None:
        """Start from this snapshot; no client has seen anything before it."""
        for kind, collection in snapshot.collections.items():
            self._living[kind] = {
                resource.name: (resource.revision, snapshot.sequence)
                for resource in collection.resources.values()
                if self._selection.keeps(resource)
            }

    def note_change(self, change: Change, snapshot: Snapshot) -> None:
        """Take a commit; `snapshot` is the one it made."""
        living = self._living.setdefault(change.kind, {})
        resources = snapshot.collection(change.kind).resources
        for name in change.removed:
            self._end(change.kind, living, name, snapshot.sequence)
        for name in change.changed:
            self._move(change.kind, living, resources[name], snapshot.sequence)

    def find(self, kind: Kind, after: int, told: int, visibility: Visibility) -> Mapping[str, str]:
        """Return name → label of what ended after a commit for a client that was told of commits up to `told`.

        Names may be in sight again. Raises Forgotten when tombstones after that commit were dropped.
        """
        if after < self._dropped.get(kind, 0):
            raise Forgotten(f"deletions after {after} are forgotten")
        found: dict[str, str] = {}
        for tombstone in reversed(self._ended.get(kind, ())):
            if tombstone.until <= after:
                break
            if tombstone.since <= told and visibility.sees(tombstone.label):
                found[tombstone.name] = tombstone.label
        return found

    def forget(self, kind: Kind, until: int | None) -> None:
        """Drop the tombstones of a kind up to a commit; None: all of them."""
        ended = self._ended.get(kind, ())
        while ended and (until is None or ended[0].until <= until):
            self._drop_oldest(kind)

    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds that have tombstones."""
        return tuple(kind for kind, ended in self._ended.items() if ended)

    def _move(self, kind: Kind, living: dict[str, tuple[str, int]], resource: Resource, sequence: int) -> None:
        if not self._selection.keeps(resource):
            self._end(kind, living, resource.name, sequence)
            return
        label = resource.revision
        before = living.get(resource.name)
        if before is not None and before[0] == label:
            return
        self._end(kind, living, resource.name, sequence)
        living[resource.name] = (label, sequence)

    def _end(self, kind: Kind, living: dict[str, tuple[str, int]], name: str, sequence: int) -> None:
        stay = living.pop(name, None)
        if stay is None:
            return
        ended = self._ended.setdefault(kind, deque())
        ended.append(Tombstone(name, stay[0], stay[1], sequence))
        if len(ended) > self._bound:
            self._drop_oldest(kind)

    def _drop_oldest(self, kind: Kind) -> None:
        self._dropped[kind] = self._ended[kind].popleft().until
