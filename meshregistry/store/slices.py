"""Slices of long work in the loop's thread: streams stay served while a large update is reduced."""

import asyncio
from collections.abc import Callable, Iterable

_SLICE_S = 0.01
"""Longest work between two yields to the loop, seconds."""


class Slices:
    """Owner of the end of the running slice."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = 0.0

    def begin(self) -> None:
        """Begin a slice."""
        self._end = self._clock() + _SLICE_S

    async def breathe(self) -> None:
        """Yield to the loop when the slice is used up."""
        if self._clock() >= self._end:
            await asyncio.sleep(0)
            self.begin()

    async def go(self, steps: Iterable[None]) -> None:
        """Do all steps. Cancelling it leaves out those that are not done yet."""
        for _ in steps:
            await self.breathe()
