"""What a start goes on from: the worlds of siblings and the saved one, put together source by source."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from meshregistry.store.patchwork import patch
from meshregistry.store.world import World


class Inheritance(NamedTuple):
    """What is restored, and how."""

    world: World
    seams: frozenset[str]
    """Resources to be built before anything is served."""

    fresh: frozenset[str]
    """Sources of which a sibling tells: this is what it serves now, and may be served at once."""


def unite(
    saved: World | None, siblings: Sequence[World], enabled: Collection[str], makers: Collection[str]
) -> Inheritance | None:
    """Return the newest of the worlds, with the enabled sources that it lacks from the newest that knows them.

    `makers` are the sources that make Sidecars. None without any world.
    """
    worlds = sorted([*([saved] if saved else []), *siblings], key=lambda world: -world.as_of)
    if not worlds:
        return None
    found, seams = worlds[0], set[str]()
    fresh = set(found.fingerprints if found is not saved else ())
    for other in worlds[1:]:
        lent = (other.fingerprints.keys() - found.fingerprints.keys()) & set(enabled)
        if lent:
            fresh |= lent if other is not saved else set()
            found, more = patch(found, other, lent, makers)
            seams |= more
    return Inheritance(found, frozenset(seams), frozenset(fresh))
