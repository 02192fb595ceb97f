"""The simulated ZooKeeper as a server: its life, its versions and its faults (the rigs' tests compare the rest)."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshregistry.sim.zookeeper.codes import Version
from meshregistry.sim.zookeeper.faults import GARBAGE, Fault
from meshregistry.sim.zookeeper.server import SimOptions, SimZooKeeper
from meshregistry.sim.zookeeper.state import Rules
from tests.support.zookeeper_access import TlsFiles
from tests.support.zookeeper_wire import (
    ADD_WATCH,
    CREATE,
    EXISTS,
    GET_CHILDREN,
    SET_WATCHES2,
    SYNC,
    Event,
    WireClient,
    connected,
    create,
    greeted,
    string,
    watch,
)

pytestmark = pytest.mark.anyio

_RECURSIVE = struct.pack(">i", 1)


@pytest.fixture
async def sim() -> AsyncIterator[SimZooKeeper]:
    async with SimZooKeeper() as server:
        yield server


async def test_a_restart_keeps_nodes_and_sessions_unless_it_is_to_lose_them(sim: SimZooKeeper) -> None:
    async with greeted(sim.address) as client:
        await client.ask(CREATE, create("/a", flags=1))
        hello = client.hello
        await sim.restart()
        assert b"" == await client.end()

    async with connected(sim.address) as client:
        assert hello == await client.greet(session=hello.session, password=hello.password)
        assert 0 == (await client.ask(EXISTS, watch("/a"))).error
        await sim.restart(empty=True)

    async with connected(sim.address) as client:
        assert 0 == (await client.greet(session=hello.session, password=hello.password)).timeout_ms
    assert (None, []) == (sim.state.tree.find("/a"), sim.state.sessions.numbers())


async def test_a_stopped_server_refuses_and_a_cut_connection_costs_no_session(sim: SimZooKeeper) -> None:
    async with greeted(sim.address) as client:
        sim.cut()
        assert b"" == await client.end()
    assert ([client.hello.session], set()) == (sim.state.sessions.numbers(), sim.connections)

    await sim.stop()

    with pytest.raises(ConnectionRefusedError):
        async with connected(sim.address):
            pass


async def test_an_expired_session_takes_its_nodes_with_it(sim: SimZooKeeper) -> None:
    async with greeted(sim.address) as client, greeted(sim.address) as other:
        await client.ask(CREATE, create("/a", flags=1))
        await other.ask(EXISTS, watch("/a"))
        sim.expire(client.hello.session)

        assert b"" == await client.end()
        assert (2, "/a") == (await other.event())[:2]
    assert [other.hello.session] == sim.state.sessions.numbers()


async def test_a_session_ends_while_nobody_holds_it() -> None:
    rules = Rules(shortest_session_ms=20)
    async with SimZooKeeper(SimOptions(rules=rules)) as sim, connected(sim.address) as watcher:
        await watcher.greet()
        await watcher.ask(ADD_WATCH, string("/") + _RECURSIVE)
        async with greeted(sim.address, timeout_ms=20) as client:
            await client.ask(CREATE, create("/a", flags=1))

        assert [(1, "/a"), (2, "/a")] == [(await watcher.event())[:2] for _ in range(2)]
    assert [watcher.hello.session] == sim.state.sessions.numbers()


async def test_a_session_that_slept_through_a_pause_has_ended_after_it() -> None:
    now_s = [0.0]
    async with SimZooKeeper(clock=lambda: now_s[0]) as sim, greeted(sim.address, timeout_ms=5000) as client:
        sim.pause()
        now_s[0] = 6.0
        async with connected(sim.address) as late:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await late.greet()
        sim.resume()

        assert b"" == await client.end()


async def test_an_encrypted_port_is_answered_as_a_plain_one(tmp_path: Path) -> None:
    files = TlsFiles.make(tmp_path)
    async with SimZooKeeper(SimOptions(tls=files.server_context())) as sim:
        host, port = sim.address.split(":")
        client = WireClient(*await asyncio.open_connection(host, int(port), ssl=files.client_context()))
        await client.greet()
        assert 0 == (await client.ask(CREATE, create("/a"))).error
        client.cut()

    assert sim.state.tree.find("/a")


async def test_an_old_server_knows_no_lasting_watches() -> None:
    async with SimZooKeeper(SimOptions(rules=Rules(version=Version.V3_5))) as sim:
        for opcode in (ADD_WATCH, SET_WATCHES2):
            async with greeted(sim.address) as client:
                assert -6 == (await client.ask(opcode, string("/") + _RECURSIVE)).error
                assert b"" == await client.end()
        async with greeted(sim.address) as client:
            await client.ask(EXISTS, watch("/a"))
            await client.ask(CREATE, create("/a"))
            assert [Event(1, "/a", -1)] == client.events


@pytest.mark.parametrize(
    ("fault", "received"),
    [
        (Fault(at="hello", action="close"), b""),
        (Fault(at="hello", action="garbage"), GARBAGE),
        (Fault(at="hello", action="read_only"), struct.pack(">iiqi", 16, 0, 0, -119)),
        (Fault(at="hello", action="truncate"), struct.pack(">iii", 37, 0, 30000)),
    ],
    ids=["close", "garbage", "read_only", "truncate"],
)
async def test_a_greeting_can_go_wrong(sim: SimZooKeeper, fault: Fault, received: bytes) -> None:
    sim.set_faults(fault)
    reader, writer = await asyncio.open_connection(*sim.address.split(":"))
    body = struct.pack(">iqiq", 0, 0, 30000, 0) + string(bytes(16)) + b"\0"
    writer.write(struct.pack(">i", len(body)) + body)

    async with asyncio.timeout(5):
        if fault.action == "garbage":
            answer = await reader.readexactly(len(GARBAGE))
        else:
            answer = await _read_to_the_end(reader)

    writer.transport.abort()
    assert received == answer[: len(received) or None]


@pytest.mark.parametrize("at", ["hello", "request"])
async def test_a_silent_server_answers_nothing_more(sim: SimZooKeeper, at: str) -> None:
    async with greeted(sim.address) as before:
        sim.set_faults(Fault(at="hello" if at == "hello" else "request", action="silence"))
        async with connected(sim.address) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await (client.greet() if at == "hello" else before.ask(SYNC, string("/")))
    assert 1 == len(sim.state.sessions)


async def test_a_request_is_refused_only_where_the_fault_says_and_as_often(sim: SimZooKeeper) -> None:
    sim.set_faults(Fault(opcode=GET_CHILDREN, path="/a", action="error", error=-102, times=2))
    asked = [(GET_CHILDREN, watch(path)) for path in ("/", "/a", "/a/b", "/a")]
    async with greeted(sim.address) as client:
        await client.ask(CREATE, create("/a"))

        assert [0, -102, -102, 0] == [each.error for each in await client.ask_many(asked)]
    assert {"create": 1, "get_children": 4} == sim.state.traffic.requests


async def test_a_reply_is_cut_off_within_its_frame(sim: SimZooKeeper) -> None:
    sim.set_faults(Fault(opcode=SYNC, action="truncate"))
    async with greeted(sim.address) as client:
        with pytest.raises(asyncio.IncompleteReadError):
            await client.ask(SYNC, string("/"))


async def test_a_delay_holds_back_what_comes_after_it(sim: SimZooKeeper) -> None:
    sim.set_faults(Fault(opcode=SYNC, delay_s=0.2, times=1))
    async with greeted(sim.address) as client:
        asking = asyncio.ensure_future(client.ask_many([(SYNC, string("/")), (CREATE, create("/a"))]))
        while not sim.state.traffic.requests["sync"]:  # noqa: ASYNC110 - the simulator has no event for it
            await asyncio.sleep(0)
        assert (False, None) == (asking.done(), sim.state.tree.find("/a"))
        assert [0, 0] == [each.error for each in await asking]


async def test_a_dropped_event_is_never_told(sim: SimZooKeeper) -> None:
    sim.set_faults(Fault(at="event", path="/a/b", action="drop", times=1))
    async with greeted(sim.address) as client:
        await client.ask(ADD_WATCH, string("/") + _RECURSIVE)
        for path in ("/a", "/a/b", "/a/b/c"):
            await client.ask(CREATE, create(path))

        assert ["/a", "/a/b/c"] == [each.path for each in client.events]


async def test_a_client_that_does_not_read_is_not_answered_without_bound(sim: SimZooKeeper) -> None:
    async with greeted(sim.address) as writer:
        for number in range(100):
            await writer.ask(CREATE, create(f"/{'x' * 10_000}{number}"))
        asked = await _ask_without_reading(sim)

        assert sim.state.traffic.requests["get_children"] < asked
        assert 0 == (await writer.ask(SYNC, string("/"))).error


async def _ask_without_reading(sim: SimZooKeeper) -> int:
    """Ask for a megabyte many times over; returns how often."""
    reader, writer = await asyncio.open_connection(*sim.address.split(":"), limit=1024)
    hello = struct.pack(">iqiq", 0, 0, 30000, 0) + string(bytes(16)) + b"\0"
    request = struct.pack(">ii", 1, GET_CHILDREN) + watch("/", armed=False)
    count = 50
    writer.write(struct.pack(">i", len(hello)) + hello)
    writer.write((struct.pack(">i", len(request)) + request) * count)
    await writer.drain()
    while not sim.state.traffic.requests["get_children"]:  # noqa: ASYNC110 - the server has no signal for it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert not reader.at_eof()
    writer.transport.abort()
    return count


async def _read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
