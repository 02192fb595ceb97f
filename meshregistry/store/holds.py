"""Held shrinks: what keeps them, how long they have been confirmed, and how operators see them."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

import msgspec
from xxhash import xxh3_64_intdigest

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope
from meshregistry.store.departures import Departure, count_endpoints, is_stated_by, place_of
from meshregistry.store.guard import GuardPolicy

_STATEMENTS, _DOUBT_STATEMENTS = 5, 2
"""A hold is confirmed by at least so many statements: a gap between two counts as no more than its share.

Doubt takes as long as two readings or three of some sources: more statements would make it a multiple of that.
"""

_HOSTS_SHOWN = 10
_CONTENTS = 1 << 64


class Cause(StrEnum):
    """Why a shrink is held."""

    MASS = "mass"
    DOUBT = "doubt"
    """Its registry was away, and may not know everybody again yet (`store/doubts.py`)."""

    FREEZE = "freeze"


class Verdict(StrEnum):
    """What became of a shrink, or of a freeze: the words of the journal and the metrics."""

    AWAY = "away"
    DOUBTED = "doubted"
    HELD = "held"
    GROWN = "grown"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    RECOVERED = "recovered"
    RETURNED = "returned"
    ENDED = "ended"
    SUPERSEDED = "superseded"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FROZEN = "frozen"
    THAWED = "thawed"


class Confirmation(msgspec.Struct):
    """How long a registry has repeated a shrink of one scope; times in monotonic seconds."""

    at: float
    seconds: float = 0.0


class Hold(msgspec.Struct):
    """One held shrink."""

    number: int
    unit: Scope
    """What shrank: a scope, a registry; for a freeze what is frozen."""

    cause: Cause
    since: float
    """Monotonic seconds."""

    before: int
    """The endpoints of the unit before."""

    rejected: bool = False
    confirmations: dict[Scope, Confirmation] = {}
    displaced: bool = False
    """Whether a changed configuration took some of it: as many endpoints elsewhere do not make good for that."""

    doubted: bool = False
    """Whether some of it is in doubt: as many endpoints elsewhere make good for that only after a while."""

    content: int = 0
    """A sum over all that was ever put into it, equal for equal shrinks in every process; what comes back stays in."""

    @property
    def name(self) -> str:
        """The hold as operators name it: what is put into it later makes it another one."""
        return f"{self.number}-{self.content >> 32:08x}"

    def put(self, departure: Departure, now: float) -> None:
        """Take note of one more departure that it keeps."""
        self.displaced |= departure.displaced
        self.doubted |= departure.doubted
        self.content = sum_content([departure.claim], self.content)
        self.confirmations.setdefault(departure.key.scope, Confirmation(now))

    def stated(self, statement: Scope) -> list[Scope]:
        """Return the scopes that a statement of the registry is about."""
        if statement.group:  # ZooKeeper tells of 10,000 one by one
            return [statement] if statement in self.confirmations else []
        return [scope for scope in self.confirmations if is_stated_by(scope, statement)]

    def confirm(self, stated: Iterable[Scope], now: float, policy: Callable[[str], GuardPolicy]) -> set[Scope]:
        """Take a statement about scopes of the hold; return those that have been confirmed for long enough.

        `policy` gives the guard of a source: what a freeze of everything has kept is of several.
        """
        ripe = set()
        for scope in stated:
            hold_s, statements = policy(scope.source).mass_hold_s, _STATEMENTS
            if self.cause is Cause.DOUBT:
                hold_s, statements = policy(scope.source).doubt_hold_s, _DOUBT_STATEMENTS
            confirmation = self.confirmations[scope]
            confirmation.seconds += min(now - confirmation.at, hold_s / statements)
            confirmation.at = now
            if confirmation.seconds >= hold_s:
                ripe.add(scope)
        return set() if self.rejected or self.cause is Cause.FREEZE else ripe


class HeldShrink(msgspec.Struct, frozen=True):
    """A hold with what it keeps, apart from its guard; times in monotonic seconds."""

    number: int
    unit: Scope
    cause: Cause
    since: float
    before: int
    rejected: bool
    frozen: bool
    """Whether it is that of a freeze that is on."""

    confirmed: tuple[tuple[Scope, float], ...]
    """Scope → seconds for which the registry has repeated the shrink."""

    claims: tuple[Claim, ...]
    """What left, as it was."""

    displaced: bool = False
    doubted: bool = False
    content: int | None = None
    """None: an older release did not know; it is that of the claims."""


def export_hold(hold: Hold, gone: Sequence[Departure], *, frozen: bool) -> HeldShrink:
    """Return a hold that keeps `gone`; `frozen` says that it is that of a freeze that is on."""
    return HeldShrink(
        hold.number,
        hold.unit,
        hold.cause,
        hold.since,
        hold.before,
        hold.rejected,
        frozen,
        tuple((scope, confirmation.seconds) for scope, confirmation in hold.confirmations.items()),
        tuple(departure.claim for departure in gone),
        hold.displaced,
        hold.doubted,
        hold.content,
    )


def restore_hold(shrink: HeldShrink, now: float) -> Hold:
    """Return the hold of another process; its confirmations go on with the next statement."""
    confirmations = {scope: Confirmation(now, seconds) for scope, seconds in shrink.confirmed}
    content = sum_content(shrink.claims) if shrink.content is None else shrink.content
    told = shrink.number, shrink.unit, shrink.cause, shrink.since, shrink.before, shrink.rejected
    return Hold(*told, confirmations, shrink.displaced, shrink.doubted, content)


class HoldReport(msgspec.Struct, frozen=True):
    """A held shrink as operators see it; ages in seconds."""

    id: str
    scope: str
    cause: str
    age_s: float
    confirmed_s: float
    before: int
    """Endpoints before the shrink."""

    now: int
    """Endpoints that the registry names at present."""

    held: int
    """Endpoints that are served only because of the hold."""

    hosts: tuple[str, ...]
    """Some of the hosts they belong to."""

    rejected: bool
    content: str = ""
    """What it was given to keep, in 16 hexadecimal digits: the same in every replica that sees the same shrink."""

    @property
    def number(self) -> str:
        """The part of `id` that stays while the hold grows."""
        return self.id.partition("-")[0]


def sum_content(claims: Iterable[Claim], total: int = 0) -> int:
    """Return a 64-bit sum over endpoints and the services that lost them, the same in any order and process.

    `total` is the sum of what was put in before.
    """
    for claim in claims:
        seed = xxh3_64_intdigest(f"{claim.key.scope}/{claim.key.name}".encode("utf-8", "surrogatepass"))
        total += sum(
            xxh3_64_intdigest(f"{address}:{port}".encode("utf-8", "surrogatepass"), seed)
            for address, port in map(place_of, claim.endpoints)
        )
        total += 0 if claim.endpoints else seed
    return total % _CONTENTS


def report_hold(hold: Hold, gone: Sequence[Departure], count: int, now: float) -> HoldReport:
    """Return what operators see of a hold that keeps `gone`, in a unit where the registries name `count` endpoints."""
    scopes = hold.confirmations.keys() & {departure.key.scope for departure in gone}
    hosts = {departure.claim.hosts[0] for departure in gone}
    return HoldReport(
        hold.name,
        str(hold.unit) or "everything",
        hold.cause.value,
        round(now - hold.since, 3),
        round(min((hold.confirmations[scope].seconds for scope in scopes), default=0.0), 3),
        hold.before,
        count,
        count_endpoints(gone),
        tuple(sorted(hosts)[:_HOSTS_SHOWN]),
        hold.rejected,
        f"{hold.content:016x}",
    )


class GuardEvent(msgspec.Struct, frozen=True):
    """One decision about a shrink, for the log, the metrics and the journal."""

    verdict: Verdict
    hold: int
    unit: Scope
    endpoints: int
    resources: tuple[str, ...]
    detail: str = ""
