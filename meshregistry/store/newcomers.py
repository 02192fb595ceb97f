"""Who has newly registered which address and port lately. Bookkeeping only: it decides nothing."""

from collections.abc import Iterable, Iterator, Mapping

from meshregistry.model.instance import ServiceKey
from meshregistry.store.departures import Place

MAX_NEWCOMERS = 100_000
"""About 25 MB; with more the oldest are forgotten."""


class Newcomers:
    """Places with the service that registered them, and when; owned by `store/freshness.py`."""

    def __init__(self, most: int = MAX_NEWCOMERS) -> None:
        self._most = most
        self._since: dict[tuple[Place, ServiceKey], float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __iter__(self) -> Iterator[tuple[Place, ServiceKey, float]]:
        """Yield place, service and monotonic seconds, the oldest first."""
        return ((place, key, at) for (place, key), at in self._since.items())

    def note(self, key: ServiceKey, places: Iterable[Place], now: float) -> None:
        """Remember that a service has newly registered places."""
        for place in places:
            self._since.pop((place, key), None)
            self._since[place, key] = now
        while len(self._since) > self._most:
            del self._since[next(iter(self._since))]

    def copy(self) -> dict[tuple[Place, ServiceKey], float]:
        """Return them apart from later changes, the oldest first."""
        return dict(self._since)

    def restore(self, since: Mapping[tuple[Place, ServiceKey], float]) -> None:
        """Remember these, the oldest first, and nothing else."""
        self._since = dict(since)

    def forget_before(self, since: float) -> None:
        """Forget what was registered before a moment."""
        while self._since:
            oldest = next(iter(self._since))
            if self._since[oldest] >= since:
                return
            del self._since[oldest]
