"""Time as a test or an operator wants it: faster, or further on at once."""

import time
from collections.abc import Callable

import msgspec


class TimeChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of the clock; None leaves the factor as it is."""

    factor: float | None = None
    advance_s: float = 0.0


class SimClock:
    """Seconds since 1970 that pass `factor` times as fast as real ones. Owner of how far it is ahead."""

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._base = self._shown = real()
        self._factor = 1.0

    def __call__(self) -> float:
        """The time."""
        return self._shown + (self._real() - self._base) * self._factor

    def change(self, change: TimeChange) -> None:
        """Go on at once and at another pace."""
        self._shown, self._base = self() + change.advance_s, self._real()
        if change.factor is not None:
            self._factor = change.factor
