"""A ZooKeeper, real or simulated, and the service that reads it, each in a process of its own, on loopback."""

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from benchmarks.processes import Service, end, free_port, run_service, simulated

_PROJECT = Path(__file__).parents[1] / "tests" / "integration" / "registries" / "zookeeper"
_START_S = 60.0
_SETTINGS = """
aux_addr: 127.0.0.1:{{http}}
mcp: {{{{server_url: "xds://127.0.0.1:{{ads}}"}}}}
zookeeper_source:
  enabled: true
  mode: {mode}
  address: ["127.0.0.1:{port}"]
  refresh_period: {period}s
log: {{{{level: warning}}}}
"""
_CONFIGURATION = """
dataDir={folder}
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=srvr
"""
# As in the tests: without waiting for the disk, as nothing of it must survive.
_OPTIONS = ("-Dzookeeper.forceSync=no", "-Dzookeeper.snapCount=10000000")


def real_version() -> str:
    """Return the version of the real ZooKeeper that `make registries` has built here, "" if there is none."""
    found = [path.stem.removeprefix("zookeeper-") for path in (_PROJECT / "lib").glob("zookeeper-[0-9]*.jar")]
    return found[0] if found else ""


@contextmanager
def zookeeper() -> Iterator[int]:
    """Run an empty server, a real one if there is one; yields its port when it serves."""
    with _real() if real_version() else simulated("zookeeper") as port:
        yield port


@contextmanager
def zookeeper_service(port: int, mode: str, period_s: float) -> Iterator[Service]:
    """Start the service on a server; the block begins at once, before it is ready."""
    with run_service(_SETTINGS.format(mode=mode, port=port, period=period_s)) as running:
        yield running


@contextmanager
def _real() -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "zoo.cfg"
        configuration.write_text(_CONFIGURATION.format(folder=folder, port=port))
        command = [str(_PROJECT / "start.sh"), "maven", str(configuration), *_OPTIONS]
        environment = {**os.environ, "ZOOKEEPER_HEAP": "1g"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                _wait_until_it_serves(port)
                yield port
            finally:
                end(server)


def _wait_until_it_serves(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as link:
                link.sendall(b"srvr")
                if b"Mode" in link.makefile("rb").read():
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("ZooKeeper did not start")


class Relay:
    """A door before a server: while it is shut, there is no connection through it and none can be made."""

    def __init__(self, server: int) -> None:
        self.port = free_port()
        self._server = server
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Let connections through."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server)
        self._writers |= {writer, server_writer}
        await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))


@asynccontextmanager
async def relay(server: int) -> AsyncIterator[Relay]:
    """Run an open door for as long as the block lasts."""
    door = Relay(server)
    await door.open()
    try:
        yield door
    finally:
        door.shut()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()
