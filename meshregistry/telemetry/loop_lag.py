"""Measure how long the event loop was blocked, and how many tasks it has: a task that oversleeps tells."""

import asyncio

from meshregistry.telemetry.metrics import Metrics

PERIOD_S = 0.05


async def measure_loop_lag(metrics: Metrics) -> None:
    """Observe for ever by how much a short sleep was late; cancelling it is safe.

    The number of tasks is counted when somebody reads it: a task that is left behind by every fault shows there.
    """
    loop = asyncio.get_running_loop()
    metrics.loop_tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
    longest = 0.0
    while True:
        due = loop.time() + PERIOD_S
        await asyncio.sleep(PERIOD_S)
        late = loop.time() - due
        metrics.loop_lag.observe(late)
        if late > longest:
            longest = late
            metrics.longest_block.set(longest)
