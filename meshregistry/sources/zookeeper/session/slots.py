"""How many requests may wait for an answer at one time, and the turns of those that wait to be sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """Owner of the slots of one session."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.one = asyncio.Semaphore(count)
        """One slot, for as long as the block lasts."""

        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def several(self, wanted: int) -> AsyncIterator[None]:
        """Have so many slots at once, at most `count`, for as long as the block lasts. Cancelling it is safe."""
        taken = 0
        try:
            async with self._turn:  # two that wait with a part each would wait for ever
                for _ in range(wanted):
                    await self.one.acquire()
                    taken += 1
            yield
        finally:
            for _ in range(taken):
                self.one.release()
