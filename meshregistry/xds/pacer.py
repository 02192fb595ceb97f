"""Turns at the event loop: one slice of work per iteration, whoever wants it.

A push concerns every stream at once. Without turns all their writers become ready together and run one after the
other before the loop looks at its sockets again: a hundred clients make a block of a third of a second.
"""

import asyncio
from collections import deque


class Pacer:
    """Owns the queue of those who wait for a turn: as long as there are streams, first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def turn(self) -> None:
        """Wait until this iteration of the loop is ours; a slice of work may follow. Cancelling is safe."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._advance)
            return
        future = loop.create_future()
        self._waiting.append(future)
        await future

    def _advance(self) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                asyncio.get_running_loop().call_soon(self._advance)
                return
        self._taken = False
