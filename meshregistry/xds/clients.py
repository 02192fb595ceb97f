"""The table of connected clients, read by the debug pages; nothing is decided here."""

import time
from collections.abc import Iterator

import msgspec

from meshregistry.xds.protocol import AdsStream
from meshregistry.xds.type_state import TypeState

_MAX_ID = 256


class NackStatus(msgspec.Struct, frozen=True):
    """The last NACK of a type; `time` is Unix time in seconds."""

    code: int
    message: str
    nonce: str
    time: float


class TypeStatus(msgspec.Struct, frozen=True):
    """One type on one stream; times in seconds, sizes in bytes."""

    dialect: str
    wildcard: bool
    names: int
    version_sent: str
    version_acked: str
    nonce_sent: str
    nonce_acked: str
    ack_seconds: float | None
    """How long the client took for the last ACK: istiod acknowledges what it has applied."""

    acked_age_seconds: float | None
    """Since the last ACK."""

    waiting: bool
    """True while a response is due but held back: for the first snapshot, a pause or an ACK."""

    responses: int
    stubs: int
    bytes: int
    nacks: int
    last_nack: NackStatus | None


class StreamStatus(msgspec.Struct, frozen=True):
    """One stream of one client."""

    connection: str
    node: str
    revision: str
    generator: str
    peer: str
    dialect: str
    connected: float
    """Unix time in seconds."""

    types: dict[str, TypeStatus]


class SlimePush(msgspec.Struct, frozen=True):
    """Slime's record of one type: the nonces last sent and last acknowledged."""

    PushVer: str
    AckVer: str


class SlimeClient(msgspec.Struct, frozen=True):
    """Slime's record of one client (slime-io/istio-mcp ClientInfo)."""

    ClientId: str
    ConnId: str
    Addr: str
    PushStatus: dict[str, SlimePush]


class ConnectedStream(msgspec.Struct):
    """A row of the table: a stream that the servicer serves now."""

    stream_id: str
    peer: str
    dialect: str
    machine: AdsStream
    connected: float = msgspec.field(default_factory=time.time)

    @property
    def connection(self) -> str:
        """Slime's connection id: node id and a suffix of our own."""
        return f"{self.machine.node.id[:_MAX_ID]}-{self.stream_id}"


class Clients:
    """Owns the set of streams; the servicer adds and removes, the pages read. Rows go with their stream."""

    def __init__(self) -> None:
        self._streams: dict[str, ConnectedStream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[ConnectedStream]:
        return iter(tuple(self._streams.values()))

    def add(self, stream: ConnectedStream) -> None:
        """Add a stream that was accepted."""
        self._streams[stream.stream_id] = stream

    def remove(self, stream_id: str) -> None:
        """Remove a stream that ended; its row is gone at once, a newer stream of the same node stays."""
        self._streams.pop(stream_id, None)

    def slime(self) -> dict[str, SlimeClient]:
        """Return the clients in the shape of Slime's `/meshregistry/clients`, by connection id."""
        return {stream.connection: describe_as_slime(stream) for stream in self if stream.machine.node.id}

    def streams(self) -> list[StreamStatus]:
        """Return everything known of each stream, oldest first."""
        return [describe_stream(stream) for stream in self]


def describe_as_slime(stream: ConnectedStream) -> SlimeClient:
    """Return Slime's record of one client."""
    return SlimeClient(
        ClientId=stream.machine.node.id[:_MAX_ID],
        ConnId=stream.connection,
        Addr=stream.peer,
        PushStatus={
            url: SlimePush(PushVer=state.nonce, AckVer=state.acked_nonce)
            for url, state in stream.machine.types.items()
            if state.nonce
        },
    )


def describe_stream(stream: ConnectedStream) -> StreamStatus:
    """Return everything known of one stream."""
    node = stream.machine.node
    return StreamStatus(
        connection=stream.connection,
        node=node.id[:_MAX_ID],
        revision=node.revision[:_MAX_ID],
        generator=node.generator[:_MAX_ID],
        peer=stream.peer,
        dialect=stream.dialect,
        connected=stream.connected,
        types={url: _describe_type(state) for url, state in stream.machine.types.items()},
    )


def _describe_type(state: TypeState) -> TypeStatus:
    return TypeStatus(
        dialect=state.dialect,
        wildcard=state.subscription.everything,
        names=state.subscription.size,
        version_sent=state.version,
        version_acked=state.acked_version,
        nonce_sent=state.nonce,
        nonce_acked=state.acked_nonce,
        ack_seconds=state.ack_s,
        acked_age_seconds=None if state.acked_at is None else round(time.monotonic() - state.acked_at, 3),
        waiting=state.due is not None,
        responses=state.responses,
        stubs=state.stubs,
        bytes=state.sent_bytes,
        nacks=state.rejections,
        last_nack=_describe_nack(state),
    )


def _describe_nack(state: TypeState) -> NackStatus | None:
    refused = state.rejection
    if refused is None:
        return None
    at = time.time() - (time.monotonic() - refused.at)
    return NackStatus(code=refused.code, message=refused.message, nonce=refused.nonce, time=at)
