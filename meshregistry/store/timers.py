"""Deadlines by name: one each, the newest wins."""

import heapq


class Timers:
    """A set of named deadlines in monotonic seconds; memory is bounded by a small multiple of the live names."""

    def __init__(self) -> None:
        self._deadlines: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def arm(self, name: str, deadline: float | None) -> None:
        """Replace the deadline of a name; None clears it."""
        if deadline is None:
            self._deadlines.pop(name, None)
        elif self._deadlines.get(name) != deadline:
            self._deadlines[name] = deadline
            heapq.heappush(self._heap, (deadline, name))
            self._compact()

    def next(self) -> float | None:
        """Return the earliest deadline, or None."""
        self._drop_outdated()
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> set[str]:
        """Take the names whose deadline has come."""
        names: set[str] = set()
        while (deadline := self.next()) is not None and deadline <= now:
            _, name = heapq.heappop(self._heap)
            del self._deadlines[name]
            names.add(name)
        return names

    def _drop_outdated(self) -> None:
        while self._heap and self._deadlines.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)

    def _compact(self) -> None:
        if len(self._heap) > 64 + 4 * len(self._deadlines):
            self._heap = [(deadline, name) for name, deadline in self._deadlines.items()]
            heapq.heapify(self._heap)
