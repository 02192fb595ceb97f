"""Long work in slices."""

import asyncio
from collections.abc import Iterator

import pytest

from meshregistry.store.slices import Slices

pytestmark = pytest.mark.anyio


class Watch:
    """A clock that moves on by a step each time it is looked at."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


async def count_turns_of_others(slices: Slices, steps: int) -> tuple[int, int]:
    """Return how many steps were done, and how often somebody else had a turn meanwhile."""
    turns = done = 0

    async def look() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def work() -> Iterator[None]:
        nonlocal done
        for _ in range(steps):
            done += 1
            yield

    other = asyncio.create_task(look())
    slices.begin()
    await slices.go(work())
    other.cancel()
    return done, turns


async def test_short_work_is_done_in_one_slice() -> None:
    assert (50, 0) == await count_turns_of_others(Slices(Watch(0.0001)), 50)


async def test_others_have_their_turns_during_long_work() -> None:
    done, turns = await count_turns_of_others(Slices(Watch(0.004)), 50)

    assert 50 == done
    assert turns >= 10
