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
    Departures,
    Place,
    count_endpoints,
    covers,
    give_up_taken,
    group_by_unit,
    list_units,
    partition,
    place_of,
)
from meshregistry.store.given_up import GivenUp
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.holds import (
    Cause,
    Confirmation,
    GuardEvent,
    HeldShrink,
    Hold,
    HoldReport,
    Verdict,
    export_hold,
    report_hold,
    restore_hold,
)
from meshregistry.store.operator import Accept, Freeze, Reject, Thaw
from meshregistry.store.population import WINDOW_S, Census
from meshregistry.store.progress import Progress
from meshregistry.store.verdicts import Verdicts


class MassGuard:
    """Owner of the counts, of what left lately, of the holds and of what is frozen.

    Told of every replaced contribution (`note`), asked once per batch (`settle`). Every call that returns names
    returns the resources that have to be built again.
    """

    def __init__(
        self, policy: Callable[[str], GuardPolicy], home: Callable[[str], str | None], given_up: GivenUp
    ) -> None:
        self._policy = policy
        self._home = home
        self._given_up = given_up
        self._census = Census()
        self._departures = Departures()
        self._holds: dict[int, Hold] = {}
        self._frozen: dict[Scope, int] = {}
        self._verdicts = Verdicts()
        self._doubtful: list[Departure] = []
        self._next = 1
        self._swept_at = 0.0
        self.progress = Progress()

    @property
    def frozen(self) -> tuple[Scope, ...]:
        """What is frozen, in canonical order; an empty field stands for everything."""
        return tuple(sorted(self._frozen))

    @property
    def hold_count(self) -> int:
        """How many shrinks are held, freezes that keep nothing included."""
        return len(self._holds)

    @property
    def scopes(self) -> frozenset[Scope]:
        """What holds wait for a word about."""
        return frozenset(scope for hold in self._holds.values() for scope in hold.confirmations)

    @property
    def held_endpoints(self) -> int:
        """How many endpoints are served only because of a hold."""
        return self._departures.held_endpoints

    def claims(self, resource_name: str, live: Iterable[Claim] = ()) -> list[Claim]:
        """Return the claims that holds keep on a resource, whose `live` claims are these.

        They follow a host whose home is another resource by now (`store/homes.py`): in two resources it would be two
        services for istiod.
        """
        own = self._departures.held_claims(resource_name)
        kept = [claim for claim in own if self._home(claim.hosts[0]) in (None, resource_name)]
        if not self._holds:
            return kept
        hosts = dict.fromkeys(claim.hosts[0] for claim in live if self._home(claim.hosts[0]) == resource_name)
        guests = (claim for host in hosts for claim in self._departures.held_of_host(host))
        return [*kept, *(claim for claim in guests if claim.resource_name != resource_name)]

    def frozen_since(self, scope: Scope) -> float | None:
        """Return since when nothing may leave a scope, monotonic seconds; None when it may."""
        holds = [self._holds[number] for target, number in self._frozen.items() if covers(target, scope)]
        return min((hold.since for hold in holds), default=None)

    def take_events(self) -> list[GuardEvent]:
        """Return the decisions since the last call."""
        return self._verdicts.take()

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
        own = self.departed(key)
        dirty = self._take_back(key, after) if self._departures.of(key) else set()
        policy = self._policy(key.scope.source)
        doubted = doubted if policy.doubt_hold_s > 0 else None
        if before and (policy.mass_ratio > 0 or doubted is not None or self._freeze_of(key.scope)):
            dirty |= self._take_away(before, after, now, doubted)
        return dirty | self._supersede(key, before, after, own) | self._move_homes(before, after)

    def departed(self, key: ServiceKey) -> set[Place]:
        """Return what a service lost within the last minute or a hold keeps of it: it may come back as its own."""
        return {place_of(each) for departure in self._departures.of(key) for each in departure.claim.endpoints}

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
        for hold in tuple(self._holds.values()):
            scopes, policy = stated(hold), self._policy(hold.unit.source)
            self.progress.note(scopes, now, policy.mass_hold_s)
            confirmed = hold.confirm(scopes, now, policy)
            ripe = {scope for scope in confirmed if self._freeze_of(scope) is None}
            gone = [each for each in self._departures.held(hold.number) if each.key.scope in ripe] if ripe else []
            for scope in ripe:
                del hold.confirmations[scope]
            if gone:
                self._verdicts.tell(Verdict.CONFIRMED, hold, gone)
                dirty |= self._let_go(hold, gone)
        return dirty

    def obey(self, decision: Accept | Reject | Freeze | Thaw, now: float) -> set[str]:
        """Do what an operator has decided."""
        match decision:
            case Accept():
                return self.accept(decision.hold, decision.by)
            case Reject():
                self.reject(decision.hold, decision.by)
                return set()
            case Freeze():
                return self.freeze(decision.target, now, decision.by)
            case Thaw():
                return self.thaw(decision.target, now, decision.by)

    def accept(self, name: str, by: str) -> set[str]:
        """Let a held shrink happen now; an unknown one, or one that holds more by now, changes nothing."""
        hold = next((hold for hold in self._holds.values() if hold.name == name), None)
        if hold is None:
            return set()
        gone = self._departures.held(hold.number)
        self._verdicts.tell(Verdict.ACCEPTED, hold, gone, by)
        return self._let_go(hold, gone)

    def reject(self, name: str, by: str) -> None:
        """Keep what is held, and what comes to it, until the registry brings it back or somebody accepts."""
        number = name.partition("-")[0]
        hold = next((hold for hold in self._holds.values() if str(hold.number) == number), None)
        if hold is not None:
            hold.rejected = True
            self._verdicts.tell(Verdict.REJECTED, hold, self._departures.held(hold.number), by)

    def freeze(self, target: Scope, now: float, by: str) -> set[str]:
        """Hold every shrink within a target from now on, and what left within the last minute."""
        if target in self._frozen:
            return set()
        gone = self._departures.loose_within(target, now - WINDOW_S)
        hold = self._open(target, Cause.FREEZE, now, self._census.count(target) + count_endpoints(gone))
        self._frozen[target] = hold.number
        for departure in gone:
            self._keep(departure, hold, now)
        self._verdicts.tell(Verdict.FROZEN, hold, gone, by)
        return self._resources(gone)

    def thaw(self, target: Scope, now: float, by: str) -> set[str]:
        """End a freeze; what left meanwhile goes, unless it is much or within another freeze: then it is held on."""
        hold = self._holds.get(self._frozen.pop(target, 0))
        if hold is None:
            return set()
        self._census.touch(target)
        for departure in self._departures.held(hold.number):
            self._keep_frozen(departure, now)
        gone = self._departures.held(hold.number)
        self._verdicts.tell(Verdict.THAWED, hold, gone, by)
        if self._is_much(hold, gone):
            hold.cause, hold.since = Cause.MASS, now
            hold.confirmations = {departure.key.scope: Confirmation(now) for departure in gone}
            self._verdicts.tell(Verdict.HELD, hold, gone)
            return set()
        self._holds.pop(hold.number, None)
        return self._let_go(hold, gone)

    def export(self) -> tuple[HeldShrink, ...]:
        """Return every hold with what it keeps."""
        return tuple(
            export_hold(hold, self._departures.held(hold.number), frozen=self._frozen.get(hold.unit) == hold.number)
            for hold in self._holds.values()
        )

    def restore(self, shrinks: Iterable[HeldShrink], now: float) -> None:
        """Go on with the holds of another process, before anything else is held.

        A confirmation goes on with the next statement: the time in between has confirmed nothing.
        """
        for shrink in shrinks:
            self._holds[shrink.number] = restore_hold(shrink, now)
            self._next = max(self._next, shrink.number + 1)
            if shrink.frozen:
                self._frozen[shrink.unit] = shrink.number
            for claim in shrink.claims:
                departure = self._departures.add(claim, now, doubted=shrink.doubted)
                self._departures.hold(departure, shrink.number)

    def list_holds(self, now: float) -> list[HoldReport]:
        """Return every held shrink, the oldest first."""
        return [
            report_hold(hold, self._departures.held(hold.number), self._census.count(hold.unit), now)
            for hold in self._holds.values()
        ]

    def find_hold(self, departure_claim: Claim) -> Hold | None:
        """Return the hold that keeps a claim served, if one does."""
        for departure in self._departures.of(departure_claim.key):
            if departure.claim is departure_claim:
                return self._holds.get(departure.hold)
        return None

    def _move_homes(self, before: Sequence[Claim], after: Sequence[Claim]) -> set[str]:
        """Return the resources under which something is held of hosts whose home may be another one now."""
        if not self._holds:
            return set()
        hosts = {claim.hosts[0] for claim in (*before, *after)}
        return {claim.resource_name for host in hosts for claim in self._departures.held_of_host(host)}

    def _resources(self, departures: Iterable[Departure]) -> set[str]:
        """Return the resources that departures belong to, or are served under."""
        claims = [departure.claim for departure in departures]
        homes = {self._home(claim.hosts[0]) for claim in claims}
        return {claim.resource_name for claim in claims} | {home for home in homes if home is not None}

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
                dirty |= self._withdraw(departure, returned, Verdict.RETURNED)
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
                    held += self._keep_frozen(departure, now)
        return self._resources(held)

    def _supersede(self, key: ServiceKey, before: Sequence[Claim], after: Sequence[Claim], own: set[Place]) -> set[str]:
        """Let held endpoints go whose place another service has newly taken: traffic would go to the wrong one.

        What comes back to it (`own`) is not new: two services of one process have always shared it.
        """
        if not self._holds:
            return set()
        known = own | {place_of(endpoint) for claim in before for endpoint in claim.endpoints}
        dirty: set[str] = set()
        for place in {place_of(endpoint) for claim in after for endpoint in claim.endpoints} - known:
            for departure in self._departures.held_at(place):
                if departure.key != key:
                    names = self._withdraw(departure, {place}, Verdict.SUPERSEDED, str(key))
                    self._given_up.note(names, place)
                    dirty |= names
        return dirty

    def _withdraw(self, departure: Departure, places: set[Place], verdict: Verdict, detail: str = "") -> set[str]:
        hold = self._holds.get(departure.hold)
        self._departures.shrink(departure, places)
        if hold is None:
            return set()
        name, names = departure.claim.resource_name, self._resources([departure])
        self._verdicts.tell_one(GuardEvent(verdict, hold.number, hold.unit, len(places), (name,), detail))
        self._end_empty(hold)
        return names

    def _is_much(self, hold: Hold, gone: Sequence[Departure]) -> bool:
        """Whether what a freeze has kept would be held by itself."""
        lost = count_endpoints(gone)
        policies = [self._policy(source) for source in {departure.key.scope.source for departure in gone}]
        return any(
            policy.mass_ratio > 0 and lost >= policy.mass_min and lost > policy.mass_ratio * hold.before
            for policy in policies
        )

    def _hold(self, unit: Scope, now: float, *, only_displaced: bool) -> set[str]:
        """Hold what left a unit within the window, all or what was displaced; what is doubtful until now included."""
        since = now - WINDOW_S
        gone = [*self._departures.loose(unit, since), *self._list_doubtful(unit, since)]
        gone = [each for each in gone if each.displaced or not only_displaced]
        return self._keep_together(unit, Cause.MASS, gone, now) if gone else set()

    def _list_doubtful(self, unit: Scope, since: float) -> list[Departure]:
        """Return what left a unit since a moment and is held as doubtful."""
        doubts = [hold.number for hold in self._holds.values() if hold.cause is Cause.DOUBT and not hold.rejected]
        gone = (departure for number in doubts for departure in self._departures.held(number))
        return [each for each in gone if each.at >= since and unit in list_units(each.key.scope)]

    def _hold_doubtful(self, doubtful: Iterable[Departure], now: float) -> set[str]:
        """Hold of what is in doubt what left and no other rule holds; by the smallest unit."""
        left = group_by_unit(each for each in doubtful if not each.hold and self._departures.has(each))
        return set().union(*(self._keep_together(unit, Cause.DOUBT, gone, now) for unit, gone in left.items()))

    def _keep_together(self, unit: Scope, cause: Cause, gone: Sequence[Departure], now: float) -> set[str]:
        """Hold departures of a unit by the newest hold with that cause, if that is younger than the window."""
        same = (hold for hold in self._holds.values() if hold.unit == unit and hold.cause is cause)
        newest = max(same, key=lambda hold: hold.number, default=None)
        is_same = newest is not None and newest.since >= now - WINDOW_S
        if newest is None or not is_same:
            newest = self._open(unit, cause, now, self._census.peak(unit, now))
        for departure in gone:
            self._keep(departure, newest, now)
        begun = Verdict.DOUBTED if cause is Cause.DOUBT else Verdict.HELD
        self._verdicts.tell(Verdict.GROWN if is_same else begun, newest, gone)
        return self._resources(gone)

    def _keep_frozen(self, departure: Departure, now: float) -> list[Departure]:
        target = self._freeze_of(departure.key.scope)
        if target is None:
            return []
        self._keep(departure, self._holds[self._frozen[target]], now)
        return [departure]

    def _freeze_of(self, scope: Scope) -> Scope | None:
        return next((target for target in self._frozen if covers(target, scope)), None)

    def _open(self, unit: Scope, cause: Cause, now: float, before: int) -> Hold:
        hold = self._holds[self._next] = Hold(self._next, unit, cause, now, before)
        self._next += 1
        return hold

    def _keep(self, departure: Departure, hold: Hold, now: float) -> None:
        former = self._holds.get(departure.hold)
        self._departures.hold(departure, hold.number)
        if former is not None:
            self._end_empty(former)
        hold.put(departure, now)

    def _release_recovered(self, unit: Scope) -> set[str]:
        """Let a hold go once the unit has as many endpoints again: others have taken the place of what left.

        What has other names by another configuration is as many at once, and its old hosts are still called. What is
        in doubt may be somebody else's than who took the place: it has the time of a doubt from the shrink on.
        """
        dirty: set[str] = set()
        for hold in [each for each in self._holds.values() if each.unit == unit and each.cause is Cause.MASS]:
            held = self._departures.held(hold.number)
            gone = [departure for departure in held if self._freeze_of(departure.key.scope) is None]
            if not gone or self._census.count(unit) < hold.before or hold.rejected or hold.displaced:
                continue
            self._verdicts.tell(Verdict.RECOVERED, hold, gone)
            if hold.doubted:
                hold.cause = Cause.DOUBT
                self._verdicts.tell(Verdict.DOUBTED, hold, gone)
            else:
                dirty |= self._let_go(hold, gone)
        return dirty

    def _let_go(self, hold: Hold, gone: Iterable[Departure]) -> set[str]:
        names = self._resources(gone)
        for departure in tuple(gone):
            self._departures.forget(departure)
        self._close_empty(hold)
        return names

    def _end_empty(self, hold: Hold) -> None:
        self._close_empty(hold)
        if hold.number not in self._holds:
            self._verdicts.tell(Verdict.ENDED, hold, ())

    def _close_empty(self, hold: Hold) -> None:
        if not self._departures.is_held(hold.number) and hold.number not in self._frozen.values():
            self._holds.pop(hold.number, None)
