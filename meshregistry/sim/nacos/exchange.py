"""One HTTP request and its answer as plain values, and the forms in which Nacos answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

JSON = "application/json"
TEXT = "text/plain;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `params` holds query and form together, as Nacos reads them."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]

    def require(self, name: str) -> str:
        """The parameter, or Refused the way v1 says it."""
        value = self.params.get(name, "")
        if not value:
            raise Refused(plain(f"Param '{name}' is required.", 400))
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean parameter; anything but `true` is false, as Java reads it."""
        value = self.params.get(name, "")
        return value.lower() == "true" if value else default

    def number(self, name: str, default: int) -> int:
        """A whole number; what is none gives the default."""
        value = self.params.get(name, "")
        return int(value) if re.fullmatch(r"-?\d{1,9}", value) else default


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] | None = None


class Refused(Exception):
    """A request that is answered with an error: `reply`."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(reply.status)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path; `protected` asks for a token when authentication is on."""

    answer: Callable[[Call], Reply]
    protected: bool = True


Routes = Mapping[tuple[str, str], Route]


def as_json(value: object, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(orjson.dumps(value), status)


def plain(text: str, status: int = 200) -> Reply:
    """A text answer, the v1 form of `ok` and of errors."""
    return Reply(text.encode(), status, TEXT)


def envelope(data: object, *, code: int = 0, message: str = "success", status: int = 200) -> Reply:
    """The v3 form."""
    return as_json({"code": code, "message": message, "data": data}, status)


def spring_error(call: Call, status: int, reason: str, message: str) -> Reply:
    """The error page of the framework: 403, 404, 410 and 501 look like this on both generations."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    body = {"timestamp": now, "status": status, "error": reason, "message": message, "path": call.path}
    return as_json(body, status)
