"""The rhythm of readings, by a clock that the test owns."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.polling import REAL_CLOCK, PollLoop, PollOptions, pause_after_failure, pause_after_success
from meshregistry.telemetry.metrics import Metrics
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.anyio


class _Enough(Exception):
    """Ends a loop that has no end."""


OPTIONS = PollOptions(refresh_period_s=30.0, jitter=0.1)


def test_pauses_make_readings_start_one_period_apart() -> None:
    assert 28.0 == pause_after_success(OPTIONS, 2.0, dice=0.0)


def test_jitter_only_shortens() -> None:
    assert 30.0 == pause_after_success(OPTIONS, 0.0, dice=0.0)
    assert 27.0 == pytest.approx(pause_after_success(OPTIONS, 0.0, dice=1.0))


def test_a_registry_slower_than_the_period_is_still_given_a_rest() -> None:
    assert 3.0 == pause_after_success(OPTIONS, 120.0, dice=0.0)


def test_pauses_after_failures_double_up_to_the_period() -> None:
    pauses = [pause_after_failure(OPTIONS, failures, dice=0.0) for failures in (1, 2, 3, 4, 5, 6, 7, 5000)]

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == pauses


def test_pauses_after_failures_never_exceed_a_short_period() -> None:
    assert 0.2 == pause_after_failure(PollOptions(refresh_period_s=0.2), 3, dice=0.0)


async def test_the_first_reading_happens_at_once_and_a_success_ends_the_back_off() -> None:
    clock = ManualClock()
    metrics = Metrics()
    outcomes = iter([SourceUnavailable("a"), SourceUnavailable("b"), None, SourceUnavailable("c"), _Enough()])
    times: list[float] = []

    async def poll() -> None:
        times.append(clock.time)
        clock.time += 5.0
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    with pytest.raises(_Enough):
        await PollLoop("nacos", OPTIONS, metrics, clock.clock).run(poll)

    assert [100.0, 106.0, 113.0, 143.0, 149.0] == times
    assert [1.0, 2.0, 25.0, 1.0] == clock.pauses
    assert (1.0, 3.0) == (_readings(metrics.registry, "true"), _readings(metrics.registry, "false"))


async def test_a_reading_may_state_the_period_that_suits_what_it_read() -> None:
    clock = ManualClock()
    periods = iter([5.0, None, 60.0])

    async def poll() -> float | None:
        clock.time += 1.0
        try:
            return next(periods)
        except StopIteration:
            raise _Enough from None

    with pytest.raises(_Enough):
        await PollLoop("eureka", OPTIONS, Metrics(), clock.clock).run(poll)

    assert [4.0, 29.0, 59.0] == clock.pauses


async def test_a_start_delay_comes_first_and_a_bug_ends_the_loop() -> None:
    clock = ManualClock()
    options = PollOptions(start_delay_s=5.0)

    async def poll() -> None:
        raise _Enough

    with pytest.raises(_Enough):
        await PollLoop("nacos", options, Metrics(), clock.clock).run(poll)

    assert [5.0] == clock.pauses


async def test_a_wake_ends_the_pause() -> None:
    times: list[int] = []
    rested = asyncio.Event()

    async def rest(seconds: float) -> None:
        rested.set()
        await asyncio.Event().wait()

    async def poll() -> None:
        times.append(len(times))
        if len(times) == 3:
            raise _Enough

    loop = PollLoop("nacos", OPTIONS, Metrics(), ManualClock().clock._replace(sleep=rest))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(_until_enough(loop, poll))
        for _ in range(2):
            await rested.wait()
            rested.clear()
            loop.wake()
        await running

    assert [0, 1, 2] == times


async def test_wakes_in_quick_succession_are_one() -> None:
    readings = 0

    async def poll() -> None:
        nonlocal readings
        readings += 1
        if readings == 2:
            raise _Enough

    async def wake() -> None:
        loop.wake()

    loop = PollLoop("nacos", OPTIONS, Metrics(), REAL_CLOCK)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_until_enough(loop, poll))
        await asyncio.sleep(0.01)
        loop.wake()
        # The first one's end of the pause is under way when this one comes.
        tasks.create_task(wake())
    assert 2 == readings


async def test_a_wake_during_a_reading_has_the_next_one_follow_at_once() -> None:
    clock = ManualClock()
    loop = PollLoop("nacos", OPTIONS, Metrics(), clock.clock)
    readings: list[float] = []

    async def poll() -> None:
        readings.append(clock.time)
        if len(readings) == 1:
            loop.wake()
        elif len(readings) == 3:
            raise _Enough

    with pytest.raises(_Enough):
        await loop.run(poll)

    assert [100.0, 100.0, 130.0] == readings


async def _until_enough(loop: PollLoop, poll: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(_Enough):
        await loop.run(poll)


def _readings(registry: CollectorRegistry, status: str) -> float | None:
    return registry.get_sample_value("meshregistry_pollings_count", {"source": "nacos", "status": status})
