"""Slots of a session: several at once for one, and none left behind."""

import asyncio

import pytest

from meshregistry.sources.zookeeper.session.slots import Slots

pytestmark = pytest.mark.anyio


async def test_two_that_want_most_of_the_slots_have_them_one_after_the_other() -> None:
    slots = Slots(3)
    held: list[str] = []

    async def hold(name: str) -> None:
        async with slots.several(2):
            held.append(name)
            await asyncio.sleep(0)
            held.append(name)

    async with asyncio.timeout(1):
        await asyncio.gather(*map(hold, "abc"))
    assert list("aabbcc") == held


async def test_who_gives_up_waiting_leaves_its_slots_to_others() -> None:
    slots = Slots(2)
    async with slots.one:
        waiting = asyncio.ensure_future(_hold(slots))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), slots.several(1):
            assert slots.one.locked()
    async with asyncio.timeout(1), slots.several(2):
        assert slots.one.locked()
    assert not slots.one.locked()


async def _hold(slots: Slots) -> None:
    async with slots.several(2):
        raise AssertionError("one is taken")
