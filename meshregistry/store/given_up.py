"""Which endpoints resources have given up to other services in this batch. Bookkeeping only: it decides nothing."""

from collections.abc import Iterable

from meshregistry.model.claim import Claim
from meshregistry.store.departures import Place, place_of


class GivenUp:
    """Places by resource: told by who takes them away, asked when the resource is built, cleared with the batch.

    Not for longer: what is served from then on lacks them, and so does what the guard remembers of it.
    """

    def __init__(self) -> None:
        self._places: dict[str, set[Place]] = {}

    def note(self, names: Iterable[str], place: Place) -> None:
        """Note that a place belongs to another service than those of these resources."""
        for name in names:
            self._places.setdefault(name, set()).add(place)

    def of(self, name: str, claims: Iterable[Claim]) -> frozenset[Place]:
        """Return what a resource has lost and none of its claims still has."""
        lost = self._places.get(name)
        if not lost:
            return frozenset()
        return frozenset(lost - {place_of(endpoint) for claim in claims for endpoint in claim.endpoints})

    def clear(self) -> None:
        """Forget all."""
        self._places.clear()
