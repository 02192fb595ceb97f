"""What operators decide about shrinks, over the mass rule: accept, reject, freeze, thaw."""

from collections import Counter
from collections.abc import Callable, Sequence

from meshregistry.model.instance import Scope
from meshregistry.store.departures import Departure, count_endpoints, list_units
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.holds import Cause, Confirmation, Hold, Verdict
from meshregistry.store.operator import Accept, Freeze, Reject, Thaw
from meshregistry.store.population import WINDOW_S, Census


class Overrides:
    """Does what operators have decided; called by the mass guard only, whose counts it is given.

    Every call that returns names returns the resources that have to be built again.
    """

    def __init__(self, book: HoldBook, census: Census, policy: Callable[[str], GuardPolicy]) -> None:
        self._book = book
        self._census = census
        self._policy = policy

    def obey(self, decision: Accept | Reject | Freeze | Thaw, now: float) -> set[str]:
        """Do what an operator has decided."""
        match decision:
            case Accept():
                return self._accept(decision.hold, decision.by)
            case Reject():
                self._reject(decision.hold, decision.by)
                return set()
            case Freeze():
                return self._freeze(decision.target, now, decision.by)
            case Thaw():
                return self._thaw(decision.target, now, decision.by)

    def _accept(self, name: str, by: str) -> set[str]:
        """Let a held shrink happen now; an unknown one, or one that holds more by now, changes nothing."""
        hold = next((hold for hold in self._book.holds.values() if hold.name == name), None)
        if hold is None:
            return set()
        gone = self._book.departures.held(hold.number)
        self._book.verdicts.tell(Verdict.ACCEPTED, hold, gone, by)
        return self._book.let_go(hold, gone)

    def _reject(self, name: str, by: str) -> None:
        """Keep what is held, and what comes to it, until the registry brings it back or somebody accepts."""
        number = name.partition("-")[0]
        hold = next((hold for hold in self._book.holds.values() if str(hold.number) == number), None)
        if hold is not None:
            hold.rejected = True
            self._book.verdicts.tell(Verdict.REJECTED, hold, self._book.departures.held(hold.number), by)

    def _freeze(self, target: Scope, now: float, by: str) -> set[str]:
        """Hold every shrink within a target from now on, and what left within the last minute."""
        if target in self._book.frozen:
            return set()
        gone = self._book.departures.loose_within(target, now - WINDOW_S)
        hold = self._book.open(target, Cause.FREEZE, now, self._census.count(target) + count_endpoints(gone))
        self._book.freeze(target, hold)
        for departure in gone:
            self._book.keep(departure, hold, now)
        self._book.verdicts.tell(Verdict.FROZEN, hold, gone, by)
        return self._book.resources(gone)

    def _thaw(self, target: Scope, now: float, by: str) -> set[str]:
        """End a freeze; what left meanwhile goes, unless it is much or within another freeze: then it is held on."""
        hold = self._book.thaw(target)
        if hold is None:
            return set()
        self._census.touch(target)
        for departure in self._book.departures.held(hold.number):
            self._book.keep_frozen(departure, now)
        gone = self._book.departures.held(hold.number)
        self._book.verdicts.tell(Verdict.THAWED, hold, gone, by)
        if self._is_much(hold, gone):
            hold.cause, hold.since = Cause.MASS, now
            hold.confirmations = {departure.key.scope: Confirmation(now) for departure in gone}
            self._book.verdicts.tell(Verdict.HELD, hold, gone)
            return set()
        return self._book.let_go(hold, gone)

    def _is_much(self, hold: Hold, gone: Sequence[Departure]) -> bool:
        """Whether what a freeze has kept would be held by itself: of all that was frozen, or of a unit within it.

        Of everything, or of a source with many namespaces, a namespace that came back empty is little.
        """
        lost = Counter[Scope]()
        for departure in gone:
            for unit in {hold.unit, *list_units(departure.key.scope)}:
                lost[unit] += len(departure.claim.endpoints)
        sources = {departure.key.scope.source for departure in gone}
        return any(
            number >= policy.mass_min and number > policy.mass_ratio * self._count_before(hold, unit, number)
            for unit, number in lost.items()
            for policy in map(self._policy, {unit.source} if unit.source else sources)
            if policy.mass_ratio > 0
        )

    def _count_before(self, hold: Hold, unit: Scope, lost: int) -> int:
        """Return how many endpoints a unit had; of those within what was frozen, what there is now and what it lost."""
        return hold.before if unit == hold.unit else self._census.count(unit) + lost
