"""One world of several: what the best one does not know of a source is taken from another that does. Pure.

A sibling may serve without a source that this replica has saved in whole, or the other way round. Nothing of the better
world is left out for that; only what it lacks is added.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.holds import Cause, HeldShrink
from meshregistry.store.world import World, shift_hearsay, shift_history, shift_hold

Key = TypeVar("Key")
Value = TypeVar("Value")


class Patchwork(NamedTuple):
    """A world of several, and where they meet."""

    world: World
    seams: frozenset[str] = frozenset()
    """Resources of which more than one of them had a part: they are to be built before they are served."""


def patch(base: World, other: World, sources: Collection[str], makers: Collection[str] = ()) -> Patchwork:
    """Return `base` with all that `other` knows of these sources, on the clock of the later of the two.

    What base has heard of single services of them counts more: it is newer. Which source made a Sidecar is not known:
    where one of the `makers` of Sidecars is among the sources, all that base lacks are added until it is read.
    """
    at = max(base, other, key=lambda world: world.taken_at)
    base, other = _move(base, at), _move(other, at)
    claims = {key: each for key, each in other.claims.items() if key.scope.source in sources and key not in base.claims}
    lent = {name for name, owner in other.owners.items() if owner.source in sources} - base.histories.keys()
    holds = list(_lend_holds(base, other, sources))
    world = msgspec.structs.replace(
        base,
        as_of=min(base.as_of, other.as_of),
        fingerprints=_add(base.fingerprints, other.fingerprints, sources),
        partial={source: each for source, each in base.partial.items() if source not in sources},
        resources=_add(base.resources, other.resources, lent),
        claims={**base.claims, **claims},
        histories=_add(base.histories, other.histories, lent),
        owners=_add(base.owners, other.owners, lent),
        holds=(*base.holds, *holds),
        sidecars={**other.sidecars, **base.sidecars} if set(makers) & set(sources) else base.sidecars,
        hearsay=_join_hearsay(base.hearsay, other.hearsay, sources),
    )
    added = [*chain.from_iterable(claims.values()), *chain.from_iterable(hold.claims for hold in holds)]
    left = [claim for claim in _all_claims(other) if claim.key.scope.source not in sources]
    return Patchwork(world, _find_seams(base, left, added, lent))


def _move(world: World, at: World) -> World:
    """Return a world whose times are on the clock of another, taken at the same time or later."""
    clock, wall = at.clock, at.taken_at
    return msgspec.structs.replace(
        world,
        taken_at=wall,
        clock=clock,
        histories={name: shift_history(each, world, clock, wall) for name, each in world.histories.items()},
        holds=tuple(shift_hold(each, world, clock, wall) for each in world.holds),
        hearsay=shift_hearsay(world, clock, wall),
    )


def _add(table: Mapping[Key, Value], other: Mapping[Key, Value], keys: Iterable[Key]) -> dict[Key, Value]:
    return {**table, **{key: other[key] for key in keys if key in other}}


def _lend_holds(base: World, other: World, sources: Collection[str]) -> Iterator[HeldShrink]:
    """Yield what is held or frozen of these sources, under numbers that are free.

    What a freeze keeps that base has too is held like a mass shrink: base's freeze keeps it from going.
    """
    number = max((hold.number for hold in base.holds), default=0)
    frozen = {hold.unit for hold in base.holds if hold.frozen}
    for hold in other.holds:
        claims = tuple(claim for claim in hold.claims if claim.key.scope.source in sources)
        is_double = hold.frozen and hold.unit in frozen
        if not claims and (is_double or hold.unit.source not in sources):
            continue
        number += 1
        confirmed = tuple(each for each in hold.confirmed if each[0].source in sources)
        lent = msgspec.structs.replace(hold, number=number, claims=claims, confirmed=confirmed)
        yield msgspec.structs.replace(lent, cause=Cause.MASS, frozen=False) if is_double else lent


def _join_hearsay(base: Hearsay, other: Hearsay, sources: Collection[str]) -> Hearsay:
    newcomers = {claim: at for claim, at in other.newcomers.items() if claim[1].scope.source in sources}
    return Hearsay(
        {**_of(other.statements, sources), **base.statements},
        {**{key: each for key, each in other.given_up.items() if key.scope.source in sources}, **base.given_up},
        dict(sorted({**newcomers, **base.newcomers}.items(), key=lambda each: each[1])),
        base.doubted | {scope for scope in other.doubted if scope.source in sources},
    )


def _of(statements: Mapping[Scope, float], sources: Collection[str]) -> dict[Scope, float]:
    return {scope: at for scope, at in statements.items() if scope.source in sources}


def _find_seams(base: World, left: Sequence[Claim], added: Sequence[Claim], lent: Collection[str]) -> frozenset[str]:
    """Return the resources of which not all comes from one world, by their names or by their hosts.

    `left` are claims of the other world that were not taken, `added` those that were, with the resources `lent`.
    """
    there = [*_all_claims(base), *left]
    served = {name: resource.entry.hosts[0] for name, resource in base.resources.items()}
    names = {claim.resource_name for claim in there} | served.keys()
    hosts = {claim.hosts[0] for claim in there} | set(served.values())
    met = {claim.hosts[0] for claim in added if claim.resource_name in names or claim.hosts[0] in hosts}
    return frozenset(
        {claim.resource_name for claim in (*added, *there) if claim.hosts[0] in met}
        | {name for name, host in served.items() if host in met}
        | {claim.resource_name for claim in added if claim.resource_name not in lent}
        | {claim.resource_name for claim in left if claim.resource_name in lent}
    )


def _all_claims(world: World) -> Iterator[Claim]:
    yield from chain.from_iterable(world.claims.values())
    yield from chain.from_iterable(hold.claims for hold in world.holds)
