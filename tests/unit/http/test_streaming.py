"""Answers in slices: slow readers, readers that leave, and answers that fail half-way."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from aiohttp import ClientPayloadError, ClientSession, web

from meshregistry.http.pages import Page, build_application
from meshregistry.http.streaming import send_slices
from tests.support.beside import beside

pytestmark = pytest.mark.anyio

SLICE = b"x" * 65536


class Turns:
    """Counts the turns that the event loop gives to others."""

    def __init__(self) -> None:
        self.count = 0

    async def take(self) -> None:
        """Take one after the other."""
        while True:
            self.count += 1
            await asyncio.sleep(0)


def endless(ended: asyncio.Event) -> Iterator[bytes]:
    """Slices without an end, until nobody wants another."""
    try:
        while True:
            yield SLICE
    finally:
        ended.set()


@contextlib.asynccontextmanager
async def answering(
    slices: Callable[[], Iterator[bytes]], send_timeout_s: float = 30.0
) -> AsyncIterator[tuple[str, int]]:
    """Serve the slices at `/slices`; yields host and port."""

    async def get(request: web.Request) -> web.StreamResponse:
        return await send_slices(request, slices(), {"Content-Type": "text/plain"}, send_timeout_s)

    runner = web.AppRunner(build_application([Page("/slices", "", get)], ""), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][:2]
    finally:
        await runner.cleanup()


async def request(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for the slices over a bare connection that reads little by itself."""
    reader, writer = await asyncio.open_connection(host, port, limit=1024)
    writer.write(b"GET /slices HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    return reader, writer


async def test_slices_arrive_joined() -> None:
    async with answering(lambda: iter([b"a", b"b", b"c"])) as (host, port), ClientSession() as client:
        response = await client.get(f"http://{host}:{port}/slices")

        assert (200, b"abc") == (response.status, await response.read())


async def test_no_slices_are_an_empty_body() -> None:
    async with answering(lambda: iter(())) as (host, port), ClientSession() as client:
        response = await client.get(f"http://{host}:{port}/slices")

        assert (200, b"") == (response.status, await response.read())


async def test_an_empty_slice_is_work_and_sends_nothing() -> None:
    async with answering(lambda: iter([b"", b"a", b"", b"", b"b", b""])) as (host, port), ClientSession() as client:
        response = await client.get(f"http://{host}:{port}/slices")

        assert [(b"a", True), (b"b", True)] == [each async for each in response.content.iter_chunks() if each[0]]


async def test_many_answers_take_turns() -> None:
    """Ten answers at once keep other tasks waiting no longer than one does."""
    turns, made = Turns(), Counter[int]()

    def slices() -> Iterator[bytes]:
        for _ in range(20):
            made[turns.count] += 1
            yield b"x"

    async with answering(slices) as (host, port), ClientSession() as client, beside(turns.take()):
        answers = await asyncio.gather(*(client.get(f"http://{host}:{port}/slices") for _ in range(10)))
        assert [b"x" * 20] * 10 == [await answer.read() for answer in answers]

    assert 200 == made.total()
    assert max(made.values()) <= 2


async def test_other_tasks_run_between_slices() -> None:
    turns, seen = Turns(), []

    def slices() -> Iterator[bytes]:
        for _ in range(5):
            seen.append(turns.count)
            yield b"x"

    async with answering(slices) as (host, port), ClientSession() as client, beside(turns.take()):
        await (await client.get(f"http://{host}:{port}/slices")).read()

    assert 5 == len(set(seen))


async def test_a_reader_that_reads_nothing_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    async with answering(lambda: endless(ended), send_timeout_s=0.05) as (host, port):
        reader, writer = await request(host, port)
        await ended.wait()
        with contextlib.suppress(ConnectionError):
            while await reader.read(len(SLICE)):
                pass
        writer.close()

    assert ["http.reader_too_slow path=/slices timeout_s=0.05"] == [record.getMessage() for record in caplog.records]


async def test_a_reader_that_leaves_ends_the_work_silently(caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    async with answering(lambda: endless(ended)) as (host, port):
        reader, writer = await request(host, port)
        await reader.readline()
        writer.transport.abort()
        await ended.wait()

    assert [] == caplog.records


async def test_a_failure_half_way_breaks_the_answer_off_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("no second")

    async with answering(broken) as (host, port), ClientSession() as client:
        with pytest.raises((ClientPayloadError, ConnectionError)):
            await (await client.get(f"http://{host}:{port}/slices")).read()

    assert ["http.page_failed path=/slices"] == [record.getMessage() for record in caplog.records]


async def test_a_failure_before_the_first_slice_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    def fail(part: bytes) -> bytes:
        raise RuntimeError("no first")

    async with answering(lambda: map(fail, [b"first"])) as (host, port), ClientSession() as client:
        response = await client.get(f"http://{host}:{port}/slices")

        assert (500, "internal error: RuntimeError\n") == (response.status, await response.text())
    assert [logging.ERROR] == [record.levelno for record in caplog.records]
