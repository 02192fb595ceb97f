"""Which resources a listener serves: a shard of them, some namespaces, what is exported to some.

Shards are k `configSources` entries of one istiod, one listener each. A key must never move between them: istiod
processes the deletion from one source and the creation in the other in no defined order, and a service can stay gone
although its ServiceEntry is there. So the partition is a fixed hash of the name, and pinned by a test.
"""

from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

from meshregistry.wire.resource import Resource


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of the world behind one listener; the default is all of it."""

    namespaces: frozenset[str] = frozenset()
    """Only resources of these namespaces; empty: of all."""

    exported_to: frozenset[str] = frozenset()
    """Only resources that one of these namespaces may see by their `exportTo`; empty: all."""

    shard: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for a shard that does not exist: its listener would serve an empty world."""
        if not 0 <= self.shard < self.shards:
            raise ValueError(f"shard {self.shard} of {self.shards}")

    def keeps(self, resource: Resource) -> bool:
        """Tell whether the listener serves the resource."""
        namespace = resource.name.partition("/")[0]
        if self.namespaces and namespace not in self.namespaces:
            return False
        if self.exported_to and not self._is_exported(resource.export_to, namespace):
            return False
        return self.shards == 1 or shard_of(resource.name, self.shards) == self.shard

    def _is_exported(self, export_to: tuple[str, ...], namespace: str) -> bool:
        # istiod: nothing stated means everywhere, "." the resource's own namespace, "~" nowhere.
        if not export_to or "*" in export_to:
            return True
        return not self.exported_to.isdisjoint(namespace if target == "." else target for target in export_to)


def shard_of(name: str, shards: int) -> int:
    """Return the shard of `namespace/name`, the same in every process and release."""
    return xxh3_64_intdigest(name.encode("utf-8", "replace")) % shards
