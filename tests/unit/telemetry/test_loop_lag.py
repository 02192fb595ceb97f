"""A blocked event loop shows in the metrics."""

import asyncio
import time

import pytest

from meshregistry.telemetry.loop_lag import PERIOD_S, measure_loop_lag
from meshregistry.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


def _looks(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("meshregistry_event_loop_lag_seconds_count") or 0.0


async def test_a_blocked_loop_is_seen_and_looking_ends_with_its_task() -> None:
    metrics = Metrics()
    task = asyncio.create_task(measure_loop_lag(metrics))
    await asyncio.sleep(0)
    time.sleep(3 * PERIOD_S)  # noqa: ASYNC251 - the block that is to be seen
    async with asyncio.timeout(20.0):
        while _looks(metrics) < 2:  # noqa: ASYNC110 - metrics have no event
            await asyncio.sleep(0.01)
    longest = metrics.registry.get_sample_value("meshregistry_event_loop_longest_block_seconds")
    assert 2 * PERIOD_S <= (longest or 0.0)

    task.cancel()
    await asyncio.wait([task])
    seen = _looks(metrics)
    await asyncio.sleep(3 * PERIOD_S)
    assert (True, seen) == (task.cancelled(), _looks(metrics))
