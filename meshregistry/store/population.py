"""How many endpoints a part of a registry has, and had within the last minute. Pure but for its own counts."""

from collections import deque

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
        """Return by how many endpoints the unit is smaller than it was within the window.

        What a changed configuration took counts in full: new names for everything are a shrink of every old one.
        """
        while self._moved and self._moved[0][0] < now - WINDOW_S:
            self._moved.popleft()
        return max(self.peak(now) - self.count, sum(number for _, number in self._moved))
