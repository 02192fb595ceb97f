"""Meshregistry, its registries and the witness, and when they agree."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.campaign.process import DELETE_AFTER_S, EMPTY_GRACE_S, Meshregistry, Vitals
from tests.campaign.registry import Registry
from tests.campaign.served import Endpoint, Served, compare
from tests.campaign.witness import Witness

_ROUNDS = 5
_MARGIN_S = 3.0

AGREE_TIMEOUT_S = 90.0
CALM_TIMEOUT_S = 60.0
SPARE_TASKS, SPARE_FILES = 6, 8
"""By how much a process that has come to rest may differ from before: connections that are kept."""

FIRST_MB, AGAIN_MB = 48.0, 32.0
"""By how much memory may be above the rest before: after a fault that is new to the process, as Python keeps what a
peak took for later; and however often it is made again, above what it was after the first time. A leak adds up."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much every registry holds."""

    services: int
    instances: int


class Scene:
    """One Meshregistry before its registries. Owner of the processes, the witness and the dice."""

    def __init__(self, folder: Path, registries: Sequence[Registry], guard_s: float, extra: str = "") -> None:
        self.registries = registries
        self.guard_s = guard_s
        self.process = Meshregistry(folder, registries, guard_s, extra)
        self.witness = Witness(self.process.ads, self.owned, self._accepts)
        self.dice = random.Random(7)
        self.size = Size(0, 0)
        self._at_rest = Vitals(0, 0, 0, 0, 0.0)
        self.is_still = True
        """Whether nothing changes but by the faults themselves."""

        self.notes: list[str] = []
        """What a fault wants to say of its last run."""

        self.objections: list[str] = []
        """What a fault saw in its last run that must not be: each counts as wrong."""

        self.seen: Counter[str] = Counter()
        """What faults saw of their own effect, and how often."""

    def owned(self) -> set[Endpoint]:
        """Return everything that somebody keeps registered."""
        return set().union(*(registry.owned for registry in self.registries))

    @asynccontextmanager
    async def running(self, size: Size) -> AsyncIterator["Scene"]:
        """Run everything; the block begins when the witness holds what the registries hold."""
        self.size = size
        async with AsyncExitStack() as stack:
            for registry in self.registries:
                stack.push_async_callback(registry.close)
            await asyncio.gather(*(registry.open(size.services, size.instances) for registry in self.registries))
            await self.process.start()
            stack.push_async_callback(self.process.kill)
            await stack.enter_async_context(self.witness.following())
            await self.process.until_fresh()
            if differing := await self.disagreement():
                raise RuntimeError(f"no agreement at the start, see {self.process.folder}: {differing[0]}")
            await self.settle_in()
            yield self

    async def change(self, *registries: Registry) -> None:
        """Let an instance come, another one change and a third one go, in these registries or in all."""
        await asyncio.gather(*(self._change(registry) for registry in registries or self.registries))

    async def change_others(self, broken: Registry) -> None:
        """The same in all registries but one."""
        others = [registry for registry in self.registries if registry is not broken]
        if others:
            await self.change(*others)

    async def disagreement(self, timeout_s: float = AGREE_TIMEOUT_S) -> list[str]:
        """Wait until the witness holds what the registries truly hold; return in what they differ after that time.

        Compared are hosts, ports, weights, labels and whatever else an istiod holds of an endpoint, and the endpoints.
        """
        truth: dict[Endpoint, tuple[Served, ...]] = {}
        for world in await asyncio.gather(*(registry.truth() for registry in self.registries)):
            truth |= world
        agreed = await self.witness.until(lambda: self.witness.held == truth, timeout_s)
        return [] if agreed else compare(self.witness.held, truth)

    async def judge_meanwhile(self) -> None:
        """Have it be wrong if the witness does not hold everything while a fault lasts; under churn nobody can tell."""
        if self.is_still:
            self.witness.wrong += await self.disagreement()

    async def signs(self, registry: Registry | None) -> dict[str, float]:
        """Return everything now by which a fault can prove itself, of the gates of one registry or of all."""
        found: Counter[str] = Counter()
        for each in self.registries if registry is None else [registry]:
            for gate in each.gates:
                found.update({f"gate {what}": count for what, count in gate.met.items()})
        seen = {f"seen {what}": float(count) for what, count in self.seen.items()}
        return {**await self.process.signs(), **found, **seen}

    async def settle_in(self) -> None:
        """Have everything happen once that costs memory the first time, and measure the process at rest."""
        for _ in range(_ROUNDS):
            await self.change()
            await self.disagreement()
        self._at_rest = await self.process.vitals()

    async def come_to_rest(self, *, is_new: bool) -> str:
        """Wait until nothing is left of a fault or held; say what is left after a minute, "" for nothing."""
        spare_mb = FIRST_MB if is_new else AGAIN_MB
        deadline = time.monotonic() + CALM_TIMEOUT_S
        while True:
            now = await self.process.vitals()
            left = _compare(self._at_rest, now, spare_mb)
            if not left or time.monotonic() > deadline:
                if is_new:
                    highest_mb = max(self._at_rest.resident_mb, now.resident_mb)
                    self._at_rest = replace(self._at_rest, resident_mb=highest_mb)
                return left
            await asyncio.sleep(0.5)

    async def outlast_guard(self) -> None:
        """Stay until everything that Meshregistry may hold back now has had its time, and what waits to be deleted."""
        await asyncio.sleep(self.guard_s + EMPTY_GRACE_S + DELETE_AFTER_S + _MARGIN_S)

    async def _change(self, registry: Registry) -> None:
        come = registry.invent(self.dice.randrange(self.size.services))
        gone = registry.take(self.dice)
        await registry.register(come)
        await registry.alter(self.dice)
        await registry.deregister(gone)

    def _accepts(self, endpoint: Endpoint, served: Served) -> bool:
        return any(each.source == endpoint.source and each.accepts(endpoint, served) for each in self.registries)


def _compare(before: Vitals, now: Vitals, spare_mb: float) -> str:
    left = []
    if now.tasks > before.tasks + SPARE_TASKS:
        left.append(f"{now.tasks} tasks, {before.tasks} at rest")
    if now.files > before.files + SPARE_FILES:
        left.append(f"{now.files} files, {before.files} at rest")
    if now.held:
        left.append(f"{now.held} held back by the guard")
    if now.failing:
        left.append(f"{now.failing} scopes failing")
    if now.resident_mb > before.resident_mb + spare_mb:
        left.append(f"{now.resident_mb:.0f} MB, {before.resident_mb:.0f} at rest")
    return "; ".join(left)
