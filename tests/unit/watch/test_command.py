"""The watch command's options."""

import asyncio

import pytest
from grpclib.server import Stream

from meshregistry.watch import WatchOptions, watch
from meshregistry.watch.command import parse_target
from tests.support.scripted_ads import answer_everything, idle, serving

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("localhost:16010", ("localhost", 16010)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_a_target_is_split(target: str, expected: tuple[str, int]) -> None:
    assert expected == parse_target(target)


@pytest.mark.parametrize("target", ["", "localhost", "localhost:", "localhost:x", "localhost:0", "h:65536", ":16010"])
def test_a_bad_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match=r"is not HOST:PORT|names no host"):
        parse_target(target)


async def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown istiod family '1\.0', known are 1\.18, 1\.24, 1\.30"):
        await watch(WatchOptions("localhost:16010", family="1.0"), print)


async def test_it_prints_what_would_happen_until_it_is_cancelled() -> None:
    async def script(stream: Stream[bytes, bytes]) -> None:
        await answer_everything(stream, ads)
        await idle(stream)

    lines: list[str] = []
    synced = asyncio.Event()

    def write(line: str) -> None:
        lines.append(line.partition(" ")[2])
        if "synced" in line:
            synced.set()

    async with serving(script) as ads, asyncio.TaskGroup() as group:
        watching = group.create_task(watch(WatchOptions(f"127.0.0.1:{ads.port}"), write))
        await synced.wait()
        watching.cancel()
    assert [
        f"· connected to 127.0.0.1:{ads.port} as istiod 1.24, asked for 15 types",
        "+ created orders.nacos (demo/orders), 2 endpoints -> full push (new service)",
        "= synced: 14 types answered, 1 ServiceEntry",
    ] == lines
