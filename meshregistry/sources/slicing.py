"""Long work in slices, so that the event loop serves others in between."""

import asyncio
import time

SLICE_S = 0.005


class Slicer:
    """Counts the time since the loop last had its turn."""

    def __init__(self, slice_s: float = SLICE_S) -> None:
        self._slice_s = slice_s
        self._until = time.perf_counter() + slice_s

    async def breathe(self) -> None:
        """Give the loop its turn if the slice is used up. Call it between two steps of less than a millisecond."""
        if time.perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = time.perf_counter() + self._slice_s
