"""Whether anybody is there: a call taken is a sign of life, one refused or swallowed is none."""

import asyncio

import pytest

from meshregistry.contact import Contact
from tests.support.dark_port import dark_port
from tests.support.ports import free_ports

pytestmark = pytest.mark.anyio


class Clock:
    """A clock in the test's hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_of_a_source_one_registry_that_takes_the_call_is_enough() -> None:
    clock, (closed,) = Clock(), free_ports(1)
    taken = asyncio.Event()

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        taken.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    with dark_port() as dark:
        port = server.sockets[0].getsockname()[1]
        silent = [("127.0.0.1", dark), ("127.0.0.1", closed), ("a..b", 80)]
        contact = Contact({"eureka": silent, "files": (), "nacos": [*silent, ("127.0.0.1", port)]}, clock)
        assert 0.0 == contact.silent_for("eureka")

        calling = asyncio.create_task(contact.run(5.0))
        async with asyncio.timeout(10):
            await taken.wait()
            while contact.silent_for("nacos") or not contact.silent_for("eureka"):
                clock.now += 1.0
                await asyncio.sleep(0.01)
        clock.now = 107.0
        assert [7.0, 0.0, 0.0, 0.0] == [contact.silent_for(each) for each in ("eureka", "nacos", "files", "zookeeper")]
        calling.cancel()
        server.close()


async def test_calls_end_with_the_limit() -> None:
    with dark_port() as dark:
        contact = Contact({"nacos": [("127.0.0.1", dark)]})
        async with asyncio.timeout(10):
            await contact.run(0.05)

    assert contact.silent_for("nacos") >= 0.05
