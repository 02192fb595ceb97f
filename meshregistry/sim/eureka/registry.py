"""What one server knows: leases by application, overridden statuses, the queue of recent changes.

Rules as in eureka-core (AbstractInstanceRegistry, the status rules of PeerAwareInstanceRegistryImpl); no I/O.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from meshregistry.sim.eureka.leases import Lease, RenewalRate, renewal_threshold
from meshregistry.sim.eureka.records import Record

_MS = 1000
_SETTLED = ("UP", "OUT_OF_SERVICE")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """The product's defaults; seconds."""

    retention_s: float = 180.0
    """How long a change stays in the queue."""

    eviction_period_s: float = 60.0
    self_preservation: bool = True
    renewal_percent: float = 0.85
    """The share of the expected renewals below which nothing expires, and of the registry that stays in any case."""


class Change(NamedTuple):
    """One entry of the queue."""

    at: float
    lease: Lease


class Watcher(Protocol):
    """What must know of changes: the caches."""

    def settle(self, now: float) -> None:
        """Called before something changes at a time."""

    def invalidate(self) -> None:
        """Called when it has changed."""


class Registry:
    """Owner of the leases. `clock` gives seconds since 1970; what is overdue happens at the next call of `settle`."""

    def __init__(self, clock: Callable[[], float], options: RegistryOptions, dice: random.Random | None = None) -> None:
        self.applications: dict[str, dict[str, Lease]] = {}
        self.changes: deque[Change] = deque()
        self._clock = clock
        self._options = options
        self._dice = dice or random.Random(1)
        self._overrides: dict[str, str] = {}
        self._watchers: list[Watcher] = []
        self._renewals = RenewalRate(clock())
        self._evict_at = clock() + options.eviction_period_s

    def watch(self, watcher: Watcher) -> None:
        """Tell a watcher of every change from now on."""
        self._watchers.append(watcher)

    @property
    def hash(self) -> str:
        """The number of registrations by status."""
        counts = Counter(lease.record.status for lease in self.leases())
        return "".join(f"{status}_{count}_" for status, count in sorted(counts.items()))

    def leases(self) -> Iterator[Lease]:
        """Every lease."""
        return (lease for members in self.applications.values() for lease in members.values())

    def find(self, application: str, id_: str) -> Lease | None:
        """Return a lease, None if it is unknown."""
        return self.applications.get(application.upper(), {}).get(id_)

    def find_everywhere(self, id_: str) -> Lease | None:
        """Return the first lease with an identity."""
        return next((members[id_] for members in self.applications.values() if id_ in members), None)

    def settle(self) -> None:
        """Let happen what is overdue: expiry, and the end of remembered changes."""
        now = self._clock()
        while self._evict_at <= now:
            self._evict(self._evict_at)
            self._evict_at += self._options.eviction_period_s
        while self.changes and self.changes[0].at < now - self._options.retention_s:
            self.changes.popleft()
        for watcher in self._watchers:
            watcher.settle(now)

    def register(self, record: Record, *, is_replication: bool = False) -> None:
        """Add or replace a registration; of two versions the one that is dirtier by its own clock stays."""
        now = self._begin()
        known = self.find(record.app, record.id)
        if known is not None and known.record.dirty_ms > record.dirty_ms:
            record = known.record
        if record.overridden != "UNKNOWN":
            self._overrides.setdefault(record.id, record.overridden)
        status = self._effective_status(record, known, is_replication=is_replication)
        overridden = self._overrides.get(record.id, record.overridden)
        record = record.changed("ADDED", self._ms(now), status=status, overridden=overridden)
        lease = Lease(record, now if known is None else known.registered_at, now)
        lease.up_at = known.up_at if known is not None and known.up_at else now if status == "UP" else 0.0
        self.applications.setdefault(record.app, {})[record.id] = lease
        self._end(lease, now)

    def renew(self, application: str, id_: str, *, is_replication: bool = False) -> bool:
        """Put a lease's end off; False makes the client register again."""
        lease = self.find(application, id_)
        if lease is None:
            return False
        status = self._effective_status(lease.record, lease, is_replication=is_replication)
        if status == "UNKNOWN":
            return False
        now = self._clock()
        if status != lease.record.status:
            lease.change(replace(lease.record, status=status))
        self._renewals.note(now)
        lease.renew(now)
        return True

    def cancel(self, application: str, id_: str) -> bool:
        """Remove a registration; False if it is unknown."""
        if self.find(application, id_) is None:
            return False
        now = self._begin()
        self._remove(application.upper(), id_, now)
        return True

    def override(self, application: str, id_: str, status: str) -> bool:
        """Let an operator's status stand in place of the client's; False if the registration is unknown."""
        lease = self.find(application, id_)
        if lease is None:
            return False
        now = self._begin()
        lease.renew(now)
        if lease.record.status != status:
            self._overrides[id_] = status
            lease.change(lease.record.changed("MODIFIED", self._ms(now), status=status, overridden=status))
            self._end(lease, now)
        return True

    def clear_override(self, application: str, id_: str, status: str) -> bool:
        """Take the operator's status back; until the next renewal the given one stands."""
        lease = self.find(application, id_)
        if lease is None:
            return False
        now = self._begin()
        lease.renew(now)
        if self._overrides.pop(id_, None) is not None:
            lease.change(lease.record.changed("MODIFIED", self._ms(now), status=status, overridden="UNKNOWN"))
            self._end(lease, now)
        return True

    def merge_metadata(self, application: str, id_: str, items: dict[str, str]) -> bool:
        """Add to a registration's metadata, which counts as a registration."""
        lease = self.find(application, id_)
        if lease is None:
            return False
        merged = {**lease.record.metadata, **items}
        self.register(replace(lease.record, metadata=merged, dirty_ms=lease.record.dirty_ms + 1))
        return True

    def forget_changes(self) -> None:
        """Lose the queue: what happened before is in no delta, and where counts are equal in no hash."""
        self._begin()
        self.changes.clear()
        self._invalidate()

    def forget_all(self) -> list[Record]:
        """Know nobody, as after a restart; returns who was known."""
        known = [lease.record for lease in self.leases()]
        self.applications.clear()
        self.changes.clear()
        self._overrides.clear()
        self._renewals = RenewalRate(self._clock())
        self._evict_at = self._clock() + self._options.eviction_period_s
        self._invalidate()
        return known

    def counts(self) -> tuple[int, int]:
        """Return the number of applications and of registrations."""
        return len(self.applications), sum(map(len, self.applications.values()))

    def _evict(self, now: float) -> None:
        """Remove what has expired, chosen by chance when it is too much at once."""
        size = self.counts()[1]
        if self._options.self_preservation:
            threshold = renewal_threshold(size, self._options.renewal_percent)
            if threshold and self._renewals.last_minute(now) <= threshold:
                return
        expired = [lease for lease in self.leases() if lease.is_expired(now)]
        limit = min(len(expired), size - int(size * self._options.renewal_percent))
        for watcher in self._watchers if limit else ():
            watcher.settle(now)
        for lease in self._dice.sample(expired, limit):
            self._remove(lease.record.app, lease.record.id, now)

    def _remove(self, application: str, id_: str, now: float) -> None:
        members = self.applications[application]
        lease = members.pop(id_)
        if not members:
            del self.applications[application]
        self._overrides.pop(id_, None)
        lease.change(lease.record.changed("DELETED", self._ms(now)))
        self._end(lease, now)

    def _effective_status(self, record: Record, known: Lease | None, *, is_replication: bool) -> str:
        """The first rule that fits: starting or down as the client says, the operator's word, what stood before."""
        if record.status not in _SETTLED:
            return record.status
        if record.id in self._overrides:
            return self._overrides[record.id]
        if known is not None and not is_replication and known.record.status in _SETTLED:
            return known.record.status
        return record.status

    def _begin(self) -> float:
        self.settle()
        return self._clock()

    def _end(self, lease: Lease, now: float) -> None:
        self.changes.append(Change(now, lease))
        self._invalidate()

    def _invalidate(self) -> None:
        for watcher in self._watchers:
            watcher.invalidate()

    @staticmethod
    def _ms(now: float) -> int:
        return int(now * _MS)
