"""The processes of the ADS benchmarks as the measuring process sees them; every wait has an end."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import psutil

from benchmarks import ads_clients, ads_server
from benchmarks.ads_clients import ClientKind, Report
from benchmarks.ads_server import Usage
from benchmarks.processes import free_port

_ANSWER_S = 60.0
_LINE_BYTES = 1 << 24


class Unanswered(Exception):
    """A process of the benchmark did not do in time what it was told; the measurement is void."""


class Steered:
    """A process that answers each line of JSON with one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._memory = psutil.Process(process.pid)

    async def read(self, timeout_s: float) -> bytes:
        """Return the next answer; raises Unanswered."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise Unanswered(f"no answer within {timeout_s:.0f} s") from None
        if not line:
            raise Unanswered("the process has ended")
        return line

    async def tell(self, order: msgspec.Struct, timeout_s: float) -> bytes:
        """Give an order and return its answer; raises Unanswered."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        return await self.read(timeout_s)

    def resident_mb(self) -> float:
        """Return resident memory in MB."""
        return float(self._memory.memory_info().rss) / 1e6


class Clients:
    """Many clients of one kind in a process of their own."""

    def __init__(self, process: Steered, kind: ClientKind) -> None:
        self._process = process
        self.kind = kind
        self.count = 0

    async def open(self, count: int) -> float:
        """Connect so many more clients; returns when that began, in monotonic seconds."""
        self.count += count
        return (await self._tell(ads_clients.Order(open=count, kind=self.kind), _ANSWER_S)).at

    async def close(self) -> None:
        """Drop all connections."""
        self.count = 0
        await self._tell(ads_clients.Order(close=True), _ANSWER_S)

    async def take(self, count: int, timeout_s: float) -> Report:
        """Return what has arrived since the last look, once it is `count` responses or the time is over.

        Raises:
            Unanswered: a stream has ended.
        """
        report = await self._tell(ads_clients.Order(take=count, timeout_s=timeout_s), timeout_s + _ANSWER_S)
        if report.ended:
            raise Unanswered(f"{len(report.ended)} streams ended, the first: {report.ended[0]}")
        return report

    async def _tell(self, order: ads_clients.Order, timeout_s: float) -> Report:
        return msgspec.json.decode(await self._process.tell(order, timeout_s), type=Report)


class Server:
    """The service with a registry inside, in a process of its own."""

    def __init__(self, process: Steered, port: int) -> None:
        self._process = process
        self.port = port

    async def change(self, count: int = 0, per_s: float = 1000.0, *, watch: bool = False) -> Usage:
        """Make so many changes; returns when they were made, and what was used since the call before.

        `watch` looks for blocks of the loop until the next call, which costs CPU of its own.
        """
        order = ads_server.Order(changes=count, per_s=per_s, watch=watch)
        return msgspec.json.decode(await self._process.tell(order, _ANSWER_S + count / per_s), type=Usage)

    def resident_mb(self) -> float:
        """Return resident memory in MB."""
        return self._process.resident_mb()


@asynccontextmanager
async def ads_server_process(services: int, instances: int) -> AsyncIterator[Server]:
    """Run the service; its snapshot is complete when the block begins."""
    port = free_port()
    arguments = ("--port", str(port), "--services", str(services), "--instances", str(instances))
    async with _steered("benchmarks.ads_server", *arguments) as process:
        await process.read(_ANSWER_S)
        yield Server(process, port)


@asynccontextmanager
async def clients_process(port: int, kind: ClientKind) -> AsyncIterator[Clients]:
    """Run a process for clients, none of which is open yet."""
    async with _steered("benchmarks.ads_clients", "--port", str(port)) as process:
        yield Clients(process, kind)


@asynccontextmanager
async def _steered(module: str, *arguments: str) -> AsyncIterator[Steered]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    try:
        yield Steered(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
