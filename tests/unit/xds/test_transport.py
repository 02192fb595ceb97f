"""DATA frames that are written many at once: h2 on the other side checks windows, sizes and order."""

import asyncio
from types import SimpleNamespace
from typing import cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import pytest
from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, Connection, EventsProcessor
from grpclib.protocol import Stream as HttpStream

from meshregistry.xds.encode import Body, Message
from meshregistry.xds.pacer import Pacer
from meshregistry.xds.transport import ByteStream, send

pytestmark = pytest.mark.anyio

HEADERS = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "x")]
WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
FRAME = h2.settings.SettingCodes.MAX_FRAME_SIZE


def make_message(size: int, chunk: int = 60_000) -> Message:
    """Return a message of this size in all, without gRPC's five bytes, whose bytes tell their place."""
    body = bytes(index % 251 for index in range(size - 8))
    chunks = tuple(body[start : start + chunk] for start in range(0, len(body), chunk))
    return Message(b"head", Body(chunks, len(body), 1), b"tail")


def whole(message: Message) -> bytes:
    """Return what the client must have in the end."""
    return b"\0" + message.size.to_bytes(4, "big") + message.head + b"".join(message.body.chunks) + message.tail


class Wire:
    """A server connection of grpclib and a client of h2, joined by hand; checks flow control at every byte."""

    def __init__(self, settings: dict[h2.settings.SettingCodes | int, int]) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.client.update_settings(settings)
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.server.initiate_connection()
        self.written: list[bytes] = []
        self.frames: list[tuple[int, bytes]] = []
        self.pings = 0
        transport = cast("asyncio.Transport", SimpleNamespace(write=self.written.append, is_closing=lambda: False))
        self.connection = Connection(self.server, transport, config=Configuration().__for_server__())
        handler = cast("AbstractHandler", SimpleNamespace(cancel=lambda _: None))
        self._processor = EventsProcessor(handler, self.connection)
        self.exchange()

    def open(self, stream_id: int) -> HttpStream:
        """Open a stream and answer with headers."""
        self.client.send_headers(stream_id, HEADERS)
        self.server.receive_data(self.client.data_to_send())
        stream = self.connection.create_stream(stream_id=stream_id)
        self._processor.register(stream)
        self.server.send_headers(stream_id, [(":status", "200")])
        self.connection.flush()
        return stream

    def exchange(self) -> None:
        """Move what is written in both directions; the client notes frames, and raises on any violation."""
        for event in self.server.receive_data(self.client.data_to_send()):
            self._processor.process(event)
        self.connection.flush()
        for data in self.written:
            self._take(self.client.receive_data(data))
        self.written.clear()

    def _take(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                self.frames.append((event.stream_id, event.data))
            self.pings += isinstance(event, h2.events.PingAckReceived)

    def received(self, stream_id: int) -> bytes:
        """Return the data of a stream so far."""
        return b"".join(data for number, data in self.frames if number == stream_id)


def begin(stream: HttpStream, message: Message, timeout_s: float = 30.0) -> asyncio.Task[None]:
    """Begin to send."""
    return asyncio.ensure_future(send(cast("ByteStream", SimpleNamespace(_stream=stream)), message, timeout_s, Pacer()))


async def settle() -> None:
    """Let a sender go as far as it can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_message_arrives_whole_in_frames_of_the_size_that_the_client_set() -> None:
    """SETTINGS_MAX_FRAME_SIZE; frames are full whatever the chunks are, and what the window allows is one write."""
    wire = Wire({WINDOW: 1 << 20, FRAME: 20_000})
    wire.client.increment_flow_control_window(1 << 20)
    message, stream = make_message(150_000), wire.open(1)
    wire.exchange()
    await begin(stream, message)
    assert [150_005 + 8 * 9] == list(map(len, wire.written))
    wire.exchange()
    assert whole(message) == wire.received(1)
    assert [*[20_000] * 7, 10_005] == [len(data) for _, data in wire.frames]


async def test_a_small_message_is_one_frame() -> None:
    """Most delta responses are."""
    wire, message = Wire({}), make_message(1000)
    await begin(wire.open(1), message)
    wire.exchange()
    assert [(1, whole(message))] == wire.frames


async def test_an_exhausted_window_stops_the_frames_until_it_is_opened() -> None:
    """Also by odd sizes, and by a smaller initial window that makes it negative."""
    wire, message = Wire({WINDOW: 25_000}), make_message(65_000)
    sending = begin(wire.open(1), message)
    for granted, expected in ((0, 25_000), (7, 25_007), (0, 25_007), (30_000, 55_007)):
        if granted:
            wire.client.increment_flow_control_window(granted, 1)
        wire.exchange()
        await settle()
        wire.exchange()
        assert expected == len(wire.received(1))
    wire.client.update_settings({WINDOW: 10})
    wire.client.increment_flow_control_window(14_990, 1)
    wire.exchange()
    await settle()
    wire.exchange()
    assert (55_007, False) == (len(wire.received(1)), sending.done())
    wire.client.update_settings({WINDOW: 25_000})
    wire.exchange()
    await sending
    wire.exchange()
    assert whole(message) == wire.received(1)


async def test_streams_of_a_connection_share_its_window() -> None:
    """65,535 bytes in the beginning, whatever the windows of the streams are."""
    wire, message = Wire({WINDOW: 1 << 20}), make_message(60_000)
    sendings = [begin(wire.open(number), message) for number in (1, 3)]
    await settle()
    wire.exchange()
    assert (60_005, 5_530) == (len(wire.received(1)), len(wire.received(3)))
    wire.client.increment_flow_control_window(100_000)
    wire.exchange()
    await asyncio.gather(*sendings)
    wire.exchange()
    assert [whole(message)] * 2 == [wire.received(1), wire.received(3)]


async def test_a_reset_midway_ends_the_writing_and_the_connection_goes_on() -> None:
    """Here before grpclib's cancellation is noticed: the transport was full, the windows are open."""
    wire, message = Wire({WINDOW: 20_000}), make_message(40_000)
    sending = begin(wire.open(1), message)
    await settle()
    wire.exchange()
    wire.connection.pause_writing()
    wire.client.increment_flow_control_window(20_000, 1)
    wire.exchange()
    await settle()
    wire.client.reset_stream(1)
    wire.exchange()
    wire.connection.resume_writing()
    with pytest.raises(h2.exceptions.ProtocolError):
        await sending
    wire.client.increment_flow_control_window(20_000)
    wire.exchange()
    assert 20_000 == len(wire.received(1))
    small = make_message(20_000 - 5)
    await begin(wire.open(3), small)
    wire.exchange()
    assert whole(small) == wire.received(3)


async def test_nothing_is_written_after_goodbye() -> None:
    """After GOAWAY h2 refuses frames, and so does this."""
    wire = Wire({})
    stream = wire.open(1)
    wire.server.close_connection()
    wire.connection.flush()
    wire.written.clear()
    with pytest.raises(h2.exceptions.ProtocolError):
        await begin(stream, make_message(100))
    assert [] == wire.written


async def test_frames_of_h2_keep_their_place() -> None:
    """What h2 has made before the data, here the answer to a PING, is written before it."""
    wire = Wire({})
    stream = wire.open(1)
    wire.exchange()
    wire.client.ping(b"8 bytes.")
    wire.server.receive_data(wire.client.data_to_send())
    await begin(stream, make_message(100))
    assert 1 == len(wire.written)
    wire.exchange()
    assert (1, 105) == (wire.pings, len(wire.received(1)))


async def test_a_client_that_grants_nothing_is_a_timeout() -> None:
    """Whoever sends ends the stream then."""
    wire = Wire({WINDOW: 0})
    with pytest.raises(TimeoutError):
        await begin(wire.open(1), make_message(100), timeout_s=0.001)
    wire.exchange()
    assert [] == wire.frames


async def test_the_time_for_a_response_begins_anew_with_every_64_kilobytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow reader is no stalled one; one that takes a byte now and then is."""
    renewed: list[int] = []
    wire, message = Wire({WINDOW: 65_535}), make_message(200_000)

    class Limit:
        async def __aenter__(self) -> "Limit":
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        def reschedule(self, _: float) -> None:
            renewed.append(len(wire.received(1)))

    monkeypatch.setattr(asyncio, "timeout", lambda _: Limit())
    sending = begin(wire.open(1), message)
    for granted in (1, 65_535, 10, 65_535, 65_535):
        await settle()
        wire.exchange()
        wire.client.increment_flow_control_window(granted, 1)
        wire.client.increment_flow_control_window(granted)
        wire.exchange()
    await sending
    # What the client had of it when the byte was written that made a part complete.
    assert [65_535, 131_071] == renewed
