"""A ZooKeeper client that shows what is on the wire: no reconnecting, no pings, no interpretation of errors."""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

_TIMEOUT_S = 5.0
_OPEN_ACL = struct.pack(">ii", 1, 31) + struct.pack(">i", 5) + b"world" + struct.pack(">i", 6) + b"anyone"

CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_CHILDREN, SYNC, PING = 1, 2, 3, 4, 5, 8, 9, 11
GET_CHILDREN2, MULTI, CREATE2, REMOVE_WATCHES = 12, 14, 15, 18
AUTH, SET_WATCHES, SASL, SET_WATCHES2, ADD_WATCH, CLOSE = 100, 101, 102, 105, 106, -11


class Hello(NamedTuple):
    """The answer to a greeting."""

    timeout_ms: int
    session: int
    password: bytes


class Reply(NamedTuple):
    """The answer to a request."""

    zxid: int
    error: int
    body: bytes


class Event(NamedTuple):
    """What a watch told."""

    kind: int
    path: str
    zxid: int


def string(value: str | bytes) -> bytes:
    """Encode a string or bytes with their length."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">i", len(raw)) + raw


def strings(values: Sequence[str]) -> bytes:
    """Encode a vector of strings."""
    return struct.pack(">i", len(values)) + b"".join(map(string, values))


def create(path: str, data: bytes = b"", flags: int = 0, acl: bytes = _OPEN_ACL) -> bytes:
    """The body of a create request: flag 1 is ephemeral, 2 sequential."""
    return string(path) + string(data) + acl + struct.pack(">i", flags)


def watch(path: str, *, armed: bool = True) -> bytes:
    """The body of exists, getData and getChildren."""
    return string(path) + bytes([armed])


def names(body: bytes) -> list[str]:
    """The vector of strings that a body begins with, sorted."""
    (count,), position, found = struct.unpack_from(">i", body), 4, []
    for _ in range(count):
        (size,) = struct.unpack_from(">i", body, position)
        found.append(body[position + 4 : position + 4 + size].decode())
        position += 4 + size
    return sorted(found)


class WireClient:
    """One connection; `events` holds what came between replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hello = Hello(0, 0, b"")
        self.events: list[Event] = []
        self._reader = reader
        self._writer = writer
        self._xid = 0

    async def greet(
        self, timeout_ms: int = 30000, *, session: int = 0, password: bytes = bytes(16), seen_zxid: int = 0
    ) -> Hello:
        """Ask for a session, or for the one given; raises asyncio.IncompleteReadError if the server closes."""
        self._write(struct.pack(">iqiq", 0, seen_zxid, timeout_ms, session) + string(password) + b"\0")
        body = await self.frame()
        _, granted_ms, number, size = struct.unpack_from(">iiqi", body)
        self.hello = Hello(granted_ms, number, body[20 : 20 + size])
        return self.hello

    async def ask(self, opcode: int, body: bytes = b"", *, xid: int | None = None) -> Reply:
        """Send a request and wait for its reply; events on the way are kept."""
        return (await self.ask_many([(opcode, body)], xid=xid))[0]

    async def ask_many(self, requests: Sequence[tuple[int, bytes]], *, xid: int | None = None) -> list[Reply]:
        """Send requests at once and wait for their replies, which come in their order."""
        sent = []
        for opcode, body in requests:
            self._xid += 1
            sent.append(self._xid if xid is None else xid)
            self._write(struct.pack(">ii", sent[-1], opcode) + body)
        replies: list[Reply] = []
        while len(replies) < len(sent):
            number, reply = await self._next()
            if reply is not None:
                assert sent[len(replies)] == number
                replies.append(reply)
        return replies

    async def event(self) -> Event:
        """The next event, one that came before a reply first."""
        while not self.events:
            _, reply = await self._next()
            assert reply is None, "a reply that nobody waits for"
        return self.events.pop(0)

    async def end(self) -> bytes:
        """Wait until the server closes; returns what came before."""
        async with asyncio.timeout(_TIMEOUT_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    async def frame(self) -> bytes:
        """The next frame as it is."""
        async with asyncio.timeout(_TIMEOUT_S):
            (size,) = struct.unpack(">i", await self._reader.readexactly(4))
            return await self._reader.readexactly(size)

    async def _next(self) -> tuple[int, Reply | None]:
        frame = await self.frame()
        xid, zxid, error = struct.unpack_from(">iqi", frame)
        if xid != -1:
            return xid, Reply(zxid, error, frame[16:])
        kind, _, size = struct.unpack_from(">iii", frame, 16)
        self.events.append(Event(kind, frame[28 : 28 + size].decode(), zxid))
        return xid, None

    def _write(self, payload: bytes) -> None:
        self._writer.write(struct.pack(">i", len(payload)) + payload)

    def cut(self) -> None:
        """Close without a word."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(hosts: str) -> AsyncIterator[WireClient]:
    """Connect to the first host, without greeting."""
    host, port = hosts.split(",")[0].rsplit(":", 1)
    client = WireClient(*await asyncio.open_connection(host, int(port)))
    try:
        yield client
    finally:
        client.cut()


@asynccontextmanager
async def greeted(hosts: str, timeout_ms: int = 30000) -> AsyncIterator[WireClient]:
    """Connect and take a session, which outlives the connection."""
    async with connected(hosts) as client:
        await client.greet(timeout_ms)
        yield client
