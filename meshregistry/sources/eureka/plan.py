"""When changes are enough and when everything must be read, and when a small answer is believed. Pure but for memory.

The rules follow what the server does (eureka-core, AbstractInstanceRegistry and ResponseCacheImpl): changes are kept
for three minutes, and the hash only counts, so that one instance in another's place leaves it equal.
"""

from collections import deque
from enum import StrEnum

from meshregistry.sources.eureka.options import EurekaOptions, HoldOptions, Mode

_STALE_S = 150.0
"""Servers remember a change for 180 s: after a longer silence changes may be missing."""

_NO_DELTA_S = 600.0
"""How long a server that does not offer changes, or whose changes do not agree, is read in full."""

_MOST_FAULTS = 5
_FAULT_WINDOW_S = 600.0
_INCONSISTENT_RETRY_S = 5.0
_MOST_INCONSISTENT = 3


class Reason(StrEnum):
    """Why everything is read."""

    FIRST = "first"
    SERVER = "server"
    STALE = "stale"
    INTERVAL = "interval"
    MISMATCH = "mismatch"
    RESTART = "restart"
    REFUSED = "delta_refused"
    UNREADABLE = "delta_unreadable"
    NO_DELTA = "no_delta"
    INCONSISTENT = "inconsistent"
    HELD = "held"
    MODE = "mode"
    OPERATOR = "operator"


FAULTS = frozenset({Reason.MISMATCH, Reason.RESTART, Reason.UNREADABLE})
"""Reasons for which a server is read in full for a while when they come often."""


class FetchPlan:
    """Decides between changes and everything. Owner of what is remembered of earlier readings of one registry."""

    def __init__(self, options: EurekaOptions, *, deltas: bool) -> None:
        self._full_period_s = options.full_period_s
        self._refresh_s = options.polling.refresh_period_s
        self._jitter = options.polling.jitter
        self._wants_deltas = deltas and options.mode is Mode.DELTA
        self._node = ""
        self._version: int | None = None
        self._last_read: float | None = None
        self._last_full: float | None = None
        self._full_due_at = 0.0
        self._no_delta: tuple[Reason, float] | None = None
        self._again: Reason | None = None
        self._inconsistent = 0
        self._faults: deque[float] = deque(maxlen=_MOST_FAULTS + 1)

    @property
    def last_full(self) -> float | None:
        """When everything was last read, monotonic seconds."""
        return self._last_full

    def full_reason(self, node: str, now: float) -> Reason | None:
        """Return why everything must be read from a node now, None when its changes are enough."""
        if not self._wants_deltas:
            return Reason.MODE
        if self._last_read is None:
            return Reason.FIRST
        if node != self._node:
            return Reason.SERVER
        if self._again is not None:
            return self._again
        if self._no_delta is not None and now < self._no_delta[1]:
            return self._no_delta[0]
        if now - self._last_read > _STALE_S:
            return Reason.STALE
        return Reason.INTERVAL if now >= self._full_due_at else None

    def offers_deltas(self, now: float) -> bool:
        """Whether changes will be asked for next."""
        return self._wants_deltas and (self._no_delta is None or now >= self._no_delta[1])

    def next_period_s(self, now: float, delta_period_s: float) -> float:
        """Return the time from the start of this reading to that of the next."""
        if self._again is Reason.INCONSISTENT:
            return min(_INCONSISTENT_RETRY_S, self._refresh_s)
        return min(delta_period_s, self._refresh_s) if self.offers_deltas(now) else self._refresh_s

    def went_back(self, version: int | None) -> bool:
        """Whether a delta's version says that the server has started anew since the last one."""
        return version is not None and self._version is not None and version < self._version

    def request_full(self) -> None:
        """Have everything read next; until that was taken over, the request stands."""
        self._again = self._again or Reason.OPERATOR

    def note_delta(self, version: int | None, now: float) -> None:
        """Note that changes were applied and agreed."""
        self._version = version
        self._last_read = now

    def note_repeated(self, now: float) -> None:
        """Note that the changes are those that were applied last."""
        self._last_read = now

    def note_full(self, node: str, reason: Reason, now: float, dice: float) -> None:
        """Note that everything was read from a node and taken over; `dice` is in [0, 1)."""
        if node != self._node or reason is Reason.RESTART:
            self._version = None
        if node != self._node:
            self._no_delta = None
        self._node, self._again = node, None
        self._last_read = self._last_full = now
        self._full_due_at = now + self._full_period_s * (1 - self._jitter * dice)
        if reason is Reason.REFUSED:
            self._no_delta = (Reason.NO_DELTA, now + _NO_DELTA_S)
        if reason in FAULTS:
            self._note_fault(reason, now)

    def note_agreement(self, now: float, *, agrees: bool | None) -> None:
        """Note whether a full answer agrees with its own hash; None: it has none, so there are no deltas to check.

        A server caches both parts apart for a while; after three such answers in a row it is believed as it is.
        """
        if agrees is None:
            self._no_delta = (Reason.NO_DELTA, now + _NO_DELTA_S)
        self._inconsistent = self._inconsistent + 1 if agrees is False else 0
        if 0 < self._inconsistent <= _MOST_INCONSISTENT:
            self._again = Reason.INCONSISTENT

    def note_held(self) -> None:
        """Note that a full answer was not taken over: everything is read again, from what may be a new server."""
        self._again = Reason.HELD
        self._version = None

    def _note_fault(self, reason: Reason, now: float) -> None:
        self._faults.append(now)
        if len(self._faults) > _MOST_FAULTS and now - self._faults[0] <= _FAULT_WINDOW_S:
            self._no_delta = (reason, now + _NO_DELTA_S)
            self._faults.clear()


class ShrinkHold:
    """Holds back an answer of a server that seems to have forgotten its registry. Owner of the time it waits since."""

    def __init__(self, options: HoldOptions) -> None:
        self._options = options
        self.since: float | None = None

    def is_suspicious(self, before: int | None, after: int, *, restarted: bool) -> bool:
        """Whether an answer has too few registrations; `before` is None when nothing is known yet.

        After a restart, and while answers are held back, whatever is missing may only not have registered again yet.
        """
        if self._options.hold_s <= 0:
            return False
        if not after:
            return before is None or before > 0
        if before is None:
            return False
        if restarted or self.since is not None:
            return after < before
        return before - after >= self._options.least and after < before * self._options.ratio

    def believes(self, now: float) -> bool:
        """Whether a suspicious answer has been repeated for long enough; the first call starts the time."""
        if self.since is None:
            self.since = now
        return now >= self.since + self._options.hold_s

    def release(self) -> None:
        """End the hold."""
        self.since = None
