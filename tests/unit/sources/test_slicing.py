"""Others run while long work goes on."""

import asyncio

import pytest

from meshregistry.sources.slicing import Slicer

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
