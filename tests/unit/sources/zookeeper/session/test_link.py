"""One connection: bytes written together, an end that everybody is told of in the same instant."""

import asyncio
import struct
from typing import Any

import pytest

from meshregistry.errors import SourceError
from meshregistry.sources.polling import Clock
from meshregistry.sources.zookeeper.session import requests
from meshregistry.sources.zookeeper.session.errors import ConnectionLoss, NoNodeError
from meshregistry.sources.zookeeper.session.exchange import Exchange
from meshregistry.sources.zookeeper.session.frames import FrameReader, framed
from meshregistry.sources.zookeeper.session.jute import pack_text, pack_texts
from meshregistry.sources.zookeeper.session.link import Link, Waiter
from meshregistry.sources.zookeeper.session.meters import Meters
from meshregistry.sources.zookeeper.session.records import WatchEvent, WatchKind
from meshregistry.sources.zookeeper.session.watches import Watches

pytestmark = pytest.mark.anyio


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


class Connection:
    """A link on a wire of its own, with what it told."""

    def __init__(self) -> None:
        self.meters = Meters()
        self.events: list[WatchEvent] = []
        self.ends: list[str] = []
        exchange: Exchange[Waiter] = Exchange(Watches())
        clock = Clock(now=lambda: 5.0)
        self.link = Link("zk:2181", exchange, FrameReader(1000), self.meters, self.events.append, clock)
        self.link.on_end = lambda end: self.ends.append(str(end))
        self.wire = Wire()
        self.link.connection_made(self.wire)

    async def asked(self, count: int = 1) -> list[asyncio.Task[tuple[str, ...]]]:
        """Requests that are on the wire."""
        tasks = [asyncio.ensure_future(self.link.ask(requests.get_children("/a", watch=True))) for _ in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks

    def answer(self, xid: int, *names: str, code: int = 0) -> bytes:
        return framed(struct.pack(">iqi", xid, 1, code) + pack_texts(names))


async def test_requests_of_one_turn_are_one_write() -> None:
    connection = Connection()
    tasks = await connection.asked(3)
    assert 1 == len(connection.wire.written)
    connection.link.data_received(b"".join(connection.answer(xid, str(xid)) for xid in (1, 2, 3)))
    assert [("1",), ("2",), ("3",)] == await asyncio.gather(*tasks)


async def test_requests_of_a_batch_are_answered_together_each_with_its_own_error() -> None:
    connection = Connection()
    asked = asyncio.ensure_future(connection.link.ask_all([requests.get_children(path, watch=False) for path in "abc"]))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (1, 3) == (len(connection.wire.written), connection.link.in_flight)
    connection.link.data_received(connection.answer(1, "x") + connection.answer(2, code=-101))
    await asyncio.sleep(0)
    assert not asked.done()
    connection.link.connection_lost(None)
    names, missing, lost = await asked
    assert ("x",) == names
    assert isinstance(missing, NoNodeError)
    assert isinstance(lost, ConnectionLoss)


async def test_nobody_has_to_wait_for_the_answers_of_a_batch() -> None:
    connection = Connection()
    asked = asyncio.ensure_future(connection.link.ask_all([requests.get_children(path, watch=False) for path in "ab"]))
    for _ in range(3):
        await asyncio.sleep(0)
    asked.cancel()
    (task,) = await connection.asked(1)
    connection.link.data_received(b"".join(connection.answer(xid, str(xid)) for xid in (1, 2, 3)))
    assert ("3",) == await task
    assert (0, False) == (connection.link.in_flight, connection.link.ended)


async def test_the_first_frame_answers_the_greeting() -> None:
    connection = Connection()
    greeting = asyncio.ensure_future(connection.link.greet(b"hello"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert [framed(b"hello")] == connection.wire.written
    connection.link.data_received(framed(b"welcome"))
    assert b"welcome" == await greeting


async def test_an_end_reaches_all_who_wait_before_anything_else_runs() -> None:
    connection = Connection()
    tasks = await connection.asked(3)
    connection.link.connection_lost(ConnectionResetError("reset"))
    assert ["zk:2181: connection lost: reset"] == connection.ends
    assert 0 == connection.link.in_flight
    assert connection.link.lost.done()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(ended, ConnectionLoss)
    with pytest.raises(ConnectionLoss, match="reset"):
        await connection.link.ask(requests.sync("/a"))


async def test_garbage_ends_the_connection_and_later_bytes_count_for_nothing() -> None:
    connection = Connection()
    tasks = await connection.asked(1)
    connection.link.data_received(framed(b"abc"))
    assert connection.wire.aborted
    event = framed(struct.pack(">iqiii", -1, -1, 0, 1, 3) + pack_text("/a"))
    connection.link.data_received(connection.answer(1, "late") + event)
    connection.link.connection_lost(None)
    assert ["zk:2181: an answer of 3 bytes"] == connection.ends
    assert [] == connection.events
    with pytest.raises(ConnectionLoss, match="an answer of 3 bytes"):
        await tasks[0]


async def test_what_came_before_garbage_is_told() -> None:
    connection = Connection()
    tasks = await connection.asked(1)
    event = framed(struct.pack(">iqiii", -1, -1, 0, 4, 3) + pack_text("/a"))
    connection.link.data_received(connection.answer(1, "x") + event + framed(b"abc"))
    assert ("x",) == await tasks[0]
    assert [WatchEvent(WatchKind.CHILDREN, "/a")] == connection.events


async def test_a_link_that_ended_before_its_transport_closes_it() -> None:
    connection = Connection()
    connection.link.abort("given up")
    late = Wire()
    connection.link.connection_made(late)
    assert late.aborted


async def test_answers_are_counted_and_absence_is_no_failure() -> None:
    connection = Connection()
    tasks = await connection.asked(3)
    for xid, code in ((1, 0), (2, -101), (3, -102)):
        connection.link.data_received(connection.answer(xid, code=code))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert 2 == sum(isinstance(outcome, SourceError) for outcome in outcomes)
    assert {"get_children": {"answers": 3, "errors": 1, "mean_ms": 0.0, "max_ms": 0.0}} == connection.meters.describe()[
        "requests"
    ]
