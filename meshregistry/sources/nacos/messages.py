"""The messages of Nacos's gRPC API that we speak, from and to JSON; pure.

Shapes as captured from 2.3.1 and 3.1.0. Unknown fields are ignored on both sides.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.model.rejects import print_subject
from meshregistry.sources.decoding import understood
from meshregistry.sources.failures import conceal
from meshregistry.sources.nacos.payload import Payload

T = TypeVar("T")

OK = 200
STARTING = 300
UNREGISTERED = 301
NO_HANDLER = 302
DENIED = 403

_SEPARATOR = "@@"


class ServiceName(NamedTuple):
    """One service of a namespace."""

    group: str
    name: str


class ConnectionLost(SourceUnavailable):
    """The server does not know the connection any more, or it is over: a new one is needed."""


class RequestRefused(SourceUnavailable):
    """The server answered, but not with what was asked for."""


class RequestDenied(SourceAuthError):
    """The server answered error code 403."""


class ServiceInfo(msgspec.Struct, rename="camel"):
    """The part of a service's content that says which and how old it is; the hosts stay bytes."""

    name: str
    group_name: str = ""
    last_ref_time: int = 0


class Content(NamedTuple):
    """One service's full instance list, as a reply or a push has it."""

    service: ServiceName
    ref_time: int
    """The server's clock in milliseconds when it built this; comparable on one connection only."""

    body: bytes
    """The JSON of the whole ServiceInfo."""


class Result(msgspec.Struct, rename="camel"):
    """What every reply has."""

    result_code: int = OK
    error_code: int = 0
    message: str | None = None


class ServerCheck(Result):
    """The answer of a server to the first question."""

    connection_id: str = ""
    support_ability_negotiation: bool = False


class ServiceNames(Result):
    """One page of the names of a group."""

    count: int = 0
    service_names: list[str] | None = None


class ServiceReply(Result):
    """The reply to a subscription or a query."""

    service_info: Raw = Raw(b"null")


class ServerRequest(msgspec.Struct, rename="camel"):
    """What every request of the server has; SetupAckRequest comes without an id."""

    request_id: str = ""


class SetupAck(ServerRequest):
    """The server's abilities."""

    ability_table: dict[str, bool] | None = None


class Notify(ServerRequest):
    """A push: one service's full content."""

    service_info: Raw = Raw(b"null")


class ConnectReset(ServerRequest):
    """The server wants the client to go, perhaps to the node it names."""

    server_ip: str | None = None
    server_port: str | int | None = None


class FuzzyContext(msgspec.Struct, rename="camel"):
    """One service that came or went."""

    service_key: str
    changed_type: str


class FuzzySync(ServerRequest):
    """A batch of services that match the pattern."""

    sync_type: str = ""
    contexts: list[FuzzyContext] | None = None


class FuzzyChange(ServerRequest):
    """One service that came or went, told as it happens."""

    service_key: str = ""
    changed_type: str = ""


_INFO = msgspec.json.Decoder(ServiceInfo)
_DECODERS: dict[type, msgspec.json.Decoder[object]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (
        Result,
        ServerCheck,
        ServiceNames,
        ServiceReply,
        ServerRequest,
        SetupAck,
        Notify,
        ConnectReset,
        FuzzySync,
        FuzzyChange,
    )
}


def request(kind: str, **fields: object) -> Payload:
    """Return a request; field names as in JSON."""
    return Payload(kind, msgspec.json.encode(fields))


def response(kind: str, request_id: str) -> Payload:
    """Return the acknowledgement of a request of the server."""
    return request(kind, resultCode=OK, errorCode=0, requestId=request_id)


def decode(payload: Payload, kind: type[T]) -> T:
    """Read a body. Raises SourceDataError that names the message."""
    try:
        return understood(_DECODERS[kind].decode, payload.body)  # type: ignore[return-value]
    except SourceDataError as error:
        raise SourceDataError(f"{print_subject(payload.type)}: {error}") from error


def checked(asked: str, payload: Payload, sent: Mapping[str, str] | None = None) -> Payload:
    """Return a reply that is a success; what was `sent` as headers is in no text of an error.

    Raises ConnectionLost (301), RequestDenied (403), SourceUnavailable (300: the server is starting) or RequestRefused.
    A failure comes as ErrorResponse or as the expected type with a result code other than 200.
    """
    result = decode(payload, Result)
    if result.result_code == OK and payload.type != "ErrorResponse":
        return payload
    raise _failure(asked, result, conceal(result.message or "", sent))


def _failure(asked: str, result: Result, message: str) -> SourceError:
    text = f"{asked}: error {result.error_code or result.result_code}: {_one_line(message)}"
    if result.error_code == UNREGISTERED:
        return ConnectionLost(text)
    if result.error_code == STARTING:
        return SourceUnavailable(text)
    if result.error_code == DENIED:
        return RequestDenied(text)
    return RequestRefused(text)


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text[:200]).split())


def read_content(raw: Raw, fallback: ServiceName | None = None) -> Content:
    """Return the content of a service; `fallback` names it where the server does not. Raises SourceDataError."""
    body = bytes(raw)
    try:
        info = understood(_INFO.decode, body)
    except SourceDataError as error:
        raise SourceDataError(f"service content {error}") from error
    service = split_grouped(info.name, info.group_name)
    return Content(fallback or service, info.last_ref_time, body)


def split_grouped(name: str, group: str) -> ServiceName:
    """Return a service whose name may carry its group in front (`GROUP@@name`)."""
    head, separator, tail = name.partition(_SEPARATOR)
    return ServiceName(head, tail) if separator else ServiceName(group, name)


def split_service_key(key: str) -> tuple[str, ServiceName] | None:
    """Return namespace and service of `NAMESPACE@@GROUP@@name`; None for anything else."""
    parts = key.split(_SEPARATOR)
    if len(parts) != 3 or not all(parts):
        return None
    return parts[0], ServiceName(parts[1], parts[2])
