"""Ways in which the simulated server can misbehave, for one path, service or page or for everything."""

import enum
from typing import Literal

import msgspec
import orjson

from meshregistry.sim.faults import ArmedFaults
from meshregistry.sim.nacos.exchange import JSON, Call, Reply, envelope, plain, spring_error

_REASONS = {403: "Forbidden", 404: "Not Found", 410: "Gone", 500: "Internal Server Error", 501: "Not Implemented"}
_HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"


class BodyFault(enum.StrEnum):
    """What is wrong with a body that otherwise would be right."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    HTML = "html"
    WRONG_TYPES = "wrong_types"
    ENDLESS = "endless"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One misbehaviour: which calls it meets (all given fields must fit) and what happens to them.

    `path` fits anywhere in the request path, `service` is a name without group, `page` the page number.
    `times` limits it to so many calls. `delay_s` comes first; `drop` cuts the connection before any byte
    of the answer or within its body; `raw` replaces the body (base64 in JSON).
    """

    path: str = ""
    service: str = ""
    group: str = ""
    namespace: str = ""
    page: int | None = None
    times: int | None = None
    delay_s: float = 0.0
    status: int | None = None
    body: BodyFault | None = None
    raw: bytes | None = None
    drop: Literal["before", "within"] | None = None
    gzip: bool = False

    def fits(self, call: Call) -> bool:
        """Whether this call is met."""
        group, separator, name = call.params.get("serviceName", "").rpartition("@@")
        group = group if separator else call.params.get("groupName", "")
        wanted = (
            (self.service, name),
            (self.group, group),
            (self.namespace, call.params.get("namespaceId", "")),
            ("" if self.page is None else str(self.page), call.params.get("pageNo", "")),
        )
        return self.path in call.path and all(want in ("", given) for want, given in wanted)


class FaultPlan(ArmedFaults[Fault]):
    """The faults of the HTTP side."""

    def strike(self, call: Call) -> Fault | None:
        """The first fault that meets this call, used up by one; None if there is none."""
        return self.use(lambda fault: fault.fits(call))


def spoil(fault: Fault, call: Call, reply: Reply) -> Reply:
    """The answer as the fault leaves it: status first, then the body. Endless bodies are the server's part."""
    if fault.status is not None:
        reply = _failed(fault.status, call)
    if fault.raw is not None:
        return Reply(fault.raw, reply.status, reply.content_type)
    match fault.body:
        case BodyFault.EMPTY:
            return Reply(b"", reply.status, reply.content_type)
        case BodyFault.TRUNCATED:
            return Reply(reply.body[: len(reply.body) // 2], reply.status, reply.content_type)
        case BodyFault.NOT_JSON:
            return Reply(b"upstream connect error", reply.status, reply.content_type)
        case BodyFault.HTML:
            return Reply(_HTML, reply.status, "text/html;charset=utf-8")
        case BodyFault.WRONG_TYPES if reply.content_type == JSON:
            return Reply(orjson.dumps(_mistyped(orjson.loads(reply.body))), reply.status, reply.content_type)
        case _:
            return reply


def _failed(status: int, call: Call) -> Reply:
    if status == 503:
        return plain("server is STARTING now, please try again later!", 503)
    if status in _REASONS and status != 500:
        return spring_error(call, status, _REASONS[status], "simulated")
    if call.path.startswith("/nacos/v3/"):
        return envelope("simulated", code=30000, message="server error", status=status)
    return plain("caused: simulated;", status)


def _mistyped(value: object) -> object:
    """The same shape with every leaf of another type."""
    match value:
        case dict():
            return {key: _mistyped(each) for key, each in value.items()}
        case list():
            return [_mistyped(each) for each in value]
        case str():
            return 17
        case None:
            return []
        case _:
            return "wrong"
