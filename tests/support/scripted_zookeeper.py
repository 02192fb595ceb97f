"""A ZooKeeper that does what a test says, byte by byte: for the faults that no real server shows on demand."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

SESSION_ID = 0x1234
PASSWORD = b"0123456789abcdef"
PING = 11


class Asked(NamedTuple):
    """A request as it came."""

    xid: int
    op: int
    body: bytes


class Greeting(NamedTuple):
    """The first frame of a client, as far as tests look at it."""

    last_zxid: int
    timeout_ms: int
    session_id: int


@dataclass
class Peer:
    """One connection, seen from the server; ends when its script does."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: Greeting | None = None
    asked: list[Asked] = field(default_factory=list)

    async def greeted(self) -> Greeting:
        """Read the first frame."""
        _protocol, zxid, timeout_ms, session_id = struct.unpack_from(">iqiq", await self.frame())
        greeting = self.greeting = Greeting(zxid, timeout_ms, session_id)
        return greeting

    async def accept(self, *, timeout_ms: int = 30_000, session_id: int = SESSION_ID) -> None:
        """Read the first frame and grant a session; a `timeout_ms` of 0 says that it has expired."""
        await self.greeted()
        self.send_frame(struct.pack(">iiqi", 0, timeout_ms, session_id, 16) + PASSWORD + b"\0")

    async def request(self) -> Asked:
        """Read the next request; pings are answered and passed over."""
        while True:
            frame = await self.frame()
            xid, op = struct.unpack_from(">ii", frame)
            asked = Asked(xid, op, frame[8:])
            self.asked.append(asked)
            if asked.op != PING:
                return asked
            self.answer(-2)

    async def frame(self) -> bytes:
        """Read a frame's body."""
        (length,) = struct.unpack(">i", await self.reader.readexactly(4))
        return await self.reader.readexactly(length)

    def answer(self, xid: int, body: bytes = b"", *, code: int = 0, zxid: int = 1) -> None:
        """Send an answer."""
        self.send_frame(struct.pack(">iqi", xid, zxid, code) + body)

    def event(self, kind: int, path: str, *, state: int = 3) -> None:
        """Send a watch event."""
        self.answer(-1, struct.pack(">ii", kind, state) + text(path), zxid=-1)

    def send_frame(self, body: bytes) -> None:
        """Send a frame."""
        self.send(struct.pack(">i", len(body)) + body)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def serve(self) -> None:
        """Answer everything well until the client leaves: each node has the one child `a`."""
        while True:
            asked = await self.request()
            self.answer(asked.xid, texts("a") if asked.op == 8 else b"\0" * 72)
            if asked.op == -11:
                return


Script = Callable[[Peer], Awaitable[None]]


class ScriptedZooKeeper:
    """Plays one script per connection; the last one again and again."""

    def __init__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.peers: list[Peer] = []
        self.host = host
        self.port = port
        self._scripts = scripts
        self._tls = tls

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def greetings(self) -> list[Greeting]:
        """How clients introduced themselves."""
        return [peer.greeting for peer in self.peers if peer.greeting is not None]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedZooKeeper"]:
        """Listen, on a free port unless one is wanted."""
        server = await asyncio.start_server(self._play, self.host, self.port, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for peer in self.peers:
                peer.writer.transport.abort()
            await asyncio.sleep(0)

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        script = self._scripts[min(len(self.peers), len(self._scripts)) - 1]
        try:
            await script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def good(peer: Peer) -> None:
    """Grant a session and answer everything."""
    await peer.accept()
    await peer.serve()


def text(value: str) -> bytes:
    """A string of the protocol."""
    return struct.pack(">i", len(value.encode())) + value.encode()


def texts(*values: str) -> bytes:
    """A vector of strings of the protocol."""
    return struct.pack(">i", len(values)) + b"".join(map(text, values))
