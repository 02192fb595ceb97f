"""What the mass guard has decided since it was last asked: for the log, the metrics and the journal."""

from collections.abc import Sequence

import msgspec

from meshregistry.store.departures import Departure, count_endpoints
from meshregistry.store.holds import GuardEvent, Hold, Verdict

_RESOURCES_SHOWN = 20


class Verdicts:
    """Owner of the events of a batch; owned by the book of holds."""

    def __init__(self) -> None:
        self._events: list[GuardEvent] = []

    def take(self) -> list[GuardEvent]:
        """Return the decisions since the last call."""
        events, self._events = self._events, []
        return events

    def tell(self, verdict: Verdict, hold: Hold, gone: Sequence[Departure], detail: str = "") -> None:
        """Add what was decided about a hold and what it keeps, or kept."""
        names = tuple(sorted({each.claim.resource_name for each in gone})[:_RESOURCES_SHOWN])
        self._events.append(GuardEvent(verdict, hold.number, hold.unit, count_endpoints(gone), names, detail))

    def tell_one(self, event: GuardEvent) -> None:
        """Add an event; endpoints that come back one after another are one event of the batch."""
        last = self._events[-1] if self._events else None
        if last is not None and (last.verdict, last.hold, last.detail) == (event.verdict, event.hold, event.detail):
            names = last.resources if len(last.resources) >= _RESOURCES_SHOWN else (*last.resources, *event.resources)
            endpoints = last.endpoints + event.endpoints
            self._events[-1] = msgspec.structs.replace(last, endpoints=endpoints, resources=tuple(dict.fromkeys(names)))
        else:
            self._events.append(event)
