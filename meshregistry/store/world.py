"""Everything the reducer knows that cannot be computed again without its registries: what is saved and handed on.

Immutable as a whole: it is taken between two commits and encoded in another thread.
"""

from collections.abc import Mapping

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.guard import History
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.holds import HeldShrink
from meshregistry.wire.resource import Resource

NOBODY = Scope("", "", "", "")
"""The owner of a resource that no source's guard counts for."""


class World(msgspec.Struct, frozen=True):
    """What is served and why, at one instant."""

    as_of: float
    """Unix seconds until which the registries had been heard: the instant itself, or an older one while it is stale."""

    taken_at: float
    """Unix seconds of the instant."""

    clock: float
    """Monotonic seconds of the instant: what the times of the histories are relative to."""

    fingerprints: Mapping[str, str]
    """Source kind that was read in whole → fingerprint of the settings by which its services were converted."""

    resources: Mapping[str, Resource]
    claims: Mapping[ServiceKey, tuple[Claim, ...]]
    histories: Mapping[str, History]
    owners: Mapping[str, Scope]
    """Resource name → the scope that claims it first, or did so last: its source's guard counts."""

    holds: tuple[HeldShrink, ...] = ()
    sidecars: Mapping[str, Resource] = {}
    hearsay: Hearsay = Hearsay()
    partial: Mapping[str, str] = {}
    """The same of sources of which only a part was ever read: they are waited for wherever this is served."""

    decisions: tuple[bytes, ...] = ()
    """What operators have decided, as `store/decisions` writes it: a freeze in `holds` may be older than its thaw."""


def shift_time(instant: float, world: World, now: float, wall: float) -> float:
    """Translate a past time of a world into the monotonic time of this process; `now` and `wall` are its two clocks.

    The time between is counted by the wall clock; where that went backwards none has passed. A result is never
    later than `now`, so that nothing waits for longer than its rule says.
    """
    age = max(0.0, world.clock - instant)
    return now - age - max(0.0, wall - world.taken_at)


def shift_history(history: History, world: World, now: float, wall: float) -> History:
    """Translate the times of a world's history; nearly all have none."""
    if not history.is_waiting:
        return history
    since = None if history.empty_since is None else shift_time(history.empty_since, world, now, wall)
    idle = tuple((port, shift_time(at, world, now, wall)) for port, at in history.idle_ports)
    return msgspec.structs.replace(history, empty_since=since, idle_ports=idle)


def shift_hold(held: HeldShrink, world: World, now: float, wall: float) -> HeldShrink:
    """Translate the time of a world's hold."""
    return msgspec.structs.replace(held, since=shift_time(held.since, world, now, wall))


def shift_hearsay(world: World, now: float, wall: float) -> Hearsay:
    """Translate what a world knows of when registries spoke; a scope of which that is not known did so at `as_of`."""
    heard = world.hearsay
    as_of = now - max(0.0, wall - world.as_of)
    statements = {scope: shift_time(at, world, now, wall) for scope, at in heard.statements.items()}
    for scope in dict.fromkeys(key.scope for key in world.claims):
        if not {scope, scope._replace(group="")} & statements.keys():
            statements[scope] = as_of
    newcomers = {claim: shift_time(at, world, now, wall) for claim, at in heard.newcomers.items()}
    return Hearsay(statements, heard.given_up, newcomers, heard.doubted)
