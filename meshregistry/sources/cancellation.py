"""What to do where a cancellation can get lost on its way.

A task group of Python 3.11 and 3.12 that is ending because a child failed raises the child's error and drops a
cancellation from outside that comes meanwhile (python/cpython#116720). A loop that goes on after errors would then
outlive its owner for ever.
"""

import asyncio


def heed_cancellation() -> None:
    """Raise CancelledError if this task was cancelled and something on the way has swallowed it.

    Loops that catch errors and go on call it before they go on. Must be called in a task.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
