"""Counters of what clients asked of the simulated server."""

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Traffic:
    """Calls by `METHOD /path` since the last reset; `in_flight_peak` is the most of them at one time."""

    requests: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    in_flight_peak: int = 0
    answered_at: float = 0.0
    """Monotonic seconds at which the last call was answered: the same clock for every process of a machine."""

    pushed_at: float = 0.0
    """The same for the last push."""

    def enter(self, method: str, path: str) -> None:
        """Count a call that begins."""
        self.requests[f"{method} {path}"] += 1
        self.in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)

    def leave(self) -> None:
        """A call has been answered or given up."""
        self.in_flight -= 1
        self.answered_at = time.monotonic()

    def reset(self) -> None:
        """Forget the counts; calls in flight stay counted."""
        self.requests.clear()
        self.in_flight_peak = self.in_flight
