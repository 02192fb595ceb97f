"""Others run while long work goes on."""

import asyncio
import time

import pytest

from meshregistry.sources.slicing import Slicer, until_calm

pytestmark = pytest.mark.anyio


async def test_others_run_between_slices() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(other())
        slicer = Slicer(slice_s=0.0)
        for _ in range(10):
            await slicer.breathe()
        task.cancel()

    assert turns >= 9


async def test_within_a_slice_the_work_goes_on() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        turns += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        slicer = Slicer(slice_s=3600.0)
        for _ in range(10):
            await slicer.breathe()
        assert 0 == turns

    assert 1 == turns


async def _work(until: float) -> None:
    while time.monotonic() < until:
        sum(range(100))
        await asyncio.sleep(0)


async def test_what_can_wait_waits_for_the_work_of_others() -> None:
    async with asyncio.TaskGroup() as group:
        work = group.create_task(_work(time.monotonic() + 0.5))
        await until_calm(60.0)
        assert work.done()


async def test_it_does_not_wait_for_ever() -> None:
    async with asyncio.TaskGroup() as group:
        work = group.create_task(_work(time.monotonic() + 60.0))
        await until_calm(0.1)
        assert not work.done()
        work.cancel()
