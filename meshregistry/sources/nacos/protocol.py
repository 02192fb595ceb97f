"""The state of one gRPC connection to a Nacos node: what it has agreed on and how it answers; pure.

Sources: Nacos `GrpcClient` (connectToServer, the ability handshake), `RpcClient` (ConnectResetRequest),
`RpcAckCallbackSynchronizer` (answers go back on the stream); shapes as captured from 2.3.1 and 3.1.0.
"""

from enum import StrEnum
from typing import NamedTuple

from meshregistry.errors import SourceDataError
from meshregistry.sources.nacos import messages
from meshregistry.sources.nacos.messages import (
    ConnectReset,
    Content,
    FuzzyChange,
    FuzzyContext,
    FuzzySync,
    Notify,
    ServerCheck,
    ServerRequest,
    SetupAck,
)
from meshregistry.sources.nacos.nodes import GrpcAddress
from meshregistry.sources.nacos.payload import Payload

_ABILITIES = {"fuzzyWatch": True}
_PORT_DIGITS = 5
_TYPE_SHOWN = 200
_LONGEST_HOST = 255
_FINISHED = "FINISH_FUZZY_WATCH_INIT_NOTIFY"


class State(StrEnum):
    """How far the connection has come."""

    CHECKING = "checking"
    SETTING_UP = "setting_up"
    READY = "ready"
    RESET = "reset"


class FuzzyNews(NamedTuple):
    """What a fuzzy watch said: services that came or went, or that the first listing is complete."""

    changes: tuple[FuzzyContext, ...]
    finished: bool = False


class Reset(NamedTuple):
    """The server's wish that we go; `target` is the main port of the node it prefers, if any."""

    target: GrpcAddress | None


News = Content | FuzzyNews | Reset


class Reaction(NamedTuple):
    """What follows from a message: an answer to be sent at once, and news for the rest of the source."""

    reply: Payload | None = None
    news: News | None = None
    problem: str | None = None
    """Why the message was acknowledged although nothing could be made of it."""


class Session:
    """One connection from its first question to its end. Owner of its state and of the server's abilities."""

    def __init__(self, tenant: str, *, tls: bool) -> None:
        self.state = State.CHECKING
        self.abilities: frozenset[str] = frozenset()
        self._tenant = tenant
        self._tls = tls
        self._negotiates = False

    def begin(self) -> Payload:
        """Return the first question, to be asked before the stream is opened."""
        return Payload("ServerCheckRequest", b"{}")

    def check(self, reply: Payload) -> Payload:
        """Take the answer and return what opens the stream.

        Raises SourceError when the server is starting or is no Nacos.
        """
        answer = messages.decode(messages.checked("ServerCheckRequest", reply), ServerCheck)
        if reply.type != "ServerCheckResponse":
            raise SourceDataError(f"answers ServerCheckRequest with {reply.type[:_TYPE_SHOWN]!r}: not Nacos?")
        self._negotiates = answer.support_ability_negotiation
        self.state = State.SETTING_UP
        return messages.request(
            "ConnectionSetupRequest",
            clientVersion="meshregistry:v1",
            tenant=self._tenant,
            labels={
                "source": "sdk",
                "module": "naming",
                "AppName": "meshregistry",
                "tls.enable": str(self._tls).lower(),
            },
            abilityTable=_ABILITIES,
        )

    @property
    def awaits_abilities(self) -> bool:
        """Whether the server will tell its abilities; those before 2.3 do not, and register us after a moment."""
        return self._negotiates and self.state is State.SETTING_UP

    def assume_ready(self) -> None:
        """Take the connection for set up although the server did not say so (before 2.3)."""
        self.state = State.READY

    def receive(self, payload: Payload) -> Reaction:
        """Take a message of the stream. What cannot be read is acknowledged all the same, or it would come again."""
        try:
            return self._receive(payload)
        except SourceDataError as error:
            return Reaction(_reply_to(payload), None, str(error))

    def _receive(self, payload: Payload) -> Reaction:
        match payload.type:
            case "SetupAckRequest":
                return self._acknowledge_setup(messages.decode(payload, SetupAck))
            case "ClientDetectionRequest":
                return Reaction(_reply_to(payload))
            case "NotifySubscriberRequest":
                notify = messages.decode(payload, Notify)
                return Reaction(_reply_to(payload), messages.read_content(notify.service_info))
            case "NamingFuzzyWatchSyncRequest":
                sync = messages.decode(payload, FuzzySync)
                return Reaction(_reply_to(payload), FuzzyNews(tuple(sync.contexts or ()), sync.sync_type == _FINISHED))
            case "NamingFuzzyWatchChangeNotifyRequest":
                change = messages.decode(payload, FuzzyChange)
                context = FuzzyContext(change.service_key, change.changed_type)
                return Reaction(_reply_to(payload), FuzzyNews((context,)))
            case "ConnectResetRequest":
                self.state = State.RESET
                return Reaction(_reply_to(payload), Reset(_target(messages.decode(payload, ConnectReset))))
        return _refuse(payload)

    def _acknowledge_setup(self, ack: SetupAck) -> Reaction:
        self.abilities = frozenset(name for name, has in (ack.ability_table or {}).items() if has)
        self.state = State.READY
        return Reaction()


def _reply_to(payload: Payload) -> Payload | None:
    """Return the acknowledgement: the request's name ending in Response, with its id."""
    try:
        request_id = messages.decode(payload, ServerRequest).request_id
    except SourceDataError:
        return None
    return messages.response(f"{payload.type.removesuffix('Request')}Response", request_id)


def _refuse(payload: Payload) -> Reaction:
    problem = f"unknown message {payload.type[:_TYPE_SHOWN]!r}"
    if not payload.type.endswith("Request"):
        return Reaction(None, None, problem)
    request_id = messages.decode(payload, ServerRequest).request_id
    refusal = messages.request(
        "ErrorResponse",
        resultCode=500,
        errorCode=messages.NO_HANDLER,
        message="not supported by this client",
        requestId=request_id,
    )
    return Reaction(refusal, None, problem)


def _target(reset: ConnectReset) -> GrpcAddress | None:
    port = str(reset.server_port)
    if not reset.server_ip or len(reset.server_ip) > _LONGEST_HOST or not port.isdecimal() or len(port) > _PORT_DIGITS:
        return None
    return GrpcAddress(reset.server_ip, int(port))
