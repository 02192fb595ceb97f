"""The mass rule: an authoritative shrink that is suspiciously large is held until it is confirmed.

A small one is, too, while it is in doubt (`store/doubts.py`), for a shorter time. Additions always flow. What is
counted, and why so: docs/adr/0006.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.departures import (
    Departure,
    Place,
    give_up_taken,
    group_by_unit,
    list_units,
    partition,
    place_of,
)
from meshregistry.store.given_up import GivenUp
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.holds import Cause, Hold, HoldReport, Verdict, report_hold
from meshregistry.store.operator import Accept, Freeze, Reject, Thaw
from meshregistry.store.overrides import Overrides
from meshregistry.store.population import WINDOW_S, Census
from meshregistry.store.progress import Progress


class MassGuard:
    """Owner of the counts; decides what the book of holds keeps, and when that goes.

    Told of every replaced contribution (`note`), asked once per batch (`settle`). Every call that returns names
    returns the resources that have to be built again.
    """

    def __init__(self, policy: Callable[[str], GuardPolicy], book: HoldBook, given_up: GivenUp) -> None:
        self._policy = policy
        self._book = book
        self._departures = book.departures
        self._given_up = given_up
        self._census = Census()
        self._overrides = Overrides(book, self._census, policy)
        self._doubtful: list[Departure] = []
        self._swept_at = 0.0
        self.progress = Progress()

    def note(
        self,
        key: ServiceKey,
        before: Sequence[Claim],
        after: Sequence[Claim],
        now: float,
        doubted: AbstractSet[Place] | None = None,
    ) -> set[str]:
        """Take what a service contributed before and contributes now.

        `doubted` are places that it may only not have again yet; None where nothing is in doubt.
        """
        delta = sum(len(claim.endpoints) for claim in after) - sum(len(claim.endpoints) for claim in before)
        if delta:
            self._census.move(key.scope, delta, now)
        own = self._book.departed(key)
        dirty = self._take_back(key, after) if self._departures.of(key) else set()
        policy = self._policy(key.scope.source)
        doubted = doubted if policy.doubt_hold_s > 0 else None
        if before and (policy.mass_ratio > 0 or doubted is not None or self._book.freeze_of(key.scope)):
            dirty |= self._take_away(before, after, now, doubted)
        return dirty | self._supersede(key, before, after, own) | self._book.list_moving(before, after)

    def settle(self, now: float, newcomers: Iterable[tuple[Place, ServiceKey, float]] = ()) -> set[str]:
        """Decide about what was noted since the last call; `newcomers` have newly registered places lately.

        The mass rule comes first, as it holds for longer.
        """
        doubtful, self._doubtful = self._doubtful, []
        if doubtful:
            give_up_taken(self._departures, doubtful, newcomers)
        dirty: set[str] = set()
        for unit in self._census.take_touched():
            dirty |= self._release_recovered(unit)
            shrank, moved = self._census.is_massive(unit, self._policy(unit.source), now)
            dirty |= self._hold(unit, now, only_displaced=not shrank) if shrank or moved else set()
        dirty |= self._hold_doubtful(doubtful, now)
        if now >= self._swept_at + WINDOW_S:
            self._departures.sweep(now - WINDOW_S)
            self._swept_at = now
        return dirty

    def confirm(self, statement: Scope, now: float) -> set[str]:
        """Take note that a registry has just said what it holds of a scope; what is confirmed for long enough goes."""
        return self._confirm(lambda hold: hold.stated(statement), now)

    def confirm_withdrawn(self, scopes: AbstractSet[Scope], now: float) -> set[str]:
        """Take note that of all these scopes no registry speaks any more."""
        return self._confirm(lambda hold: [scope for scope in hold.confirmations if scope in scopes], now)

    def _confirm(self, stated: Callable[[Hold], list[Scope]], now: float) -> set[str]:
        dirty: set[str] = set()
        for hold in tuple(self._book.holds.values()):
            scopes = stated(hold)
            terms = [self._policy(source).mass_hold_s for source in {scope.source for scope in scopes}]
            self.progress.note(scopes, now, min(terms, default=0.0))
            confirmed = hold.confirm(scopes, now, self._policy)
            ripe = {scope for scope in confirmed if self._book.freeze_of(scope) is None}
            gone = [each for each in self._departures.held(hold.number) if each.key.scope in ripe] if ripe else []
            for scope in ripe:
                del hold.confirmations[scope]
            if gone:
                self._book.verdicts.tell(Verdict.CONFIRMED, hold, gone)
                dirty |= self._book.let_go(hold, gone)
        return dirty

    def obey(self, decision: Accept | Reject | Freeze | Thaw, now: float) -> set[str]:
        """Do what an operator has decided."""
        return self._overrides.obey(decision, now)

    def list_holds(self, now: float) -> list[HoldReport]:
        """Return every held shrink, the oldest first."""
        return [
            report_hold(hold, self._departures.held(hold.number), self._census.count(hold.unit), now)
            for hold in self._book.holds.values()
        ]

    def _take_back(self, key: ServiceKey, after: Sequence[Claim]) -> set[str]:
        """Forget the departures of endpoints that are registered again."""
        by_resource = {claim.resource_name: claim for claim in after}
        dirty = set()
        for departure in self._departures.of(key):
            claim = by_resource.get(departure.claim.resource_name)
            if claim is None:
                continue
            back = {place_of(endpoint) for endpoint in claim.endpoints}
            returned = back & {place_of(endpoint) for endpoint in departure.claim.endpoints}
            if returned or not departure.claim.endpoints:
                dirty |= self._book.withdraw(departure, returned, Verdict.RETURNED)
        return dirty

    def _take_away(
        self, before: Sequence[Claim], after: Sequence[Claim], now: float, doubted: AbstractSet[Place] | None
    ) -> set[str]:
        """Remember the endpoints that are registered no longer."""
        by_resource = {claim.resource_name: claim for claim in after}
        held: list[Departure] = []
        for claim in before:
            successor = by_resource.get(claim.resource_name)
            if successor is claim:
                continue
            stays = {place_of(endpoint) for endpoint in successor.endpoints} if successor else set()
            gone = tuple(endpoint for endpoint in claim.endpoints if place_of(endpoint) not in stays)
            if gone or (successor is None and not claim.endpoints):
                left = claim if len(gone) == len(claim.endpoints) else msgspec.structs.replace(claim, endpoints=gone)
                for part in (left,) if doubted is None else partition(left, doubted):
                    is_doubted = doubted is not None and all(place_of(each) in doubted for each in part.endpoints)
                    departure = self._departures.add(part, now, doubted=is_doubted)
                    self._doubtful += [departure] if is_doubted else []
                    departure.displaced = bool(after) and after[0].policy != claim.policy
                    if departure.displaced:
                        self._census.displace(claim.key.scope, len(part.endpoints), now)
                    held += self._book.keep_frozen(departure, now)
        return self._book.resources(held)

    def _supersede(self, key: ServiceKey, before: Sequence[Claim], after: Sequence[Claim], own: set[Place]) -> set[str]:
        """Let held endpoints go whose place another service has newly taken: traffic would go to the wrong one.

        What comes back to it (`own`) is not new: two services of one process have always shared it.
        """
        if not self._book.holds:
            return set()
        known = own | {place_of(endpoint) for claim in before for endpoint in claim.endpoints}
        dirty: set[str] = set()
        for place in {place_of(endpoint) for claim in after for endpoint in claim.endpoints} - known:
            for departure in self._departures.held_at(place):
                if departure.key != key:
                    names = self._book.withdraw(departure, {place}, Verdict.SUPERSEDED, str(key))
                    self._given_up.note(names, place)
                    dirty |= names
        return dirty

    def _hold(self, unit: Scope, now: float, *, only_displaced: bool) -> set[str]:
        """Hold what left a unit within the window, all or what was displaced; what is doubtful until now included."""
        since = now - WINDOW_S
        gone = [*self._departures.loose(unit, since), *self._list_doubtful(unit, since)]
        gone = [each for each in gone if each.displaced or not only_displaced]
        return self._keep_together(unit, Cause.MASS, gone, now) if gone else set()

    def _list_doubtful(self, unit: Scope, since: float) -> list[Departure]:
        """Return what left a unit since a moment and is held as doubtful."""
        doubts = [hold.number for hold in self._book.holds.values() if hold.cause is Cause.DOUBT and not hold.rejected]
        gone = (departure for number in doubts for departure in self._departures.held(number))
        return [each for each in gone if each.at >= since and unit in list_units(each.key.scope)]

    def _hold_doubtful(self, doubtful: Iterable[Departure], now: float) -> set[str]:
        """Hold of what is in doubt what left and no other rule holds; by the smallest unit."""
        left = group_by_unit(each for each in doubtful if not each.hold and self._departures.has(each))
        return set().union(*(self._keep_together(unit, Cause.DOUBT, gone, now) for unit, gone in left.items()))

    def _keep_together(self, unit: Scope, cause: Cause, gone: Sequence[Departure], now: float) -> set[str]:
        """Hold departures of a unit by the newest hold with that cause, if that is younger than the window."""
        same = (hold for hold in self._book.holds.values() if hold.unit == unit and hold.cause is cause)
        newest = max(same, key=lambda hold: hold.number, default=None)
        is_same = newest is not None and newest.since >= now - WINDOW_S
        if newest is None or not is_same:
            newest = self._book.open(unit, cause, now, self._census.peak(unit, now))
        for departure in gone:
            self._book.keep(departure, newest, now)
        begun = Verdict.DOUBTED if cause is Cause.DOUBT else Verdict.HELD
        self._book.verdicts.tell(Verdict.GROWN if is_same else begun, newest, gone)
        return self._book.resources(gone)

    def _release_recovered(self, unit: Scope) -> set[str]:
        """Let a hold go once the unit has as many endpoints again: others have taken the place of what left.

        What has other names by another configuration is as many at once, and its old hosts are still called. What is
        in doubt may be somebody else's than who took the place: it has the time of a doubt from the shrink on.
        """
        dirty: set[str] = set()
        for hold in [each for each in self._book.holds.values() if each.unit == unit and each.cause is Cause.MASS]:
            held = self._departures.held(hold.number)
            gone = [departure for departure in held if self._book.freeze_of(departure.key.scope) is None]
            if not gone or self._census.count(unit) < hold.before or hold.rejected or hold.displaced:
                continue
            self._book.verdicts.tell(Verdict.RECOVERED, hold, gone)
            if hold.doubted:
                hold.cause = Cause.DOUBT
                self._book.verdicts.tell(Verdict.DOUBTED, hold, gone)
            else:
                dirty |= self._book.let_go(hold, gone)
        return dirty
