"""What a source is given in a test: a clock that the test owns, and a sink that remembers."""

import asyncio

from meshregistry.model.events import ScopeListing, SourceSynced, SourceUpdate
from meshregistry.sources.polling import Clock


class ManualClock:
    """Time that passes only by sleeping; `pauses` lists the sleeps asked for. Chance is always `dice`."""

    def __init__(self, dice: float = 0.0) -> None:
        self.time = 100.0
        self.pauses: list[float] = []
        self.clock = Clock(now=lambda: self.time, unix=lambda: 1e9 + self.time, sleep=self._sleep, dice=lambda: dice)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


class RecordingSink:
    """Remembers every update and lets a test wait for the next ones."""

    def __init__(self) -> None:
        self.updates: list[SourceUpdate] = []
        self._arrived = asyncio.Event()

    async def publish(self, update: SourceUpdate) -> None:
        """Take an update."""
        self.updates.append(update)
        self._arrived.set()

    @property
    def listings(self) -> list[ScopeListing]:
        """The listings so far."""
        return [update for update in self.updates if isinstance(update, ScopeListing)]

    @property
    def synced(self) -> list[SourceSynced]:
        """The declarations of completeness so far."""
        return [update for update in self.updates if isinstance(update, SourceSynced)]

    async def wait_for(self, count: int, timeout_s: float = 20.0) -> list[SourceUpdate]:
        """Return the updates once there are `count` of them."""
        async with asyncio.timeout(timeout_s):
            while len(self.updates) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.updates
