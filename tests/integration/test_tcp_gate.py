"""The proxy by which the campaign breaks the way to a registry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.tcp_gate import TcpGate, Weather

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

WAIT_S = 20.0
ANSWER = bytes(range(256)) * 40


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every line with the same ten kilobytes."""
    while await reader.readline():
        writer.write(ANSWER)
    writer.close()


@asynccontextmanager
async def gate() -> AsyncIterator[TcpGate]:
    """Yield a gate before such a server."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, TcpGate(f"127.0.0.1:{server.sockets[0].getsockname()[1]}").running() as opened:
        yield opened


async def ask(at: TcpGate) -> bytes:
    """Ask once and return what came before the end, or before the whole answer was there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
    try:
        writer.write(b"?\n")
        got = b""
        async with asyncio.timeout(WAIT_S):
            while len(got) < len(ANSWER) and (data := await reader.read(65536)):
                got += data
        return got
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_an_open_gate_changes_nothing() -> None:
    async with gate() as opened:
        assert ANSWER == await ask(opened)


async def test_a_shut_gate_lets_nobody_through_until_it_is_calm() -> None:
    async with gate() as opened:
        opened.shut()
        assert b"" == await ask(opened)
        opened.calm()
        assert ANSWER == await ask(opened)


async def test_what_is_held_arrives_when_the_gate_is_calm() -> None:
    async with gate() as opened:
        opened.hold()
        asking = asyncio.ensure_future(ask(opened))
        done, _ = await asyncio.wait([asking], timeout=0.1)
        assert not done
        opened.calm()
        assert ANSWER == await asking


async def test_a_delay_and_a_slow_pace_lose_nothing() -> None:
    async with gate() as opened:
        opened.weather = Weather(delay_s=0.01, bytes_per_s=100_000)
        assert ANSWER == await ask(opened)


async def test_a_cut_ends_the_connection_within_the_answer() -> None:
    async with gate() as opened:
        opened.weather = Weather(cut_after=100)
        got = await ask(opened)
        assert len(got) < len(ANSWER)
        assert ANSWER.startswith(got)


async def test_a_gate_counts_only_what_a_fault_has_met() -> None:
    async with gate() as opened:
        await ask(opened)
        assert {} == opened.met
        opened.shut()
        await ask(opened)
        opened.calm()
        opened.weather = Weather(cut_after=100)
        await ask(opened)

    assert (1, 1) == (opened.met["refused"], opened.met["truncated"])
    assert opened.met.keys() <= {"refused", "truncated", "cut"}


async def test_a_liar_speaks_in_the_place_of_the_server() -> None:
    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"a lie")
        await writer.drain()
        writer.close()

    async with gate() as opened:
        opened.liar = lie
        assert b"a lie" == await ask(opened)
