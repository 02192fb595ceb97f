"""What a hostile client of the pages costs: a place for a while, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession

from meshregistry.http.connections import ConnectionLimits
from meshregistry.http.server import HttpOptions, HttpServer
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_pages import PlainViews, store_of, views_of

pytestmark = pytest.mark.anyio

PROBE = b"GET /modules/livez HTTP/1.1\r\nHost: x\r\n\r\n"
TIMEOUT_S = 10.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Rig:
    """A running server with its limits."""

    def __init__(self, http: HttpServer, metrics: Metrics) -> None:
        self._metrics = metrics
        self.port = int(http.addresses[0].rpartition(":")[2])

    def cut(self, reason: str) -> float:
        """How many connections were ended for a reason."""
        return self._value("meshregistry_http_connections_cut_total", {"reason": reason})

    @property
    def connections(self) -> float:
        """How many are open."""
        return self._value("meshregistry_http_connections", {})

    async def connect(self, data: bytes = b"") -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
        writer.write(data)
        return reader, writer

    async def probe(self) -> int:
        async with ClientSession() as client, client.get(f"http://127.0.0.1:{self.port}/modules/livez") as answer:
            return answer.status

    def _value(self, name: str, labels: dict[str, str]) -> float:
        return self._metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def serving(plain: PlainViews | None = None, **limits: float) -> AsyncIterator[Rig]:
    metrics = Metrics()
    options = HttpOptions(aux_addr="127.0.0.1:0", limits=ConnectionLimits(**limits))  # type: ignore[arg-type]
    http = HttpServer(options, views_of(store_of(), plain), metrics)
    await http.start()
    try:
        yield Rig(http, metrics)
    finally:
        await http.stop()


async def ended(connection: Connection) -> bytes:
    """Return what comes until the server ends the connection."""
    received = b""
    async with asyncio.timeout(TIMEOUT_S):
        try:
            while data := await connection[0].read(65536):
                received += data
        except ConnectionError:
            pass
    connection[1].close()
    return received


async def until(condition: Callable[[], object]) -> None:
    """Wait until the metrics say something."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - metrics have no event to wait for
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("data", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_is_never_finished_ends_its_connection(data: bytes) -> None:
    async with serving(head_s=0.1) as rig:
        assert b"" == await ended(await rig.connect(data))
        assert (1.0, 200) == (rig.cut("head"), await rig.probe())


async def test_a_head_that_comes_a_byte_at_a_time_has_the_same_time() -> None:
    async with serving(head_s=0.3) as rig:
        reader, writer = await rig.connect(b"GET / HTTP/1.1\r\nX: ")

        async def drip() -> None:
            while not writer.is_closing():
                writer.write(b"G")
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as tasks:
            dripping = tasks.create_task(drip())
            await ended((reader, writer))
            dripping.cancel()
        assert 1.0 == rig.cut("head")


async def test_an_idle_connection_ends_and_half_a_further_head_does_not_keep_it() -> None:
    async with serving(idle_s=0.1) as rig:
        answer = await ended(await rig.connect(PROBE + b"GET /"))

        assert (True, 1.0) == (answer.startswith(b"HTTP/1.1 200"), rig.cut("idle"))


async def test_a_head_without_end_is_cut() -> None:
    """Each of its lines is one that the parser takes; it never gets to say how many there are."""
    line = b"x: " + b"y" * 7_000 + b"\r\n"
    async with serving() as rig:
        await ended(await rig.connect(b"GET / HTTP/1.1\r\n" + line * 30))

        assert (1.0, 0.0, 200) == (rig.cut("too_long"), rig.connections, await rig.probe())


async def test_a_head_of_short_lines_without_end_is_ended_by_whoever_has_enough_of_it_first() -> None:
    """The parser counts lines, we count bytes."""
    async with serving() as rig:
        await ended(await rig.connect(b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(20_000))))
        await until(lambda: rig.connections == 0)

        assert 200 == await rig.probe()


async def test_many_unfinished_heads_do_not_keep_a_probe_out() -> None:
    async with serving(connections=5) as rig:
        held = [await rig.connect(b"GET /") for _ in range(20)]

        assert [200] * 3 == [await rig.probe() for _ in range(3)]
        assert rig.cut("evicted") >= 15
        assert rig.connections <= 5
        for _, writer in held:
            writer.close()


async def test_a_reader_of_a_large_answer_that_does_not_read_is_cut() -> None:
    plain = PlainViews()
    plain.states = {"nacos": "x" * 8_000_000}
    async with serving(plain, send_s=0.2) as rig:
        connection = await rig.connect(b"GET /meshregistry/sources HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: rig.cut("not_reading") == 1)
        connection[1].close()
        assert 200 == await rig.probe()


async def test_a_client_is_turned_away_while_every_other_is_owed_an_answer() -> None:
    plain = PlainViews()
    plain.states = {"nacos": "x" * 8_000_000}
    async with serving(plain, connections=1) as rig:
        busy = await rig.connect(b"GET /meshregistry/sources HTTP/1.1\r\nHost: x\r\n\r\n")
        await busy[0].readexactly(1000)

        assert (503, 1.0) == (await rig.probe(), rig.cut("full"))

        busy[1].close()
        await until(lambda: not rig.connections)
        assert 200 == await rig.probe()


async def test_every_connection_is_forgotten() -> None:
    async with serving() as rig:
        for _ in range(3):
            await rig.probe()
        await until(lambda: not rig.connections)
