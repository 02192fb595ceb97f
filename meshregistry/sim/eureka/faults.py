"""Ways in which the simulated server can misbehave, for one path or for everything."""

import enum
from typing import Literal

import msgspec

from meshregistry.sim.eureka.exchange import Call, Reply, spring_error
from meshregistry.sim.faults import ArmedFaults

_HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"
_REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}


class BodyFault(enum.StrEnum):
    """What is wrong with a body that otherwise would be right; of one that is compressed, with the compressed one."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    HTML = "html"
    XML = "xml"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One misbehaviour: which calls it meets and what happens to them.

    `path` fits the end of the request path, "" every one. `times` limits it to so many calls. `delay_s` comes first;
    `drop` cuts the connection before any byte of the answer or within its body; `location` redirects; `stale` gives
    what was answered when the fault was armed.
    """

    path: str = ""
    method: str = "GET"
    times: int | None = None
    delay_s: float = 0.0
    status: int | None = None
    location: str = ""
    body: BodyFault | None = None
    stale: bool = False
    drop: Literal["before", "within"] | None = None

    def fits(self, call: Call) -> bool:
        """Whether this call is met."""
        return call.path.endswith(self.path) and self.method in ("", call.method)


class FaultPlan(ArmedFaults[Fault]):
    """The faults in force."""

    def strike(self, call: Call) -> Fault | None:
        """The first fault that meets this call, used up by one; None if there is none."""
        return self.use(lambda fault: fault.fits(call))


def spoil(fault: Fault, call: Call, reply: Reply) -> Reply:
    """The answer as the fault leaves it."""
    if fault.location:
        return Reply(status=fault.status or 302, headers={"Location": fault.location})
    if fault.status is not None:
        return spring_error(call, fault.status, _REASONS.get(fault.status, "Service Unavailable"))
    match fault.body:
        case BodyFault.EMPTY:
            return Reply(b"", reply.status, reply.content_type)
        case BodyFault.TRUNCATED:
            return Reply(reply.body[: len(reply.body) // 2], reply.status, reply.content_type, gzipped=reply.gzipped)
        case BodyFault.NOT_JSON:
            return Reply(b"upstream connect error", reply.status, reply.content_type)
        case BodyFault.HTML:
            return Reply(_HTML, reply.status, "text/html;charset=utf-8")
        case BodyFault.XML:
            return Reply(b"<applications><versions__delta>1</versions__delta></applications>", 200, "application/xml")
    return reply
