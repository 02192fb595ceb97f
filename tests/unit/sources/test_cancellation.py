"""A loop that goes on after errors ends when its owner cancels it, also where the cancellation is lost on the way."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from meshregistry.errors import SourceUnavailable
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
    await supervise("source.nacos", fail)


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
