"""Turns at the event loop."""

import asyncio

import pytest

from meshregistry.xds.pacer import Pacer

pytestmark = pytest.mark.anyio


async def test_slices_of_many_leave_the_loop_to_others_in_between() -> None:
    """However many want a turn, an iteration of the loop has one slice."""
    pacer, slices, seen = Pacer(), [0], []

    async def work() -> None:
        for _ in range(5):
            await pacer.turn()
            slices[0] += 1

    async def look() -> None:
        while slices[0] < 100:
            before = slices[0]
            await asyncio.sleep(0)
            seen.append(slices[0] - before)

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        for _ in range(20):
            group.create_task(work())
    assert max(seen) <= 2
    assert 100 == slices[0]


async def test_turns_are_given_in_order_and_a_cancelled_wait_is_skipped() -> None:
    """First come, first served; who has left holds up nobody."""
    pacer, order = Pacer(), []

    async def work(name: str) -> None:
        await pacer.turn()
        order.append(name)

    tasks = [asyncio.ensure_future(work(name)) for name in "abcde"]
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert list("abde") == order
    async with asyncio.timeout(1):
        await pacer.turn()
        await pacer.turn()
