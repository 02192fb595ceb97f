"""Changes at a steady rate, and how long each takes to reach the witness."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.campaign.registry import Registry
from tests.campaign.scene import Scene
from tests.campaign.served import Endpoint

_TICK_S = 0.05
_ALTERED = 0.25
"""Which share of the changes alters what is registered."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A registration that the witness has seen: when it was made, in seconds from the start, and how long that took."""

    source: str
    made_at: float
    took_s: float


class Churn:
    """Registers, alters and deregisters in all registries. Owner of what is under way; `rate` is changes a second."""

    def __init__(self, scene: Scene, rate: float) -> None:
        self.made = 0
        self.active_s = 0.0
        """For how long it has made changes, rests left out."""

        self._started = asyncio.get_running_loop().time()
        self._scene = scene
        self._rate = rate
        self._dice = random.Random(11)
        self._going = asyncio.Event()
        self._going.set()
        self._made_at: dict[Endpoint, float] = {}
        self._resting = asyncio.Event()
        self._spared: set[Registry] = set()
        self._under_way: Counter[Registry] = Counter()

    async def run(self) -> None:
        """Change for ever; a change that takes longer than a tick delays the next ones. Cancelling is safe."""
        loop = asyncio.get_running_loop()
        due = 0.0
        last = loop.time()
        while True:
            if not self._going.is_set():
                self._resting.set()
                await self._going.wait()
                last = loop.time()
            await asyncio.sleep(_TICK_S)
            elapsed_s, last = loop.time() - last, loop.time()
            self.active_s += elapsed_s
            due = min(due + elapsed_s * self._rate, self._rate)
            await asyncio.gather(*(self._change() for _ in range(int(due))))
            due -= int(due)

    async def rest(self) -> None:
        """Have changes stop; returns once none is under way."""
        self._resting.clear()
        self._going.clear()
        await self._resting.wait()

    def go_on(self) -> None:
        """Have changes go on."""
        self._going.set()

    @asynccontextmanager
    async def sparing(self, registry: Registry) -> AsyncIterator[None]:
        """Change nothing in one registry within the block, as nobody can while it is not there."""
        self._spared.add(registry)
        try:
            while self._under_way[registry]:  # noqa: ASYNC110 - no more than a tick
                await asyncio.sleep(_TICK_S)
            yield
        finally:
            self._spared.discard(registry)

    def arrivals(self) -> list[Arrival]:
        """Return what arrived since the last call; what left again before it was seen is forgotten."""
        seen: Mapping[Endpoint, float] = self._scene.witness.seen_at
        found = [
            Arrival(each.source, at - self._started, seen[each] - at)
            for each, at in self._made_at.items()
            if each in seen
        ]
        self._scene.witness.seen_at = {}
        self._made_at = {each: at for each, at in self._made_at.items() if each not in seen}
        return found

    async def _change(self) -> None:
        registry = self._dice.choice([each for each in self._scene.registries if each not in self._spared])
        self.made += 1
        self._under_way[registry] += 1
        try:
            await self._change_in(registry)
        finally:
            self._under_way[registry] -= 1

    async def _change_in(self, registry: Registry) -> None:
        size = self._scene.size
        if self._dice.random() < _ALTERED:
            await registry.alter(self._dice)
        elif len(registry.owned) > size.services * size.instances:
            gone = registry.take(self._dice)
            self._made_at.pop(gone, None)
            await registry.deregister(gone)
        else:
            await self._register(registry)

    async def _register(self, registry: Registry) -> None:
        endpoint = registry.invent(self._dice.randrange(self._scene.size.services))
        self._scene.witness.watch_for(endpoint)
        self._made_at[endpoint] = asyncio.get_running_loop().time()
        await registry.register(endpoint)
