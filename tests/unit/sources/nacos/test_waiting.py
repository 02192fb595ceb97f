"""Waiting for grpclib: a lost connection is an error, a cancellation from outside is a cancellation, also at once."""

import asyncio

import pytest
from grpclib.exceptions import StreamTerminatedError

from meshregistry.sources.nacos.waiting import FairWrapper

pytestmark = pytest.mark.anyio

LOST = StreamTerminatedError("connection lost")


class Waiting:
    """A task that waits within a wrapper, and then tells how often it is held to be cancelled."""

    def __init__(self) -> None:
        self.wrapper = FairWrapper()
        self.left_over = -1
        self.task = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        try:
            with self.wrapper:
                await asyncio.sleep(60)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self.left_over = task.cancelling()

    async def end(self) -> BaseException | None:
        """Wait for the task; returns the error it ended with, None after a cancellation."""
        await asyncio.wait([self.task], timeout=5)
        return None if self.task.cancelled() else self.task.exception()


async def _waiting() -> Waiting:
    waiting = Waiting()
    await asyncio.sleep(0)
    return waiting


async def test_a_lost_connection_is_its_error_and_leaves_no_cancellation_behind() -> None:
    waiting = await _waiting()

    waiting.wrapper.cancel(LOST)

    assert LOST is await waiting.end()
    assert 0 == waiting.left_over


async def test_a_connection_that_is_lost_twice_leaves_no_cancellation_behind() -> None:
    waiting = await _waiting()

    waiting.wrapper.cancel(LOST)
    waiting.wrapper.cancel(LOST)

    assert LOST is await waiting.end()
    assert 0 == waiting.left_over


@pytest.mark.parametrize("first", ["lost", "cancelled"])
async def test_a_cancellation_from_outside_at_the_moment_of_the_loss_is_kept(first: str) -> None:
    waiting = await _waiting()

    if first == "lost":
        waiting.wrapper.cancel(LOST)
    waiting.task.cancel()
    if first == "cancelled":
        waiting.wrapper.cancel(LOST)

    assert await waiting.end() is None
    assert waiting.task.cancelled()
    assert 1 == waiting.left_over


async def test_a_timeout_around_the_wait_is_a_timeout_though_the_connection_is_lost_too() -> None:
    wrapper = FairWrapper()

    async def wait() -> None:
        async with asyncio.timeout(0):
            asyncio.get_running_loop().call_soon(wrapper.cancel, LOST)
            with wrapper:
                await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await wait()


async def test_waiting_on_a_lost_connection_is_its_error_at_once() -> None:
    wrapper = FairWrapper()
    wrapper.cancel(LOST)

    with pytest.raises(StreamTerminatedError), wrapper:
        raise AssertionError("never waits")
