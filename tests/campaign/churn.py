"""Changes at a steady rate, and how long each takes to reach the witness."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.campaign.registry import Endpoint, Registry
from tests.campaign.scene import Scene

_TICK_S = 0.05


@dataclass(frozen=True, slots=True)
class Arrival:
    """A registration that the witness has seen: when it was made, in seconds from the start, and how long that took."""

    source: str
    made_at: float
    took_s: float


class Churn:
    """Registers and deregisters in all registries by turns. Owner of what is under way; `rate` is changes a second."""

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
        scene = self._scene
        registry = self._dice.choice(scene.registries)
        self.made += 1
        if len(registry.owned) > scene.size.services * scene.size.instances:
            gone = registry.take(self._dice)
            self._made_at.pop(gone, None)
            await registry.deregister(gone)
        else:
            await self._register(registry)

    async def _register(self, registry: Registry) -> None:
        endpoint = registry.invent(self._dice.randrange(self._scene.size.services))
        self._scene.ever.add(endpoint)
        self._scene.witness.watch_for(endpoint)
        self._made_at[endpoint] = asyncio.get_running_loop().time()
        await registry.register(endpoint)
