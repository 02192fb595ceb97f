"""Rows of a saved snapshot for what is known of when registries spoke; part of format 1, unknown to older releases."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.hearsay import Hearsay

Key = TypeVar("Key")
Value = TypeVar("Value")
ScopeRow = tuple[str, str, str, str]

_RUN = 500
"""Rows of a part: the event loop waits no longer for the thread that encodes."""


class HearsayRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A share of what is known; times are seconds on the clock of the file's head."""

    statements: tuple[tuple[ScopeRow, float], ...] = ()
    given_up: tuple[tuple[ScopeRow, str, tuple[tuple[str, int], ...]], ...] = ()
    """Scope and name of a service, places."""

    newcomers: tuple[tuple[str, int, ScopeRow, str, float], ...] = ()
    """Address, port, scope and name of a service, time; the oldest first."""

    doubted: tuple[ScopeRow, ...] = ()
    """Unknown to releases that know the rest; these believe the first answer."""


def split_hearsay(hearsay: Hearsay) -> list[Hearsay]:
    """Return it in pieces of a part each, in canonical order; none for nothing.

    A scope needs no time of its own where all its groups were stated later: ZooKeeper has 10,000.
    """
    stated = hearsay.statements
    needed = {scope: at for scope, at in sorted(stated.items()) if at >= stated.get(Scope(*scope[:3], ""), at)}
    return [
        *(Hearsay(statements=run) for run in _runs(needed)),
        *(Hearsay(given_up=run) for run in _runs(dict(sorted(hearsay.given_up.items())))),
        *(Hearsay(newcomers=run) for run in _runs(hearsay.newcomers)),
        *(Hearsay(doubted=frozenset(run)) for run in _runs(dict.fromkeys(sorted(hearsay.doubted)))),
    ]


def join_hearsay(pieces: Sequence[Hearsay]) -> Hearsay:
    """Return the whole again."""
    return Hearsay(
        {scope: at for piece in pieces for scope, at in piece.statements.items()},
        {key: places for piece in pieces for key, places in piece.given_up.items()},
        {claim: at for piece in pieces for claim, at in piece.newcomers.items()},
        frozenset(scope for piece in pieces for scope in piece.doubted),
    )


def write_hearsay(hearsay: Hearsay) -> HearsayRow:
    """Return the row of a piece."""
    return HearsayRow(
        tuple(((*scope,), at) for scope, at in hearsay.statements.items()),
        tuple(((*key.scope,), key.name, tuple(sorted(places))) for key, places in hearsay.given_up.items()),
        tuple((*place, (*key.scope,), key.name, at) for (place, key), at in hearsay.newcomers.items()),
        tuple((*scope,) for scope in sorted(hearsay.doubted)),
    )


def read_hearsay(row: HearsayRow) -> Hearsay:
    """Return the piece of a row."""
    return Hearsay(
        {Scope(*scope): at for scope, at in row.statements},
        {ServiceKey(Scope(*scope), name): frozenset(places) for scope, name, places in row.given_up},
        {((address, port), ServiceKey(Scope(*scope), name)): at for address, port, scope, name, at in row.newcomers},
        frozenset(Scope(*scope) for scope in row.doubted),
    )


def _runs(table: Mapping[Key, Value]) -> Iterator[dict[Key, Value]]:
    items = iter(table.items())
    while run := dict(islice(items, _RUN)):
        yield run
