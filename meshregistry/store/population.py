"""How many endpoints the parts of registries have, and had within the last minute. Pure but for its own counts."""

from collections import defaultdict, deque

from meshregistry.model.instance import Scope
from meshregistry.store.departures import covers, list_units
from meshregistry.store.guard import GuardPolicy

WINDOW_S = 60.0
"""A shrink in pieces counts together for so long, seconds."""


class Population:
    """The endpoints that the registries name in one unit of counting; owned by the mass guard.

    Memory is bounded by what left within the window: only falling counts are remembered.
    """

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self._peaks: deque[tuple[float, int]] = deque()
        self._moved: deque[tuple[float, int]] = deque()

    def move(self, delta: int, now: float) -> None:
        """Note that endpoints came (positive) or left (negative)."""
        if delta < 0:
            while self._peaks and self._peaks[-1][1] <= self.count:
                self._peaks.pop()
            self._peaks.append((now, self.count))
        self.count += delta

    def displace(self, number: int, now: float) -> None:
        """Note that a changed configuration took endpoints from their resources, whatever it gave instead."""
        self._moved.append((now, number))

    def peak(self, now: float) -> int:
        """Return the highest count within the window, the present one included."""
        while self._peaks and self._peaks[0][0] < now - WINDOW_S:
            self._peaks.popleft()
        return max(self._peaks[0][1], self.count) if self._peaks else self.count

    def lost(self, now: float) -> int:
        """Return by how many endpoints the unit is smaller than it was within the window."""
        return self.peak(now) - self.count

    def displaced(self, now: float) -> int:
        """Return what a changed configuration took within the window: new names for everything shrink all old ones."""
        while self._moved and self._moved[0][0] < now - WINDOW_S:
            self._moved.popleft()
        return sum(number for _, number in self._moved)


class Census:
    """The populations of every unit that a scope belongs to; owned by the mass guard."""

    def __init__(self) -> None:
        self._populations: defaultdict[Scope, Population] = defaultdict(Population)
        self._touched: set[Scope] = set()

    def move(self, scope: Scope, delta: int, now: float) -> None:
        """Note that endpoints of a scope came (positive) or left (negative)."""
        for unit in list_units(scope):
            self._populations[unit].move(delta, now)
            self._touched.add(unit)

    def displace(self, scope: Scope, number: int, now: float) -> None:
        """Note that a changed configuration took endpoints of a scope from their resources."""
        for unit in list_units(scope):
            self._populations[unit].displace(number, now)
            self._touched.add(unit)

    def touch(self, target: Scope) -> None:
        """Have the units within a target looked at with those that moved."""
        self._touched.update(unit for unit in self._populations if covers(target, unit))

    def take_touched(self) -> list[Scope]:
        """Return the units that moved since the last call, the smallest first."""
        touched, self._touched = self._touched, set()
        return sorted(touched, key=lambda unit: sum(not part for part in unit))

    def count(self, target: Scope) -> int:
        """Return how many endpoints the registries name in a unit, or in all that a target covers."""
        if target in self._populations:
            return self._populations[target].count
        registries = {list_units(unit)[-1] for unit in self._populations if covers(target, unit)}
        return sum(self._populations[registry].count for registry in registries)

    def peak(self, unit: Scope, now: float) -> int:
        """Return the highest count of a unit within the window."""
        population = self._populations.get(unit)
        return population.peak(now) if population is not None else 0

    def is_massive(self, unit: Scope, policy: GuardPolicy, now: float) -> tuple[bool, bool]:
        """Whether what a unit lost within the window is suspicious, and whether what was displaced in it is."""
        population = self._populations.get(unit)
        if population is None or policy.mass_ratio <= 0:
            return False, False
        bound = policy.mass_ratio * population.peak(now)
        lost, displaced = population.lost(now), population.displaced(now)
        return bound < lost >= policy.mass_min, bound < displaced >= policy.mass_min
