"""A door between a client and a server that a test can shut: what is under way is cut, newcomers are turned away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TcpGate:
    """Forwards connections to one server. Owner of those that are open."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._open: set[asyncio.WriteTransport] = set()
        self._shut = False
        self.port = 0

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
            self.shut()
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """End every connection; new ones are let through."""
        for transport in list(self._open):
            transport.abort()

    def shut(self) -> None:
        """End every connection and let none through."""
        self._shut = True
        self.cut()

    def open(self) -> None:
        """Let connections through again."""
        self._shut = False

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._shut:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._server)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer.transport, there_writer.transport}
        self._open |= pair
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(reader, there_writer))
                tasks.create_task(_pump(there_reader, writer))
        finally:
            self._open -= pair
            for transport in pair:
                transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
