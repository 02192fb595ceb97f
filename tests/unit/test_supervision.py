"""Supervision: whatever breaks a source, the service goes on and the source comes back."""

import asyncio
import logging

import pytest

from meshregistry.supervision import LONGEST_PAUSE_S, supervise

pytestmark = pytest.mark.anyio


class Enough(BaseException):
    """Ends the endless loop from the outside, as a cancellation would."""


class Pauses:
    """Stands for sleeping; notes the pauses and ends the test after the last."""

    def __init__(self, last: int) -> None:
        self.taken: list[float] = []
        self._last = last

    async def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        if len(self.taken) == self._last:
            raise Enough


async def break_down() -> None:
    raise ValueError("broken")


async def test_a_broken_task_is_restarted_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    pauses = Pauses(last=9)

    with pytest.raises(Enough):
        await supervise("source.nacos", break_down, pauses.sleep)

    expected = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(0.8 * want <= got <= 1.2 * want for want, got in zip(expected, pauses.taken, strict=True))
    assert LONGEST_PAUSE_S == expected[-1]
    assert "task.failed task=source.nacos" in caplog.text


async def test_a_task_that_just_ends_is_restarted_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    runs = 0

    async def end() -> None:
        nonlocal runs
        runs += 1

    with pytest.raises(Enough):
        await supervise("source.nacos", end, Pauses(last=3).sleep)

    assert runs == 3
    assert "task.ended task=source.nacos" in caplog.text


async def test_cancelling_reaches_the_task() -> None:
    cancelled = asyncio.Event()
    started = asyncio.Event()

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with asyncio.TaskGroup() as tasks:
        supervised = tasks.create_task(supervise("source.nacos", wait))
        await started.wait()
        supervised.cancel()

    assert cancelled.is_set()
