"""A door between a client and a server: a test shuts it, holds or slows down what goes through, or lies to the client.

It knows no protocol, so that the same faults meet Nacos over HTTP and gRPC, Eureka and ZooKeeper alike.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

Liar = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Speaks to a new client in the server's place; the connection ends when it returns."""

_CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What becomes of bytes under way.

    `delay_s` holds every piece back in either direction, `bytes_per_s` bounds the pace of what the server says
    (0: none), `cut_after` ends a connection in the midst when the server has said so many bytes on it.
    """

    delay_s: float = 0.0
    bytes_per_s: int = 0
    cut_after: int | None = None


CALM = Weather()


class TcpGate:
    """Forwards connections to one server. Owner of those that are open."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._open: set[asyncio.WriteTransport] = set()
        self._shut = False
        self._moving = asyncio.Event()
        self._moving.set()
        self.weather = CALM
        self.liar: Liar | None = None
        self.port = 0
        self.met: Counter[str] = Counter()
        """How often which fault met something: `refused`, `held`, `lied`, `unreachable`, `cut` count connections,
        `delayed`, `slowed`, `truncated` pieces."""

    @property
    def address(self) -> str:
        """`host:port` for the client."""
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["TcpGate"]:
        """Listen on a free port."""
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.calm()
            self.shut()
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """End every connection; new ones are let through."""
        for transport in list(self._open):
            self.met["cut"] += 1
            transport.abort()

    def shut(self) -> None:
        """End every connection and let none through."""
        self._shut = True
        self.cut()

    def open(self) -> None:
        """Let connections through again."""
        self._shut = False

    def hold(self) -> None:
        """Move nothing, in either direction: connections stay, new ones are accepted, and nobody hears anything."""
        self._moving.clear()

    def calm(self) -> None:
        """End every fault; what was held moves on."""
        self.weather, self.liar = CALM, None
        self._moving.set()
        self.open()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._shut:
            self.met["refused"] += 1
            writer.transport.abort()
            return
        self._open.add(writer.transport)
        try:
            await self._pass_hold()
            if self.liar is not None:
                self.met["lied"] += 1
                await self.liar(reader, writer)
            else:
                await self._connect(reader, writer)
        except OSError:
            pass
        finally:
            self._open.discard(writer.transport)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._server)
        except OSError:
            self.met["unreachable"] += 1
            raise
        self._open.add(there_writer.transport)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, there_writer, said_by_server=False))
                tasks.create_task(self._pump(there_reader, writer, said_by_server=True))
        finally:
            self._open.discard(there_writer.transport)
            there_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, said_by_server: bool) -> None:
        said = 0
        try:
            while data := await reader.read(self._chunk_bytes(said_by_server)):
                await self._pass_hold()
                weather = self.weather
                if weather.delay_s:
                    self.met["delayed"] += 1
                    await asyncio.sleep(weather.delay_s)
                if said_by_server and weather.bytes_per_s:
                    self.met["slowed"] += 1
                    await asyncio.sleep(len(data) / weather.bytes_per_s)
                said += len(data)
                cut = said_by_server and weather.cut_after is not None and said > weather.cut_after
                writer.write(data[: len(data) // 2] if cut else data)
                await writer.drain()
                if cut:
                    self.met["truncated"] += 1
                    break
        except OSError:
            pass
        writer.close()

    async def _pass_hold(self) -> None:
        if not self._moving.is_set():
            self.met["held"] += 1
            await self._moving.wait()

    def _chunk_bytes(self, said_by_server: bool) -> int:
        pace = self.weather.bytes_per_s if said_by_server else 0
        return min(max(pace // 10, 1), _CHUNK_BYTES) if pace else _CHUNK_BYTES
