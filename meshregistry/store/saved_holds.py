"""Rows of a saved snapshot for held shrinks; part of format 1."""

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope
from meshregistry.store.holds import Cause, HeldShrink
from meshregistry.store.saved_hearsay import ScopeRow


class HoldRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A held shrink; its claims are the part's."""

    number: int
    unit: ScopeRow
    cause: str
    since: float
    before: int
    rejected: bool
    frozen: bool
    confirmed: tuple[tuple[ScopeRow, float], ...]
    displaced: bool = False
    doubted: bool = False
    is_doubt: bool = False
    """Whether doubt is the cause; `cause` then is a mass, which older releases and siblings know and hold, too."""

    content: int | None = None


def write_hold(hold: HeldShrink) -> HoldRow:
    """Return the row of a held shrink."""
    return HoldRow(
        hold.number,
        (*hold.unit,),
        (Cause.MASS if hold.cause is Cause.DOUBT else hold.cause).value,
        hold.since,
        hold.before,
        hold.rejected,
        hold.frozen,
        tuple(((*scope,), seconds) for scope, seconds in hold.confirmed),
        hold.displaced,
        hold.doubted,
        hold.cause is Cause.DOUBT,
        hold.content,
    )


def read_hold(row: HoldRow, claims: tuple[Claim, ...]) -> HeldShrink:
    """Return the held shrink of a row, with the claims of its part."""
    return HeldShrink(
        row.number,
        Scope(*row.unit),
        Cause.DOUBT if row.is_doubt else Cause(row.cause),
        row.since,
        row.before,
        row.rejected,
        row.frozen,
        tuple((Scope(*scope), seconds) for scope, seconds in row.confirmed),
        claims,
        row.displaced,
        row.doubted,
        row.content,
    )
