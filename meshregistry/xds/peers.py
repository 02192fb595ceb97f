"""What replicas take from each other, as views like any other: the state of this moment, and operators' decisions."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.store.store import Listener
from meshregistry.wire.private import DECISION_URL, STATE_URL, wrap_payload
from meshregistry.wire.resource import Resource
from meshregistry.xds.views import NOTHING, Page, View

_FRESH_S: Final = 10.0
"""So long a state is handed out that was made for somebody else, seconds; then its memory is given back."""

_QUIET_S: Final = 2.0
"""A state at which nobody has looked for so long is handed out no more, seconds: it is to be of the moment in which a
replica starts, as that serves it at once. Who is taking it looks again with each page."""

_PIECES_PER_PAGE: Final = 4


class PeerShelf:
    """Owns what is offered to replicas. A state is made when somebody asks for it: `wanted` is called then."""

    def __init__(self, wanted: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = wanted
        self._clock = clock
        self._state: View | None = None
        self._state_until = 0.0
        self._looked_at = 0.0
        self._decisions = NOTHING
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Have a listener told of every change, for the life of the shelf."""
        self._listeners.append(listener)

    def look(self, kind: Kind) -> View | None:
        """Return what there is of a private kind; None for a state that has to be made first."""
        if kind is Kind.DECISION:
            return self._decisions
        now = self._clock()
        if self._state is None or now >= self._state_until or now >= self._looked_at + _QUIET_S:
            self._state = None
            self._wanted()
        self._looked_at = now
        return self._state

    def publish_state(self, pieces: Mapping[str, bytes]) -> None:
        """Offer a state for a while; no pieces say that there is none."""
        self._state = _view(wrap_payload(STATE_URL, name, piece) for name, piece in pieces.items())
        self._looked_at = self._clock()
        self._state_until = self._looked_at + _FRESH_S
        self._tell(Change(Kind.STATE, frozenset(pieces), frozenset()))

    def drop_old_state(self) -> None:
        """Give back the memory of a state that is not handed out any more."""
        if self._state is not None and self._clock() >= self._state_until:
            self._state = None

    def publish_decisions(self, decisions: Mapping[str, bytes]) -> None:
        """Offer all decisions that count, by their names. A state that was made before them is handed out no more."""
        self._state = None
        before = {resource.name for resource in self._decisions}
        self._decisions = _view(wrap_payload(DECISION_URL, name, body) for name, body in decisions.items())
        self._tell(Change(Kind.DECISION, frozenset(decisions), frozenset(before - decisions.keys())))

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)


def _view(resources: Iterable[Resource]) -> View:
    ordered = sorted(resources, key=lambda resource: resource.name)
    starts = range(0, len(ordered), _PIECES_PER_PAGE)
    return View(Page(ordered[start : start + _PIECES_PER_PAGE]) for start in starts)
