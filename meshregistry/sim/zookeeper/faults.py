"""Ways in which the simulated server can misbehave."""

from typing import Literal

import msgspec

from meshregistry.sim.faults import ArmedFaults

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


class FaultPlan(ArmedFaults[Fault]):
    """The faults in force."""

    def strike(self, at: Moment, opcode: int = 0, path: str = "") -> Fault | None:
        """The first fault that meets this, used up by one; None if there is none."""
        return self.use(lambda fault: fault.fits(at, opcode, path))
