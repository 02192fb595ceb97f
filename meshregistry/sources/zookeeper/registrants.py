"""Which processes of applications register for interfaces themselves, remembered beyond their nodes. Pure.

A restart of ours begins with what the nodes say then.
"""

from collections import Counter

from meshregistry.sources.zookeeper.dubbo.applications import Registrant

_KEPT_S = 3_600.0
"""How long a process may be cut off from the servers. One that comes back registers as the application at once and
for its interfaces seconds later: Dubbo's FailbackRegistry tries again after 5 s. A new process is a new registrant."""

_MOST_GONE = 50_000


class Registrants:
    """Owner of the memory of one registry; bounded by the offers that stand and a number of those that are gone."""

    def __init__(self) -> None:
        self._standing: dict[str, frozenset[Registrant]] = {}
        self._gone: dict[tuple[str, Registrant], float] = {}
        """By interface, since when; the oldest first."""

        self._gone_of: dict[str, set[Registrant]] = {}
        self._counts: Counter[Registrant] = Counter()
        """For how many interfaces each is remembered."""

    def registers(self, registrant: Registrant) -> bool:
        """Whether somebody is remembered for any interface."""
        return registrant in self._counts

    def known(self, interface: str, now: float) -> frozenset[Registrant]:
        """Return who registers for an interface, or did so lately; `now` is monotonic seconds."""
        self._expire(now)
        return self._standing.get(interface, frozenset()) | self._gone_of.get(interface, set())

    def replace(self, interface: str, registrants: frozenset[Registrant], now: float) -> None:
        """Take who registers for an interface and is there; the others are gone from now on."""
        before = self._standing.pop(interface, frozenset())
        if registrants:
            self._standing[interface] = registrants
            self._counts.update(registrants)
        for back in registrants & self._gone_of.get(interface, set()):
            self._drop(interface, back)
        for gone in before - registrants:
            self._gone[interface, gone] = now
            self._gone_of.setdefault(interface, set()).add(gone)
        for left in before & registrants:
            self._discount(left)
        self._expire(now)

    def _expire(self, now: float) -> None:
        while self._gone:
            place, since = next(iter(self._gone.items()))
            if now - since < _KEPT_S and len(self._gone) <= _MOST_GONE:
                return
            self._drop(*place)

    def _drop(self, interface: str, registrant: Registrant) -> None:
        del self._gone[interface, registrant]
        left = self._gone_of[interface]
        left.discard(registrant)
        if not left:
            del self._gone_of[interface]
        self._discount(registrant)

    def _discount(self, registrant: Registrant) -> None:
        self._counts[registrant] -= 1
        if not self._counts[registrant]:
            del self._counts[registrant]
