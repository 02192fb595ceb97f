"""What the reducer hands on to a later process, and how it goes on from what an earlier one left.

Nothing here decides what is served: what a world holds is put back into the parts that had it.
"""

from typing import NamedTuple

import msgspec

from meshregistry.model.service_entry import Kind
from meshregistry.store.address_book import AddressBook
from meshregistry.store.contributions import Contributions
from meshregistry.store.doubts import Doubts
from meshregistry.store.freshness import Freshness
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.mass import MassGuard
from meshregistry.store.provenance import Made
from meshregistry.store.slices import Slices
from meshregistry.store.snapshot import Snapshot
from meshregistry.store.upkeep import Upkeep
from meshregistry.store.world import World, shift_hearsay, shift_history, shift_hold


class Estate(NamedTuple):
    """The parts of a reducer that outlive its process."""

    contributions: Contributions
    book: HoldBook
    mass: MassGuard
    upkeep: Upkeep
    addresses: AddressBook
    freshness: Freshness
    doubts: Doubts


class Instant(NamedTuple):
    """One moment on both clocks."""

    clock: float
    """Monotonic seconds."""

    wall: float
    """Unix seconds."""


def export_world(estate: Estate, served: Snapshot, made: Made, at: Instant, as_of: float) -> World:
    """Return everything that a later process needs; `as_of` is until when the registries had been heard."""
    return World(
        as_of,
        at.wall,
        at.clock,
        made.known,
        served.collection(Kind.SERVICE_ENTRY).resources,
        estate.contributions.copy(),
        dict(estate.upkeep.histories),
        dict(estate.upkeep.owners),
        estate.book.export(),
        served.collection(Kind.SIDECAR).resources,
        msgspec.structs.replace(estate.freshness.export(), doubted=estate.doubts.scopes),
        made.partial,
    )


async def take_over(estate: Estate, world: World, at: Instant, slices: Slices) -> None:
    """Fill the parts with what another process knew; before the first update only.

    What nobody claims (its source is not configured) and what waited for a time is due at once. Yields to the loop
    between slices; cancelling it leaves the parts half filled.
    """
    for key, claims in world.claims.items():
        estate.contributions.replace(key, claims)
        estate.mass.note(key, (), claims, at.clock)
        await slices.breathe()
    for name, history in world.histories.items():
        estate.upkeep.histories[name] = shift_history(history, world, at.clock, at.wall)
        is_claimed = bool(estate.contributions.claims(name) or estate.book.claims(name))
        estate.upkeep.timers.arm(name, at.clock if history.is_waiting or not is_claimed else None)
        await slices.breathe()
    estate.book.restore((shift_hold(held, world, at.clock, at.wall) for held in world.holds), at.clock)
    estate.upkeep.owners.update(world.owners)
    estate.freshness.restore(shift_hearsay(world, at.clock, at.wall))
    estate.doubts.restore(world.hearsay.doubted)
    for name, resource in world.resources.items():
        estate.addresses.settle(name, resource.entry)
        await slices.breathe()
    estate.addresses.take_touched()
