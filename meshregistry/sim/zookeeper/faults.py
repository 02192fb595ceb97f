"""Ways in which the simulated server can misbehave."""

from typing import Literal

import msgspec

Moment = Literal["hello", "request", "event"]
Action = Literal["close", "silence", "truncate", "garbage", "read_only", "error", "drop"]

GARBAGE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One misbehaviour: what it meets (all given fields must fit) and what happens then.

    `at` says whether it meets the first packet of a connection, a request or an event that is to be sent;
    `opcode` and `path` (a beginning of it) narrow requests and events down. `times` limits it to so many.
    `delay_s` comes first and holds back all later packets of the connection, too. Then `action`:
    `close` cuts the connection, `silence` answers nothing any more, `truncate` cuts it within the frame of the
    answer, `garbage` sends no ZooKeeper message, `read_only` answers a greeting with the 16 bytes of a server
    that may only be read, `error` refuses the request with the code `error`, `drop` sends no event.
    """

    at: Moment = "request"
    action: Action | None = None
    opcode: int | None = None
    path: str = ""
    times: int | None = None
    delay_s: float = 0.0
    error: int = -1

    def fits(self, at: Moment, opcode: int, path: str) -> bool:
        """Whether this is met."""
        return self.at == at and self.opcode in (None, opcode) and path.startswith(self.path)


class FaultPlan:
    """Owner of the faults that are in force and of how often each may still strike."""

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, list[int | None]]] = []

    def arm(self, *faults: Fault) -> None:
        """Put these faults in force instead of the present ones; none at all heals the server."""
        self._armed = [(fault, [fault.times]) for fault in faults]

    def armed(self) -> list[Fault]:
        """The faults in force, spent ones included."""
        return [fault for fault, _ in self._armed]

    def strike(self, at: Moment, opcode: int = 0, path: str = "") -> Fault | None:
        """The first fault that meets this, used up by one; None if there is none."""
        for fault, left in self._armed:
            if left[0] != 0 and fault.fits(at, opcode, path):
                left[0] = None if left[0] is None else left[0] - 1
                return fault
        return None
