"""A loop that goes on after errors ends when its owner cancels it, also where the cancellation is lost on the way."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.cancellation import run_apart
from meshregistry.sources.polling import REAL_CLOCK, PollLoop, PollOptions
from meshregistry.supervision import supervise
from meshregistry.telemetry.metrics import Metrics
from tests.support.source_fakes import FailingGroup

pytestmark = pytest.mark.anyio

Fail = Callable[[], Awaitable[None]]


async def _poll(fail: Fail) -> None:
    async def poll() -> None:
        try:
            await fail()
        except ExceptionGroup as group:
            raise SourceUnavailable("a node failed") from group

    await PollLoop("nacos", PollOptions(first_retry_s=0.01), Metrics(), REAL_CLOCK).run(poll)


async def _supervise(fail: Fail) -> None:
    await supervise("source.nacos", fail, lambda _: asyncio.sleep(0.01))


@pytest.mark.parametrize("loop", [_poll, _supervise])
async def test_a_loop_that_is_cancelled_while_a_failure_winds_up_ends(
    loop: Callable[[Fail], Coroutine[None, None, None]],
) -> None:
    group = FailingGroup()
    task = asyncio.create_task(loop(group.fail))
    await group.is_winding_up.wait()

    task.cancel()
    group.go_on.set()
    await asyncio.wait([task], timeout=5)

    assert task.done()
    assert task.cancelled()
    assert 1 == group.runs, "and nothing else is begun"


@pytest.mark.parametrize("loop", [_poll, _supervise])
async def test_a_loop_goes_on_after_a_group_that_failed_by_itself(
    loop: Callable[[Fail], Coroutine[None, None, None]],
) -> None:
    group = _failing_at_once()
    task = asyncio.create_task(loop(group.fail))

    async with asyncio.timeout(5):
        while group.runs < 3:  # noqa: ASYNC110 - the loop's pauses are its own
            await asyncio.sleep(0.01)

    assert not task.done()
    task.cancel()


async def test_an_action_run_apart_returns_or_raises_what_it_does() -> None:
    async def answer() -> int:
        return 42

    assert 42 == await run_apart(answer)
    with pytest.raises(ExceptionGroup):
        await run_apart(_failing_at_once().fail)


def _failing_at_once() -> FailingGroup:
    group = FailingGroup()
    group.go_on.set()
    return group


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="task groups of Python 3.13 lose no cancellation")
async def test_a_task_group_that_is_ending_loses_a_cancellation() -> None:
    group = FailingGroup()
    task = asyncio.create_task(group.fail())
    await group.is_winding_up.wait()

    task.cancel()
    group.go_on.set()
    await asyncio.wait([task], timeout=5)

    assert not task.cancelled()
    assert isinstance(task.exception(), ExceptionGroup)
