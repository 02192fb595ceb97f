"""Keep one task alive: restart it with growing pauses when it breaks.

Supervised is what the mesh can be served without: sources (what they said stays served), pods, saving, operators'
socket, the exchange with siblings, the look at the settings file. The failure of any other task ends the process.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from meshregistry.sources.cancellation import run_apart

_log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run for ever, restarting after 1 s, 2 s, 4 s … 60 s (each ±20 %) when `run` fails or returns.

    Cancelling it cancels `run`. A run that lived longer than the longest pause starts over with the first pause.
    """
    pause_s = FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await run_apart(run)
            _log.error("task.ended task=%s restart_in_s=%.1f", name, pause_s)
        except Exception:  # noqa: BLE001 - the edge: whatever broke the task, the service goes on without it
            _log.exception("task.failed task=%s restart_in_s=%.1f", name, pause_s)
        if loop.time() - started > LONGEST_PAUSE_S:
            pause_s = FIRST_PAUSE_S
        await sleep(pause_s * random.uniform(0.8, 1.2))
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
