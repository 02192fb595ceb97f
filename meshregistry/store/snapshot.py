"""The immutable snapshot: what is served, at one sequence."""

from collections.abc import Mapping

import msgspec

from meshregistry.model.service_entry import Kind
from meshregistry.store.layers import Layers
from meshregistry.wire.resource import Resource


class Collection(msgspec.Struct, frozen=True):
    """All resources of one kind; `version` is a hash of names and versions, equal for equal content."""

    version: str
    resources: Layers[Resource]
    sequences: Layers[int]
    """Resource name → sequence of the commit that last changed it; for `ver` of `/xdsCache`, no part of the content."""


class Change(msgspec.Struct, frozen=True):
    """One commit: the names of a kind that were created or updated, and those that were removed."""

    kind: Kind
    changed: frozenset[str]
    removed: frozenset[str]
    observed_at: float = 0.0
    """Monotonic seconds at which the registry's answer behind the change was complete; 0.0 when unknown."""


class Snapshot(msgspec.Struct, frozen=True):
    """The whole world at one commit.

    `sequence` is the store's commit number, local to the process: for ordering only, never a version.
    `complete` is False until every source has read each of its scopes once; the kinds that sources produce
    (`held`) must not be served before.
    """

    sequence: int
    complete: bool
    held: frozenset[Kind]
    collections: Mapping[Kind, Collection]

    def collection(self, kind: Kind) -> Collection:
        """Return the resources of a kind; an empty collection for a kind nothing produces."""
        return self.collections.get(kind, EMPTY)


EMPTY = Collection(version="0" * 16, resources=Layers(), sequences=Layers())
