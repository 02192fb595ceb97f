"""One HTTP request and its answer as plain values, and the forms in which Eureka answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

JSON = "application/json"
XML = "application/xml"


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `parts` is the path below the context path, unquoted, without the `v2` that may stand first."""

    method: str
    path: str
    parts: tuple[str, ...]
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def wants_json(self) -> bool:
        """Whether the answer is JSON: only if `Accept` has the word in it (eureka-core, ApplicationsResource)."""
        return "json" in self.headers.get("Accept", "")

    @property
    def is_replication(self) -> bool:
        """Whether a peer sent it, so that it is not passed on."""
        return self.headers.get("x-netflix-discovery-replication", "").lower() == "true"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole; a body that is `gzipped` already is sent as it is."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] | None = None
    gzipped: bool = False


class Refused(Exception):
    """A request that is answered with an error: `reply`."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(reply.status)


def spring_error(call: Call, status: int, reason: str) -> Reply:
    """The error page of the framework."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    body = {"timestamp": now, "status": status, "error": reason, "path": call.path}
    return Reply(orjson.dumps(body), status)


def not_found(call: Call) -> Refused:
    """The refusal of an unknown application, instance or path."""
    return Refused(spring_error(call, 404, "Not Found"))
