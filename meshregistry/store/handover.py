"""What the reducer hands on to a later process, and how it goes on from what an earlier one left.

Nothing here decides what is served: what a world holds is put back into the parts that had it.
"""

from collections.abc import Mapping

import msgspec

from meshregistry.model.service_entry import Kind
from meshregistry.store.parts import Parts
from meshregistry.store.world import World, shift_hearsay, shift_history, shift_hold


def export_world(parts: Parts, fingerprints: Mapping[str, str], wall: float) -> World:
    """Return everything that a later process needs to go on from here; `wall` is the time of day, Unix seconds.

    What a restarted source has not read since keeps the fingerprint of the settings that made it.
    """
    served = parts.store.current
    contributing = {each.source for each in (*parts.known_scopes(), *parts.upkeep.owners.values())}
    made = parts.provenance.tell(fingerprints, contributing)
    return World(
        parts.staleness.as_of or wall,
        wall,
        parts.clock(),
        made.known,
        served.collection(Kind.SERVICE_ENTRY).resources,
        parts.contributions.copy(),
        dict(parts.upkeep.histories),
        dict(parts.upkeep.owners),
        parts.book.export(),
        served.collection(Kind.SIDECAR).resources,
        msgspec.structs.replace(parts.freshness.export(), doubted=parts.doubts.scopes),
        made.partial,
    )


async def take_over(parts: Parts, world: World, wall: float) -> None:
    """Fill the parts with what another process knew; before the first update only.

    What nobody claims (its source is not configured) and what waited for a time is due at once. Yields to the loop
    between slices; cancelling it leaves the parts half filled.
    """
    now = parts.clock()
    for key, claims in world.claims.items():
        parts.contributions.replace(key, claims)
        parts.mass.note(key, (), claims, now)
        await parts.slices.breathe()
    for name, history in world.histories.items():
        parts.upkeep.remember(name, shift_history(history, world, now, wall))
        is_claimed = bool(parts.contributions.claims(name) or parts.book.claims(name))
        parts.upkeep.timers.arm(name, now if history.is_waiting or not is_claimed else None)
        await parts.slices.breathe()
    parts.book.restore((shift_hold(held, world, now, wall) for held in world.holds), now)
    parts.upkeep.owners.update(world.owners)
    parts.freshness.restore(shift_hearsay(world, now, wall))
    parts.doubts.restore(world.hearsay.doubted)
    for name, resource in world.resources.items():
        parts.addresses.settle(name, resource.entry)
        await parts.slices.breathe()
    parts.addresses.take_touched()
