"""How long a restored world is kept back."""

import asyncio

import pytest

from meshregistry.model.events import SourceSynced, SourceUpdate
from meshregistry.patience import Patience, PatienceOptions

pytestmark = pytest.mark.anyio


class Sources:
    """Sources as the patience sees them, and what it told of them."""

    def __init__(self, *pending: str) -> None:
        self.pending = set(pending)
        self.failing: set[str] = set()
        self.silent: dict[str, float] = {}
        self.now = 100.0
        self.told: list[SourceUpdate] = []

    async def publish(self, update: SourceUpdate) -> None:
        """Take an update."""
        self.told.append(update)

    async def end_for(self, *restored: str) -> None:
        """Wait with a patience of ten seconds, one of them for a sign of life."""
        looks = (lambda: self.pending), self.failing.__contains__, lambda source: self.silent.get(source, 0.0)
        async with asyncio.timeout(10):
            await Patience(*looks, PatienceOptions(10.0, 1.0), lambda: self.now).end_for(restored, self)


async def test_a_source_that_was_read_needs_no_word() -> None:
    sources = Sources()
    await sources.end_for("nacos")
    assert [] == sources.told


async def test_a_registry_that_cannot_be_read_ends_the_wait_for_its_source_alone() -> None:
    sources = Sources("eureka", "nacos")
    sources.failing.add("nacos")

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(sources.end_for("eureka", "nacos"))
        while not sources.told:  # noqa: ASYNC110 - it looks at the sources now and then
            await asyncio.sleep(0)
        assert [SourceSynced("nacos", "restored")] == sources.told
        assert not waiting.done()
        sources.pending.clear()

    assert [SourceSynced("nacos", "restored")] == sources.told


async def test_registries_that_take_no_connection_are_not_waited_for_as_long_as_others() -> None:
    sources = Sources("eureka", "nacos")
    sources.silent = {"eureka": 0.99}

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(sources.end_for("eureka", "nacos"))
        await asyncio.sleep(0.2)
        assert [] == sources.told
        sources.silent["eureka"] = 1.0
        while not sources.told:  # noqa: ASYNC110 - it looks at the sources now and then
            await asyncio.sleep(0)
        assert [SourceSynced("eureka", "restored")] == sources.told
        assert not waiting.done()
        sources.pending.clear()

    assert [SourceSynced("eureka", "restored")] == sources.told


async def test_after_the_limit_nobody_is_waited_for() -> None:
    sources = Sources("eureka", "nacos")
    sources.now = 0.0

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sources.end_for("eureka", "nacos"))
        await asyncio.sleep(0)
        assert [] == sources.told
        sources.now = 10.0

    assert [SourceSynced("eureka", "restored"), SourceSynced("nacos", "restored")] == sources.told


async def test_a_source_that_was_not_saved_is_waited_for_as_ever() -> None:
    sources = Sources("files", "nacos")
    sources.now = 1e9
    sources.failing |= {"files", "nacos"}
    await sources.end_for("nacos")
    assert [SourceSynced("nacos", "restored")] == sources.told
