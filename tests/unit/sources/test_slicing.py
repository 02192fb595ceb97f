"""Others run while long work goes on."""

import asyncio
import time

import pytest

from meshregistry.sources.slicing import Slicer, run_steps, until_calm
from meshregistry.sources.steps import Steps, finish

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


def count_to(limit: int, *, is_broken: bool = False) -> Steps[int]:
    for _ in range(limit):
        yield
    if is_broken:
        raise ValueError("broken")
    return limit


async def test_steps_end_alike_in_one_go_and_in_slices() -> None:
    assert 3 == finish(count_to(3)) == await run_steps(count_to(3))
    with pytest.raises(ValueError, match="broken"):
        finish(count_to(3, is_broken=True))
    with pytest.raises(ValueError, match="broken"):
        await run_steps(count_to(3, is_broken=True))


async def test_others_run_between_steps_that_take_long() -> None:
    log: list[str] = []

    def work() -> Steps[None]:
        for _ in range(3):
            time.sleep(0.01)
            log.append("step")
            yield

    async def other() -> None:
        for _ in range(3):
            log.append("other")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(run_steps(work()))
        group.create_task(other())

    assert ["step", "other", "step", "other", "step", "other"] == log
