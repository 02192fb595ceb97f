"""How a loop that goes on after errors still ends when its owner cancels it.

A task group of Python 3.11 and 3.12 that is ending because a child failed raises the child's error and drops a
cancellation from outside that comes meanwhile (python/cpython#116720); nor can the task tell afterwards, as the group
leaves the same count of cancellations behind when nobody else cancelled. So whatever may hold a task group runs in a
task of its own, and the loop's task is one in which no cancellation is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def run_apart(action: Callable[[], Awaitable[T]]) -> T:
    """Run an action in a task of its own; return what it returns, raise what it raises.

    Cancelling cancels the action, waits for its end, and is a cancellation whatever the action made of its own.
    """
    task = asyncio.ensure_future(action())
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            is_cancelled = True
            task.cancel()
    if is_cancelled:
        if not task.cancelled():
            task.exception()  # seen, or the loop complains that nobody did
        raise asyncio.CancelledError
    return task.result()
