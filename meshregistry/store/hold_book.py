"""What is held and what is frozen, with what is told about it. Bookkeeping only.

Why something is held and when it goes is decided in `store/mass.py`, or by operators (`store/overrides.py`).
"""

from collections.abc import Callable, Iterable, Sequence

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.departures import Departure, Departures, Place, covers, place_of
from meshregistry.store.holds import Cause, GuardEvent, HeldShrink, Hold, Verdict, export_hold, restore_hold
from meshregistry.store.homes import find_home
from meshregistry.store.verdicts import Verdicts


class HoldBook:
    """Owner of the departures, of the holds that keep some of them, and of what is frozen.

    Only the mass guard and operators' overrides decide what is in it. Calls that return names return the resources that
    have to be built again.
    """

    def __init__(self, home: Callable[[str], str | None], is_claimed: Callable[[str], bool]) -> None:
        """`home` is the one resource to which a host belongs by those who claim it, `is_claimed` whether any do."""
        self.departures = Departures()
        self.verdicts = Verdicts()
        self.holds: dict[int, Hold] = {}
        """By number, freezes that keep nothing included; changed here only."""

        self._home = home
        self._is_claimed = is_claimed
        self._frozen: dict[Scope, int] = {}
        self._next = 1

    @property
    def frozen(self) -> tuple[Scope, ...]:
        """What is frozen, in canonical order; an empty field stands for everything."""
        return tuple(sorted(self._frozen))

    @property
    def scopes(self) -> frozenset[Scope]:
        """What holds wait for a word about."""
        return frozenset(scope for hold in self.holds.values() for scope in hold.confirmations)

    @property
    def held_endpoints(self) -> int:
        """How many endpoints are served only because of a hold."""
        return self.departures.held_endpoints

    def claims(self, resource_name: str, live: Iterable[Claim] = ()) -> list[Claim]:
        """Return the claims that holds keep on a resource, whose `live` claims are these.

        They follow a host whose home is another resource by now (`store/homes.py`): in two resources it would be two
        services for istiod. Where nobody claims the host, its home is that of what is held of it.
        """
        if not self.holds:
            return []
        own = self.departures.held_claims(resource_name)
        homes = {host: self._find_home(host) for host in dict.fromkeys(claim.hosts[0] for claim in (*live, *own))}
        kept = [claim for claim in own if homes[claim.hosts[0]] in (None, resource_name)]
        here = [host for host, home in homes.items() if home == resource_name]
        guests = (claim for host in here for claim in self.departures.held_of_host(host))
        return [*kept, *(claim for claim in guests if claim.resource_name != resource_name)]

    def is_held(self, host: str) -> bool:
        """Whether something of a host is held, under whatever name; never in the slime profile."""
        return bool(self.departures.names_of_host(host))

    def find_hold(self, departure_claim: Claim) -> Hold | None:
        """Return the hold that keeps a claim served, if one does."""
        for departure in self.departures.of(departure_claim.key):
            if departure.claim is departure_claim:
                return self.holds.get(departure.hold)
        return None

    def departed(self, key: ServiceKey) -> set[Place]:
        """Return what a service lost within the last minute or a hold keeps of it: it may come back as its own."""
        return {place_of(each) for departure in self.departures.of(key) for each in departure.claim.endpoints}

    def resources(self, departures: Iterable[Departure]) -> set[str]:
        """Return the resources that departures belong to, or are served under."""
        claims = [departure.claim for departure in departures]
        names = {claim.resource_name for claim in claims}
        for host in {claim.hosts[0] for claim in claims}:
            home = self._home(host)
            names |= {home} if home is not None else self.departures.names_of_host(host)
        return names

    def list_moving(self, before: Sequence[Claim], after: Sequence[Claim]) -> set[str]:
        """Return the resources under which something is held of hosts whose home may be another one now."""
        if not self.holds:
            return set()
        hosts = {claim.hosts[0] for claim in (*before, *after)}
        return set().union(*(self.departures.names_of_host(host) for host in hosts))

    def _find_home(self, host: str) -> str | None:
        """Return the resource that a host belongs to; where nobody claims it that of those whose claims are held."""
        home = self._home(host)
        if home is not None or self._is_claimed(host) or len(self.departures.names_of_host(host)) < 2:
            return home
        return find_home(self.departures.held_of_host(host))

    def open(self, unit: Scope, cause: Cause, now: float, before: int) -> Hold:
        """Begin a hold of a unit that had so many endpoints before; it keeps nothing yet."""
        hold = self.holds[self._next] = Hold(self._next, unit, cause, now, before)
        self._next += 1
        return hold

    def keep(self, departure: Departure, hold: Hold, now: float) -> None:
        """Have a hold keep a departure, from now on or instead of another one."""
        former = self.holds.get(departure.hold)
        self.departures.hold(departure, hold.number)
        if former is not None:
            self._end_empty(former)
        hold.put(departure, now)

    def withdraw(self, departure: Departure, places: set[Place], verdict: Verdict, detail: str = "") -> set[str]:
        """Take places out of a departure, and tell why if it is held."""
        hold = self.holds.get(departure.hold)
        self.departures.shrink(departure, places)
        if hold is None:
            return set()
        name, names = departure.claim.resource_name, self.resources([departure])
        self.verdicts.tell_one(GuardEvent(verdict, hold.number, hold.unit, len(places), (name,), detail))
        self._end_empty(hold)
        return names

    def let_go(self, hold: Hold, gone: Sequence[Departure]) -> set[str]:
        """Make departures that a hold keeps final; the hold ends with the last one, unless it is that of a freeze."""
        names = self.resources(gone)
        for departure in gone:
            self.departures.forget(departure)
        self._close_empty(hold)
        return names

    def freeze(self, target: Scope, hold: Hold) -> None:
        """Have a hold keep what leaves within a target from now on."""
        self._frozen[target] = hold.number

    def thaw(self, target: Scope) -> Hold | None:
        """End a freeze; returns its hold, which keeps what it has. None where the target is not frozen."""
        return self.holds.get(self._frozen.pop(target, 0))

    def freeze_of(self, scope: Scope) -> Scope | None:
        """Return the target of a freeze that a scope lies within."""
        return next((target for target in self._frozen if covers(target, scope)), None)

    def frozen_since(self, scope: Scope) -> float | None:
        """Return since when nothing may leave a scope, monotonic seconds; None when it may."""
        holds = [self.holds[number] for target, number in self._frozen.items() if covers(target, scope)]
        return min((hold.since for hold in holds), default=None)

    def keep_frozen(self, departure: Departure, now: float) -> list[Departure]:
        """Keep a departure that lies within a freeze; returns it if it does."""
        target = self.freeze_of(departure.key.scope)
        if target is None:
            return []
        self.keep(departure, self.holds[self._frozen[target]], now)
        return [departure]

    def export(self) -> tuple[HeldShrink, ...]:
        """Return every hold with what it keeps."""
        return tuple(
            export_hold(hold, self.departures.held(hold.number), frozen=self._frozen.get(hold.unit) == hold.number)
            for hold in self.holds.values()
        )

    def restore(self, shrinks: Iterable[HeldShrink], now: float) -> None:
        """Go on with the holds of another process, before anything else is held.

        A confirmation goes on with the next statement: the time in between has confirmed nothing.
        """
        for shrink in shrinks:
            self.holds[shrink.number] = restore_hold(shrink, now)
            self._next = max(self._next, shrink.number + 1)
            if shrink.frozen:
                self._frozen[shrink.unit] = shrink.number
            for claim in shrink.claims:
                departure = self.departures.add(claim, now, doubted=shrink.doubted)
                self.departures.hold(departure, shrink.number)

    def _end_empty(self, hold: Hold) -> None:
        self._close_empty(hold)
        if hold.number not in self.holds:
            self.verdicts.tell(Verdict.ENDED, hold, ())

    def _close_empty(self, hold: Hold) -> None:
        if not self.departures.is_held(hold.number) and hold.number not in self._frozen.values():
            self.holds.pop(hold.number, None)
