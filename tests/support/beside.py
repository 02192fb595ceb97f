"""Something that runs beside a test's own steps."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run it until the block is over, which cancels it; what it raises ends the block."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(work)
        try:
            yield
        finally:
            running.cancel()
