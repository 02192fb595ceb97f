"""Which misbehaviours of a simulated server are in force: the same for every kind of server."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Limited(Protocol):
    """What a plan has to know of a fault."""

    @property
    def times(self) -> int | None:
        """How often it strikes; None is for ever."""
        ...


FaultT = TypeVar("FaultT", bound=Limited)


class ArmedFaults(Generic[FaultT]):
    """Owner of the faults that are in force and of how often each may still strike."""

    def __init__(self) -> None:
        self._armed: list[tuple[FaultT, list[int | None]]] = []

    def arm(self, *faults: FaultT) -> None:
        """Put these faults in force instead of the present ones; none at all heals the server."""
        self._armed = [(fault, [fault.times]) for fault in faults]

    def armed(self) -> list[FaultT]:
        """The faults in force, spent ones included."""
        return [fault for fault, _ in self._armed]

    def use(self, fits: Callable[[FaultT], bool]) -> FaultT | None:
        """The first fault that fits and is not spent, used up by one; None if there is none."""
        for fault, left in self._armed:
            if left[0] != 0 and fits(fault):
                left[0] = None if left[0] is None else left[0] - 1
                return fault
        return None
