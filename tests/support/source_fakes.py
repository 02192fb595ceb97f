"""What a source is given in a test: a clock that the test owns, and a sink that remembers."""

import asyncio

from meshregistry.model.events import SourceUpdate
from meshregistry.sources.polling import Clock

_TURNS = 200
"""Turns of the loop in which what was woken has come to rest: no test needs a tenth of them."""


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


class SteppedClock:
    """Time that passes only when the test says so. Chance is always `dice`."""

    def __init__(self, dice: float = 0.0) -> None:
        self.time = 100.0
        self.clock = Clock(now=lambda: self.time, unix=lambda: 1e9 + self.time, sleep=self._sleep, dice=lambda: dice)
        self._sleeping: list[tuple[float, asyncio.Future[None]]] = []

    async def advance(self, seconds: float) -> None:
        """Let time pass: who sleeps wakes in order, and acts before the next one does."""
        await self._settle()
        end = self.time + seconds
        while due := [(at, each) for at, each in self._sleeping if at <= end and not each.done()]:
            self.time, sleeper = min(due, key=lambda pair: pair[0])
            sleeper.set_result(None)
            await self._settle()
        self.time = end
        await self._settle()

    async def _sleep(self, seconds: float) -> None:
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleeping = [(at, each) for at, each in self._sleeping if not each.done()]
        self._sleeping.append((self.time + seconds, sleeper))
        await sleeper

    async def _settle(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)


class RecordingSink:
    """Remembers every update."""

    def __init__(self) -> None:
        self.updates: list[SourceUpdate] = []

    async def publish(self, update: SourceUpdate) -> None:
        """Take an update."""
        self.updates.append(update)


class FailingGroup:
    """A task group in which a child fails while another takes its time to end."""

    def __init__(self) -> None:
        self.runs = 0
        self.is_winding_up = asyncio.Event()
        self.go_on = asyncio.Event()

    async def fail(self) -> None:
        """Fail once `go_on` is set; raises an ExceptionGroup."""
        self.runs += 1
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._linger())
            tasks.create_task(self._break())

    async def _linger(self) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            self.is_winding_up.set()
            await self.go_on.wait()

    async def _break(self) -> None:
        raise ValueError("broken")
