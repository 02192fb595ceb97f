"""Measure how long the event loop was blocked, and how many tasks it has: a timer that is late tells."""

import asyncio
from typing import NoReturn

from meshregistry.telemetry.metrics import Metrics

PERIOD_S = 0.1
"""Each look wakes an idle process. Twice as many were most of what 10,000 services at rest cost: 0.24 % of a core."""


async def measure_loop_lag(metrics: Metrics) -> NoReturn:
    """Observe for ever by how much a timer was late; cancelling it is safe.

    The number of tasks is counted when somebody reads it: a task that is left behind by every fault shows there.
    """
    loop = asyncio.get_running_loop()
    metrics.loop_tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
    longest = 0.0
    handle: asyncio.TimerHandle

    def look(due: float) -> None:
        nonlocal handle, longest
        now = loop.time()
        metrics.loop_lag.observe(now - due)
        if now - due > longest:
            longest = now - due
            metrics.longest_block.set(longest)
        # A bare timer costs three quarters of a task that sleeps.
        handle = loop.call_later(PERIOD_S, look, now + PERIOD_S)

    handle = loop.call_later(PERIOD_S, look, loop.time() + PERIOD_S)
    try:
        await loop.create_future()
    finally:
        handle.cancel()
    raise AssertionError("nobody ends this wait but by cancelling it")
