"""What clients send, read in turns: a flood on one connection takes a slice of each iteration of the loop, not all.

The socket gives up to a quarter of a megabyte at once: 15,000 PINGs, half a second of HTTP/2. And a hundred clients
that connect at once all have something to read in the same iteration.
"""

import asyncio
import time
from collections import deque
from typing import Final, Protocol

_SLICE_S: Final = 0.002
"""Of reading in one iteration of the loop, for all connections of a listener together."""


class Reader(Protocol):
    """A connection with bytes that were not read yet."""

    def read_until(self, deadline: float) -> bool:
        """Read until nothing is left, or until the deadline (`time.perf_counter`); tell whether nothing is left."""
        ...

    def hold(self) -> None:
        """Take nothing more from the socket."""
        ...

    def release(self) -> None:
        """Take from the socket again."""
        ...


class ReadingTurns:
    """Owns the queue of connections that have more to read than this iteration has time for.

    Each of them holds its socket back meanwhile, so what waits is bounded by what a socket gives at once.
    """

    def __init__(self, slice_s: float = _SLICE_S) -> None:
        self._slice_s = slice_s
        self._waiting: deque[Reader] = deque()
        self._deadline: float | None = None

    def offer(self, reader: Reader) -> None:
        """Read now if this iteration has time left and nobody waits, else in turn. Never offer one that waits."""
        deadline = self._begin_slice() if self._deadline is None else self._deadline
        if self._waiting or time.perf_counter() >= deadline or not reader.read_until(deadline):
            reader.hold()
            self._waiting.append(reader)

    def _begin_slice(self) -> float:
        asyncio.get_running_loop().call_soon(self._advance)
        self._deadline = time.perf_counter() + self._slice_s
        return self._deadline

    def _advance(self) -> None:
        self._deadline = None
        if not self._waiting:
            return
        deadline = self._begin_slice()
        for _ in range(len(self._waiting)):
            reader = self._waiting.popleft()
            if reader.read_until(deadline):
                reader.release()
            else:
                self._waiting.append(reader)
            if time.perf_counter() >= deadline:
                return
