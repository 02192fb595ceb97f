"""Long work in slices, so that the event loop serves others in between."""

import asyncio
import time
from typing import TypeVar

from meshregistry.sources.steps import Steps

T = TypeVar("T")

SLICE_S = 0.001
"""What is pushed meanwhile needs the loop five or six times until it is on the wire, and waits a slice each time."""

_PROBE_S = 0.05
_CALM_CPU_S = 0.002
"""Of a probe; an idle loop needs a tenth of it, and a busy one more even where it gets a tenth of a core."""

_CALM_PROBES = 2


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


async def run_steps(steps: Steps[T]) -> T:
    """Do the work in slices and return its result; raises what it raises. Cancelling it is safe: the work ends."""
    slicer = Slicer()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await slicer.breathe()


async def until_calm(timeout_s: float) -> None:
    """Wait until the loop has little to do, at most `timeout_s`: what takes long and can wait lets others go first.

    Counts the CPU time of the loop's thread, so that other processes of a busy machine do not matter. Cancelling it
    is safe.
    """
    deadline = time.monotonic() + timeout_s
    calm = 0
    while calm < _CALM_PROBES and time.monotonic() < deadline:
        before = time.thread_time()
        await asyncio.sleep(_PROBE_S)
        calm = calm + 1 if time.thread_time() - before < _CALM_CPU_S else 0
