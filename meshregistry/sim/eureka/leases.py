"""Leases and the rules by which they end (eureka-core, Lease and AbstractInstanceRegistry)."""

from collections import Counter
from dataclasses import dataclass

from meshregistry.sim.eureka.records import Record

_MINUTE_S = 60.0
_EXPECTED_RENEWAL_S = 30.0


@dataclass(slots=True, eq=False)
class Lease:
    """One registration that is alive until its time is over; times are the server's seconds since 1970.

    The queue of changes holds leases, not copies: what it shows is the latest state.
    """

    record: Record
    registered_at: float
    renewed_at: float
    up_at: float = 0.0
    written: bytes = b""
    """The record as it was last written, until it changes."""

    def renew(self, now: float) -> None:
        """Put the end off: by two durations, a fault of Netflix's that was kept for compatibility."""
        self.renewed_at = now + self.record.duration_s
        self.written = b""

    def change(self, record: Record) -> None:
        """Let the record be another."""
        self.record, self.written = record, b""

    def is_expired(self, now: float) -> bool:
        """Whether its time is over."""
        return now > self.renewed_at + self.record.duration_s


class RenewalRate:
    """Counts renewals by the minute. Owner of the two counters; the last full minute is what counts."""

    def __init__(self, now: float) -> None:
        self._start = now
        self._minutes: Counter[int] = Counter()

    def note(self, now: float) -> None:
        """Count one."""
        self._minutes[self._minute(now)] += 1

    def last_minute(self, now: float) -> int:
        """How many there were in the last full minute."""
        current = self._minute(now)
        self._minutes = Counter({minute: self._minutes[minute] for minute in (current - 1, current)})
        return self._minutes[current - 1]

    def _minute(self, now: float) -> int:
        return int((now - self._start) // _MINUTE_S)


def renewal_threshold(leases: int, percent: float) -> int:
    """How many renewals a minute must bring for leases to expire at all: self-preservation."""
    return int(leases * (_MINUTE_S / _EXPECTED_RENEWAL_S) * percent)
