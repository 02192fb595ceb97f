"""A simulated server as a process: it says that it is there, changes by itself and stays until it is told to end."""

import signal
import sys
from collections.abc import Callable

import anyio


async def stay(ready: str, churn: Callable[[], object], churn_s: float) -> None:
    """Print `SIM READY` and what is ready, then churn every so many seconds until SIGINT or SIGTERM; 0 is never."""
    sys.stdout.write(f"SIM READY {ready}\n")
    sys.stdout.flush()
    async with anyio.create_task_group() as tasks:
        if churn_s:
            tasks.start_soon(_repeat, churn, churn_s)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                tasks.cancel_scope.cancel()


async def _repeat(act: Callable[[], object], period_s: float) -> None:
    while True:
        await anyio.sleep(period_s)
        act()
