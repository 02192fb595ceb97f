"""A client that writes fast: many nodes in a transaction, many transactions on their way at once."""

import asyncio
import itertools
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable

from meshregistry.sources.zookeeper.session.frames import FrameReader, framed
from meshregistry.sources.zookeeper.session.greeting import Ticket, pack_greeting, read_welcome
from meshregistry.sources.zookeeper.session.jute import pack_buffer, pack_text, read_text
from meshregistry.sources.zookeeper.session.requests import add_watch

_SESSION_S = 60.0
_PING_S = 10.0
_BATCH = 500  # of 700 bytes each: below what a server takes as one request
_IN_FLIGHT = 4
_MOST_FRAME_BYTES = 1 << 26
_ANSWER_S = 120.0
_CREATE, _DELETE, _MULTI, _ADD_WATCH, _PING = 1, 2, 14, 106, 11
_EVENT_XID, _PING_XID = -1, -2
_HEADER = struct.Struct(">iqi")
_EVERYBODY = struct.pack(">ii", 1, 31) + pack_text("world") + pack_text("anyone")
_PERSISTENT = struct.pack(">i", 0)
_ANY_VERSION = struct.pack(">i", -1)
_END = struct.pack(">i?i", -1, True, -1)


class WriteFailed(Exception):
    """The server refused a write or closed the connection; the measurement is void."""


class ZooKeeperWriter(asyncio.Protocol):
    """One session. `observe` gets path and arrival (monotonic seconds) of each event of the tree that it watches."""

    def __init__(self, observe: Callable[[str, float], None] = lambda _path, _at: None) -> None:
        self._observe = observe
        self._frames = FrameReader(_MOST_FRAME_BYTES)
        self._greeted = asyncio.get_running_loop().create_future()
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._xids = itertools.count(1)
        self._transport: asyncio.Transport | None = None
        self._pinging: asyncio.TimerHandle | None = None

    async def open(self, port: int) -> None:
        """Connect to 127.0.0.1. Raises OSError."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        self._write(framed(pack_greeting(Ticket(), _SESSION_S)))
        read_welcome(await asyncio.wait_for(self._greeted, _ANSWER_S))
        self._ping()

    def close(self) -> None:
        """Drop the connection."""
        if self._pinging is not None:
            self._pinging.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def create_all(self, paths: Iterable[str]) -> None:
        """Create nodes without data, parents first. Raises WriteFailed."""
        slots = asyncio.Semaphore(_IN_FLIGHT)
        sent = []
        waiting = iter(paths)
        while batch := list(itertools.islice(waiting, _BATCH)):
            await slots.acquire()
            body = b"".join(struct.pack(">i?i", _CREATE, False, -1) + _creation(path) for path in batch) + _END
            answer = self._ask(_MULTI, body)
            answer.add_done_callback(lambda _: slots.release())
            sent.append(answer)
        for answer in sent:
            _check_all(await answer)

    async def create(self, path: str) -> None:
        """Create one node without data. Raises WriteFailed."""
        await self._ask(_CREATE, _creation(path))

    async def delete(self, path: str) -> None:
        """Delete one node. Raises WriteFailed."""
        await self._ask(_DELETE, pack_text(path) + _ANY_VERSION)

    async def watch(self, path: str) -> None:
        """Be told of everything below a node. Raises WriteFailed."""
        await self._ask(_ADD_WATCH, add_watch(path, recursive=True).body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take answers, which come in the order of the requests, and events."""
        at = time.monotonic()
        for frame in self._frames.feed(data):
            if not self._greeted.done():
                self._greeted.set_result(frame)
                continue
            xid, _zxid, error = _HEADER.unpack_from(frame)
            if xid == _EVENT_XID:
                self._observe(read_text(frame, _HEADER.size + 8)[0], at)
            elif xid != _PING_XID:
                self._answer(self._waiting.popleft(), error, frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        for waiter in (self._greeted, *self._waiting):
            if not waiter.done():
                waiter.set_exception(WriteFailed(f"connection lost: {exc}"))

    def _answer(self, waiter: "asyncio.Future[bytes]", error: int, frame: bytes) -> None:
        if error:
            waiter.set_exception(WriteFailed(f"error {error}"))
        else:
            waiter.set_result(frame[_HEADER.size :])

    def _ask(self, opcode: int, body: bytes) -> "asyncio.Future[bytes]":
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._write(framed(struct.pack(">ii", next(self._xids), opcode) + body))
        return waiter

    def _ping(self) -> None:
        self._write(framed(struct.pack(">ii", _PING_XID, _PING)))
        self._pinging = asyncio.get_running_loop().call_later(_PING_S, self._ping)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)


def _creation(path: str) -> bytes:
    return pack_text(path) + pack_buffer(b"") + _EVERYBODY + _PERSISTENT


def _check_all(answer: bytes) -> None:
    """Raise WriteFailed for a transaction that failed: its first result says so."""
    kind, _done, error = struct.unpack_from(">i?i", answer)
    if kind == -1:
        raise WriteFailed(f"a transaction failed: error {error}")
