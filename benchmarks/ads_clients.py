"""`python -m benchmarks.ads_clients`: many ADS clients in one process, steered by JSON lines.

Orders on standard input: `{"open": 100, "kind": "stubs"}` adds streams, `{"take": 100, "timeout_s": 60}` waits until
so many responses have arrived since the last take and returns them, `{"close": true}` drops every connection.
Each order is answered by one line; the process ends with its input.
"""

import argparse
import asyncio
import sys
import time
from enum import StrEnum

import msgspec

from benchmarks.http2 import StreamProtocol
from meshregistry.wire.protobuf import frame, text

_METHODS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"


class ClientKind(StrEnum):
    """How a client asks, and so what it is sent."""

    FULL = "full"
    """State of the world under v1alpha3, which no version stubs are sent for."""

    STUBS = "stubs"
    """State of the world as istiod 1.24 and later asks."""

    DELTA = "delta"

    @property
    def type_url(self) -> str:
        """What is asked for."""
        return f"networking.istio.io/{'v1alpha3' if self is ClientKind.FULL else 'v1'}/ServiceEntry"

    @property
    def path(self) -> str:
        """The method that is called."""
        return _METHODS + ("Delta" if self is ClientKind.DELTA else "Stream") + "AggregatedResources"


class Arrival(msgspec.Struct, array_like=True, frozen=True):
    """One response: whose it is, when its last byte arrived (monotonic seconds), its size in bytes.

    `resources` counts what a delta response carries; 0 for others.
    """

    client: int
    at: float
    size: int
    resources: int = 0


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of input; exactly one of `open`, `take` and `close` is set."""

    open: int = 0
    kind: ClientKind = ClientKind.STUBS
    take: int | None = None
    timeout_s: float = 0.0
    close: bool = False


class Report(msgspec.Struct, frozen=True):
    """One line of output."""

    at: float
    """When the order was carried out, for `open` begun: monotonic seconds."""

    arrivals: tuple[Arrival, ...] = ()
    ended: tuple[str, ...] = ()
    """Why streams ended that should not have."""


class Client:
    """One stream; acknowledges each response as soon as its last byte has arrived."""

    def __init__(self, number: int, kind: ClientKind, log: "Log") -> None:
        self._number = number
        self._kind = kind
        self._log = log
        self._pending = bytearray()
        self._left = 0
        self._size = 0
        self._protocol = StreamProtocol(kind.path, self)
        # Of a full answer only the end is kept: there the nonce is.
        self._keep = 1 << 23 if kind is ClientKind.DELTA else 1 << 10
        self._marker = text(b"\x22", kind.type_url) + b"\x2a"

    async def open(self, port: int) -> None:
        """Connect and ask for everything."""
        await asyncio.get_running_loop().create_connection(lambda: self._protocol, "127.0.0.1", port)
        self._protocol.send(self._first_request())

    def close(self) -> None:
        """Drop the connection without a word in the log."""
        self._log.forget(self._number)
        self._protocol.close()

    def take(self, payload: memoryview) -> None:
        """Take the next part of the stream's data."""
        while payload:
            if self._left == 0:
                head = 5 - len(self._pending)
                self._pending += payload[:head]
                payload = payload[head:]
                if len(self._pending) < 5:
                    return
                self._size = self._left = int.from_bytes(self._pending[1:5], "big")
                self._pending.clear()
                continue
            part, payload = payload[: self._left], payload[self._left :]
            self._left -= len(part)
            if (wanted := self._keep - self._left) > 0:
                self._pending += part[-wanted:]
            if self._left == 0:
                self._finish()

    def end(self, reason: str) -> None:
        """The stream is over."""
        self._log.note_end(self._number, reason)

    def _finish(self) -> None:
        at, message = time.monotonic(), bytes(self._pending)
        self._pending.clear()
        start = message.rindex(self._marker) + len(self._marker)
        nonce = message[start + 1 : start + 1 + message[start]].decode()
        self._protocol.send(self._acknowledgement(nonce))
        resources = _count_resources(message) if self._kind is ClientKind.DELTA else 0
        self._log.add(Arrival(self._number, at, self._size, resources))

    def _first_request(self) -> bytes:
        node = text(b"\x0a", f"sidecar~10.0.0.{self._number}~bench-{self._number}.istio-system~istio-system.svc")
        entry = text(b"\x0a", "GENERATOR") + frame(b"\x12", text(b"\x1a", "api"))
        node += frame(b"\x1a", frame(b"\x0a", entry))
        if self._kind is ClientKind.DELTA:
            return frame(b"\x0a", node) + text(b"\x12", self._kind.type_url) + text(b"\x1a", "*")
        return frame(b"\x12", node) + text(b"\x22", self._kind.type_url)

    def _acknowledgement(self, nonce: str) -> bytes:
        if self._kind is ClientKind.DELTA:
            return text(b"\x12", self._kind.type_url) + text(b"\x32", nonce)
        return text(b"\x22", self._kind.type_url) + text(b"\x2a", nonce)


class Log:
    """What arrived since the last look; owned by the process's only task, filled by the protocols."""

    def __init__(self) -> None:
        self._arrivals: list[Arrival] = []
        self._ended: list[str] = []
        self._closed: set[int] = set()
        self._news = asyncio.Event()

    def add(self, arrival: Arrival) -> None:
        """Note a response."""
        self._arrivals.append(arrival)
        self._news.set()

    def forget(self, client: int) -> None:
        """Expect the end of this client's stream."""
        self._closed.add(client)

    def note_end(self, client: int, reason: str) -> None:
        """Note the end of a stream unless it is expected."""
        if client not in self._closed:
            self._ended.append(reason)
            self._news.set()

    async def take(self, count: int, timeout_s: float) -> Report:
        """Wait for so many responses, an unexpected end or the timeout, and return what there is."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._arrivals) < count and not self._ended:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        report = Report(time.monotonic(), tuple(self._arrivals), tuple(self._ended))
        self._arrivals.clear()
        self._ended.clear()
        return report


class Clients:
    """All streams of the process, numbered over its life."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._log = Log()
        self._open: list[Client] = []
        self._made = 0

    async def obey(self, order: Order) -> Report:
        """Carry out one order."""
        at = time.monotonic()
        if order.take is not None:
            return await self._log.take(order.take, order.timeout_s)
        if order.close:
            for client in self._open:
                client.close()
            self._open.clear()
            return Report(at)
        new = [Client(self._made + number, order.kind, self._log) for number in range(order.open)]
        self._made += len(new)
        self._open += new
        await asyncio.gather(*(client.open(self._port) for client in new))
        return Report(at)


async def obey_all(port: int) -> None:
    """Obey orders until the input ends."""
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    clients = Clients(port)
    while line := await orders.readline():
        report = await clients.obey(msgspec.json.decode(line, type=Order))
        print(msgspec.json.encode(report).decode(), flush=True)


def _count_resources(message: bytes) -> int:
    """Count field 2 of a response; every field of it is length-delimited with a tag of one byte."""
    position = count = 0
    while position < len(message):
        count += message[position] == 0x12
        size = shift = 0
        while True:
            position += 1
            size |= (message[position] & 0x7F) << shift
            shift += 7
            if message[position] < 0x80:
                break
        position += 1 + size
    return count


def main() -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(obey_all(parser.parse_args().port))


if __name__ == "__main__":
    main()
