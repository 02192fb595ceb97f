"""The judge: an istiod model that follows Meshregistry through every fault and counts what it must never see."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from meshregistry.watch.client import ClientOptions, IstiodClient, Seams
from meshregistry.watch.observations import Observation, ResponseApplied
from meshregistry.watch.transport import DialOptions
from tests.campaign.registry import LITTER
from tests.campaign.served import Endpoint, Served, View, World, name

_MAX_RETRY_S = 0.5
"""A stock istiod waits up to a minute before it connects again; the campaign does not measure that."""

Accept = Callable[[Endpoint, Served], bool]
"""Tells whether an endpoint was ever registered so."""


class Witness:
    """What one istiod holds, checked after every response.

    An endpoint is *promised* from the first time that it was held on, as long as its owner keeps it registered: once
    a promised endpoint is missing it is *lost*. An endpoint that is held and that nobody ever registered so is *wrong*,
    as is one that its service has twice.
    """

    def __init__(self, port: int, owned: Callable[[], set[Endpoint]], accepts: Accept) -> None:
        self.held: World = {}
        self.litter: set[Endpoint] = set()
        """What is held of hostile records."""

        self.lost: list[Endpoint] = []
        self.wrong: list[str] = []
        """In words; told once for as long as it stays so."""

        self.first_lost_at = 0.0
        self.seen_at: dict[Endpoint, float] = {}
        """When an endpoint was first held, in seconds of the loop; only those that `watch_for` named."""

        self._owned = owned
        self._accepts = accepts
        self._view = View()
        self._promised: set[Endpoint] = set()
        self._awaited: set[Endpoint] = set()
        self._progress = asyncio.Event()
        seams = Seams(sleep=lambda pause_s: asyncio.sleep(min(pause_s, _MAX_RETRY_S)))
        self.client = IstiodClient(ClientOptions(DialOptions("127.0.0.1", port)), self._note, seams)

    def take_counts(self) -> tuple[list[Endpoint], list[str]]:
        """Return what was lost and what was wrong since the last call: whatever happens is in one of the calls."""
        counts = self.lost, self.wrong
        self.lost, self.wrong = [], []
        return counts

    @asynccontextmanager
    async def following(self) -> AsyncIterator["Witness"]:
        """Follow for as long as the block lasts."""
        task = asyncio.ensure_future(self.client.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def watch_for(self, endpoint: Endpoint) -> None:
        """Note when an endpoint is first held."""
        self._awaited.add(endpoint)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on what is held is met; tell whether it was met in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    def _note(self, observation: Observation) -> None:
        if not isinstance(observation, ResponseApplied):
            return
        if observation.handled.events:
            everything = self._view.read(self.client.model)
            self.litter = set(filter(is_litter, everything))
            self.judge(leave_out_litter(everything), asyncio.get_running_loop().time())
        self._progress.set()
        self._progress = asyncio.Event()

    def judge(self, held: World, now: float) -> None:
        """Compare what is held at this moment with what is promised and with what ever was registered."""
        before, self.held = self.held, held
        owned = self._owned()
        missing = (self._promised & owned) - held.keys()
        if missing and not self.lost:
            self.first_lost_at = now
        self.lost += missing
        for endpoint, served in held.items():
            if served != before.get(endpoint):
                self._judge(endpoint, served)
        self._promised = held.keys() & owned
        for endpoint in self._awaited & held.keys():
            self.seen_at[endpoint] = now
        self._awaited -= held.keys()

    def _judge(self, endpoint: Endpoint, served: tuple[Served, ...]) -> None:
        if len(served) > 1:
            self.wrong.append(f"{name(endpoint)}: held {len(served)} times")
        self.wrong += [
            f"{name(endpoint)}: never registered as {each}" for each in served if not self._accepts(endpoint, each)
        ]


def is_litter(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint is of a hostile record: what becomes of it is nobody's loss."""
    return endpoint.address.startswith(LITTER)


def leave_out_litter(world: World) -> World:
    """Return what is held but for hostile records."""
    return {endpoint: served for endpoint, served in world.items() if not is_litter(endpoint)}
