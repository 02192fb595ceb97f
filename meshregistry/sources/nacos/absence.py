"""Which absences of a listing are believed at once, and which only when they last; pure.

A Nacos that is restarted between two listings is away at no listing: it starts in 8 to 20 s. What tells of it is that
many things are missing together, or that a service is not listed at all, for Nacos lists a service that was emptied
for a minute more. A deregistration, or the scale-down of one service, is neither, and counts at once.
"""

from collections.abc import Collection, Iterable, Set

from meshregistry.model.instance import Instance

SEVERAL = 2
"""Services that lose instances in one listing: from so many on it is doubted."""

_Address = tuple[str, int]


class Absences:
    """Since when what a scope has published is not shown any more. Owned by its ScopeReader.

    Bounded by what is published: an absence is forgotten with its instance.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[str, dict[_Address, float]] = {}

    def __len__(self) -> int:
        """How many services have instances that are kept although they are not shown."""
        return len(self._since)

    def __contains__(self, name: object) -> bool:
        """Whether something of a service is kept although it is not shown."""
        return name in self._since

    @property
    def due_at(self) -> float | None:
        """Monotonic seconds from which on a listing may confirm the oldest absence; None when there is none."""
        oldest = min((moment for since in self._since.values() for moment in since.values()), default=None)
        return None if oldest is None else oldest + self._settle_s

    def are_new(self, name: str, missing: Iterable[Instance]) -> bool:
        """Whether any of the missing instances of a service was there at the listing before."""
        known = self._since.get(name, {})
        return any((each.address, each.port) not in known for each in missing)

    def take(
        self, name: str, missing: Collection[Instance], moment: float, *, is_doubted: bool
    ) -> tuple[Instance, ...]:
        """Take what a listing asked for at the moment lacks of a service; return what is kept of it for now.

        An absence that is not doubted is believed, unless it was doubted before: then it must have lasted, at every
        listing in between, for the time in which everything that is still alive registers again.
        """
        known = self._since.pop(name, {})
        since = {
            address: known.get(address, moment)
            for address in ((each.address, each.port) for each in missing)
            if is_doubted or address in known
        }
        lasting = {address: begin for address, begin in since.items() if moment - begin < self._settle_s}
        if lasting:
            self._since[name] = lasting
        return tuple(each for each in missing if (each.address, each.port) in lasting)

    def forget(self, name: str) -> None:
        """Forget the absences of a service: something that knows better has told what it has."""
        self._since.pop(name, None)

    def keep_only(self, names: Set[str]) -> None:
        """Forget the absences of services that are not published any more."""
        for name in self._since.keys() - names:
            del self._since[name]
