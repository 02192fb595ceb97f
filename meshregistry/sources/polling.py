"""When to read a registry again: the loop every polling source runs, one per registry.

The first reading happens at once (Slime waits 5 s and then a whole period), readings of one registry never
overlap, and after a failure the pauses start small and grow to the period.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from meshregistry.errors import SourceError
from meshregistry.sources.cancellation import run_apart
from meshregistry.telemetry.metrics import Metrics

_LEAST_PAUSE = 0.1
"""A reading that takes longer than the period is followed by this part of the period, so that a slow
registry is not asked without pause."""


class PollOptions(msgspec.Struct, frozen=True):
    """The rhythm of one source's readings."""

    refresh_period_s: float = 30.0
    """From the start of one reading to the start of the next."""

    start_delay_s: float = 0.0
    jitter: float = 0.1
    """Pauses are shorter by up to this part, so that replicas spread; never longer than configured."""

    first_retry_s: float = 1.0
    """Pause after the first failure; doubles with each further one up to the period."""


class Clock(NamedTuple):
    """Where time and chance come from; tests put their own."""

    now: Callable[[], float] = time.monotonic
    unix: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    dice: Callable[[], float] = random.random


REAL_CLOCK = Clock()


def pause_after_success(options: PollOptions, elapsed_s: float, dice: float) -> float:
    """Return the seconds to wait after a reading that took `elapsed_s`; `dice` is in [0, 1)."""
    period = options.refresh_period_s * (1 - options.jitter * dice)
    return max(period - elapsed_s, options.refresh_period_s * _LEAST_PAUSE)


def pause_after_failure(options: PollOptions, failures: int, dice: float) -> float:
    """Return the seconds to wait after the given number of failures in a row, at least 1."""
    grown = options.first_retry_s * 2.0 ** min(failures - 1, 30)
    return min(grown, options.refresh_period_s) * (1 - options.jitter * dice)


class PollLoop:
    """Reads one registry again and again. Owner of the count of failures in a row, and of the pauses."""

    def __init__(self, source: str, options: PollOptions, metrics: Metrics, clock: Clock) -> None:
        self._source = source
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._failures = 0
        self._is_woken = False
        self._resting: asyncio.Timeout | None = None

    def wake(self) -> None:
        """End the pause: the next reading begins at once, or right after the one that is under way."""
        self._is_woken = True
        if self._resting is not None and not self._resting.expired():
            self._resting.reschedule(asyncio.get_running_loop().time())

    async def wait_to_start(self) -> None:
        """Wait before the first reading as long as configured, or until woken. Cancelling it is safe."""
        if self._options.start_delay_s > 0:
            await self._rest(self._options.start_delay_s)

    async def run(self, poll: Callable[[], Awaitable[float | None]]) -> None:
        """Call `poll` for ever. A SourceError is one failure; `poll` itself has told of it.

        `poll` may return the period that fits what it read, seconds; None is the configured one.
        Anything else `poll` raises ends the loop. Cancelling it is safe whenever cancelling `poll` is.
        """
        await self.wait_to_start()
        while True:
            self._is_woken = False
            started = self._clock.now()
            period_s = None
            try:
                period_s = await run_apart(poll)
                self._failures = 0
            except SourceError:
                self._failures += 1
            elapsed = self._clock.now() - started
            self._count(elapsed)
            await self._rest(self._pause(elapsed, period_s))

    async def _rest(self, seconds: float) -> None:
        """Pause, unless woken before or meanwhile."""
        if self._is_woken:
            return
        try:
            async with asyncio.timeout(None) as self._resting:
                await self._clock.sleep(seconds)
        except TimeoutError:
            # Woken: nothing else in here times out.
            return
        finally:
            self._resting = None

    def _pause(self, elapsed_s: float, period_s: float | None) -> float:
        if self._failures:
            return pause_after_failure(self._options, self._failures, self._clock.dice())
        options = self._options
        if period_s is not None:
            options = msgspec.structs.replace(options, refresh_period_s=period_s)
        return pause_after_success(options, elapsed_s, self._clock.dice())

    def _count(self, elapsed_s: float) -> None:
        status = "false" if self._failures else "true"
        self._metrics.polling_time.labels(self._source, status).observe(elapsed_s)
        self._metrics.pollings_count.labels(self._source, status).inc()
