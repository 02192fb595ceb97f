"""Connections that begin in turns: what happens to one before its turn has come."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest

from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.connection import Connection
from meshregistry.xds.listener import Listener
from meshregistry.xds.options import AdsOptions

pytestmark = pytest.mark.anyio


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.reading: list[bool] = []
        self.transport = cast(
            "asyncio.Transport",
            SimpleNamespace(
                write=self.written.append,
                close=lambda: setattr(self, "closed", True),
                is_closing=lambda: self.closed,
                get_extra_info=lambda _: None,
                pause_reading=lambda: self.reading.append(False),
                resume_reading=lambda: self.reading.append(True),
            ),
        )


def make_listener(metrics: Metrics | None = None) -> Listener:
    """Return a listener that offers nothing and has time to read whatever arrives, however slow the machine is."""
    listener = Listener([], AdsOptions(), metrics or Metrics())
    listener._turns._slice_s = 60.0
    return listener


def connect(listener: Listener) -> tuple[Connection, Wire]:
    """Return a connection that was just accepted."""
    wire = Wire()
    connection = listener._protocol_factory()
    assert isinstance(connection, Connection)
    connection.connection_made(wire.transport)
    return connection, wire


def open_client(wire: Wire, connection: Connection) -> h2.connection.H2Connection:
    """Return the client's end of a connection that has begun."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    connection.data_received(client.data_to_send())
    client.receive_data(b"".join(wire.written))
    wire.written.clear()
    return client


async def begun(listener: Listener) -> tuple[Connection, Wire, h2.connection.H2Connection]:
    """Return a connection that has begun, and its client."""
    connection, wire = connect(listener)
    await asyncio.sleep(0)
    return connection, wire, open_client(wire, connection)


async def settle(condition: Callable[[], bool]) -> int:
    """Let the loop turn until the condition holds; return how often it did."""
    turns = 0
    while not condition():
        await asyncio.sleep(0)
        turns += 1
    return turns


def raw_frame(kind: int, payload: bytes, stream: int = 0) -> bytes:
    """Return a frame that h2 does not make."""
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload


def preface() -> list[bytes]:
    """Return the first bytes of a client with a PING behind them, in two parts."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.ping(b"8 bytes.")
    data = client.data_to_send()
    return [data[:10], data[10:]]


async def test_connections_begin_one_in_an_iteration_of_the_loop() -> None:
    """In the order in which they came."""
    wires = [connect(listener)[1] for listener in [make_listener()] for _ in range(3)]
    begun = []
    for _ in range(3):
        await asyncio.sleep(0)
        begun.append([bool(wire.written) for wire in wires])
    assert [[True, False, False], [True, True, False], [True, True, True]] == begun


async def test_what_arrives_early_is_read_when_the_turn_has_come() -> None:
    """All of it, in order."""
    connection, wire = connect(make_listener())
    for data in preface():
        connection.data_received(data)
    assert [] == wire.written
    await asyncio.sleep(0)
    assert b"8 bytes." in b"".join(wire.written)


async def test_a_connection_that_is_lost_early_never_begins() -> None:
    """And leaves nothing behind."""
    listener = make_listener()
    connection, wire = connect(listener)
    connection.data_received(preface()[0])
    connection.connection_lost(None)
    await asyncio.sleep(0)
    connection.data_received(preface()[1])
    assert ([], set(), True) == (wire.written, {*listener._door}, listener._all_lost.is_set())
    assert all(handler.closing for handler in listener._handlers)


async def test_goodbye_before_the_turn_closes() -> None:
    """There is no conversation to end."""
    connection, wire = connect(make_listener())
    connection.say_goodbye()
    await asyncio.sleep(0)
    assert ([], True) == (wire.written, wire.closed)
    connection.connection_lost(None)


async def test_a_begin_that_fails_does_not_keep_the_others_from_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason is."""
    listener = make_listener()
    broken, _ = connect(listener)
    _, wire = connect(listener)
    monkeypatch.setattr(broken, "begin", lambda: 1 / 0)
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (1, True) == (len(failures), bool(wire.written))


async def test_frames_of_unknown_types_are_ignored() -> None:
    """RFC 9113, 5.5; ORIGIN and GREASE are some. The PING behind them is answered."""
    connection, wire, client = await begun(make_listener())
    client.ping(b"8 bytes.")
    connection.data_received(raw_frame(0xC, b"") + raw_frame(0xBE, b"grease", 7) + client.data_to_send())
    assert (True, False) == (b"8 bytes." in b"".join(wire.written), wire.closed)


async def test_a_client_that_breaks_http2_is_told_so() -> None:
    """By GOAWAY with the reason, before the connection is closed."""
    connection, wire, client = await begun(make_listener())
    connection.data_received(raw_frame(0x6, b"too short"))
    (event,) = client.receive_data(b"".join(wire.written))
    assert isinstance(event, h2.events.ConnectionTerminated)
    assert (h2.errors.ErrorCodes.FRAME_SIZE_ERROR, True) == (event.error_code, wire.closed)


FLOODED: Final = ("meshregistry_ads_bad_requests_total", {"reason": "flood"})
FLOODS = {
    "ping": raw_frame(0x6, b"8 bytes."),
    "settings": raw_frame(0x4, (4).to_bytes(2, "big") + (1000).to_bytes(4, "big")),
    "priority": raw_frame(0x2, bytes(4) + b"\x10", 5),
    "unknown": raw_frame(0xBE, b""),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_flood_of_frames_that_ask_for_nothing_ends_the_connection(flood: bytes) -> None:
    """CVE-2019-9512, 9513 and 9515: a thousand pass, then the client is told to calm down."""
    metrics = Metrics()
    listener = make_listener(metrics)
    connection, wire, client = await begun(listener)
    connection.data_received(flood * 900)
    await settle(lambda: not connection._unread)
    assert (False, None) == (wire.closed, metrics.registry.get_sample_value(*FLOODED))
    connection.data_received(flood * 200_000)
    await settle(lambda: wire.closed)
    *_, end = client.receive_data(b"".join(wire.written))
    assert isinstance(end, h2.events.ConnectionTerminated)
    assert h2.errors.ErrorCodes.ENHANCE_YOUR_CALM == end.error_code
    assert (1.0, b"") == (metrics.registry.get_sample_value(*FLOODED), connection._unread)


async def test_a_flood_on_one_connection_leaves_every_iteration_to_others() -> None:
    """Its socket is not read on meanwhile; a quiet connection is answered long before the flood is read."""
    listener = make_listener()
    loud, loud_wire, _ = await begun(listener)
    quiet, quiet_wire, client = await begun(listener)
    await asyncio.sleep(0)
    listener._turns._slice_s = 0.002
    await asyncio.sleep(0)
    window_updates = raw_frame(0x8, (1).to_bytes(4, "big"))
    loud.data_received(window_updates * 20_000)
    assert [False] == loud_wire.reading
    client.ping(b"8 bytes.")
    quiet.data_received(client.data_to_send())
    assert 10 > await settle(lambda: bool(quiet_wire.written))
    assert len(loud._unread) > 0
    await settle(lambda: not loud._unread)
    assert [False, True] == loud_wire.reading


async def test_an_empty_data_frame_is_no_end_of_a_request() -> None:
    """RFC 9113, 6.1; grpclib alone takes it for the end of the stream, also in the middle of a message."""
    connection, _, client = await begun(make_listener())
    client.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "x")])
    connection.data_received(client.data_to_send())
    stream = connection.connection.create_stream(stream_id=1)
    connection.processor.register(stream)
    for part in (b"he", b"", b"llo"):
        connection.data_received(raw_frame(0x0, part, 1))
    assert b"hello" == await stream.recv_data(5)
