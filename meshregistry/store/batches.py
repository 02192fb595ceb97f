"""One batch at a time, and nobody looks at what is half done.

A batch yields to the loop between its slices. What is exported in between would have the claims of after and the
resources, holds and timers of before: a shrink that nobody guarded any more.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Batches:
    """Owned by the reducer; whoever exports waits here."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._is_torn = False

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Do one batch inside. Cancelling it in the middle leaves what nobody may look at any more."""
        async with self._lock:
            self._is_torn = True
            yield
            self._is_torn = False

    async def rest(self) -> bool:
        """Return once no batch is under way, True; False when one was broken off. Cancelling is safe.

        What is done before the next await sees whole batches.
        """
        async with self._lock:
            return not self._is_torn
