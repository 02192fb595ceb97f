"""The bounded queue between the sources and the reducer."""

import asyncio
import time

from meshregistry.store.operator import StoreUpdate
from meshregistry.telemetry.metrics import Metrics


class Inbox:
    """Takes updates and operators' decisions in order; when it is full the publisher waits, nothing is dropped."""

    def __init__(self, metrics: Metrics, limit: int = 256) -> None:
        self._queue: asyncio.Queue[tuple[float, StoreUpdate]] = asyncio.Queue(limit)
        self._length = metrics.queue_length
        self._age = metrics.queue_age
        self._published = self._taken = self._applied = 0
        self._turn = asyncio.Event()

    async def publish(self, update: StoreUpdate) -> None:
        """Hand over one update; waits while the queue is full. Cancelling it is safe: nothing was handed over."""
        await self._queue.put((time.monotonic(), update))
        self._published += 1
        self._length.set(self._queue.qsize())

    async def take(self, timeout_s: float | None) -> list[StoreUpdate]:
        """Return all updates that wait, at least one; an empty list when `timeout_s` passes first.

        Cancelling it is safe: no update is lost.
        """
        try:
            async with asyncio.timeout(timeout_s):
                queued_at, first = await self._queue.get()
        except TimeoutError:
            return []
        updates = [first, *(self._queue.get_nowait()[1] for _ in range(self._queue.qsize()))]
        self._taken += len(updates)
        self._length.set(0)
        self._age.observe(time.monotonic() - queued_at)
        return updates

    def mark_applied(self) -> None:
        """Note that all that was taken has taken effect."""
        self._applied = self._taken
        self._turn.set()
        self._turn = asyncio.Event()

    async def settle(self) -> None:
        """Return once all that was published before this call has taken effect. Cancelling is safe."""
        wanted = self._published
        while self._applied < wanted:
            await self._turn.wait()
