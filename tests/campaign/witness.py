"""The judge: an istiod model that follows Meshregistry through every fault and counts what it must never see."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from meshregistry.watch.client import ClientOptions, IstiodClient, Seams
from meshregistry.watch.model import IstiodModel
from meshregistry.watch.observations import Observation, ResponseApplied
from meshregistry.watch.resources import ServiceEntrySpec
from meshregistry.watch.transport import DialOptions
from tests.campaign.registry import LITTER, Endpoint

_MAX_RETRY_S = 0.5
"""A stock istiod waits up to a minute before it connects again; the campaign does not measure that."""


class Witness:
    """What one istiod holds, checked after every response.

    An endpoint is *promised* from the first time that it was held on, as long as its owner keeps it registered: once
    a promised endpoint is missing it is *lost*. An endpoint that is held and that nobody ever registered is *wrong*.
    """

    def __init__(self, port: int, owned: Callable[[], set[Endpoint]], ever: set[Endpoint]) -> None:
        self.held: set[Endpoint] = set()
        self.litter: set[Endpoint] = set()
        """What is held of hostile records."""

        self.lost: list[Endpoint] = []
        self.wrong: list[Endpoint] = []
        self.first_lost_at = 0.0
        self.seen_at: dict[Endpoint, float] = {}
        """When an endpoint was first held, in seconds of the loop; only those that `watch_for` named."""

        self._owned = owned
        self._ever = ever
        self._promised: set[Endpoint] = set()
        self._awaited: set[Endpoint] = set()
        self._progress = asyncio.Event()
        seams = Seams(sleep=lambda pause_s: asyncio.sleep(min(pause_s, _MAX_RETRY_S)))
        self.client = IstiodClient(ClientOptions(DialOptions("127.0.0.1", port)), self._note, seams)

    def take_counts(self) -> tuple[list[Endpoint], list[Endpoint]]:
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
            everything = all_endpoints_of(self.client.model)
            self.litter = {each for each in everything if is_litter(each)}
            self.judge(everything - self.litter, asyncio.get_running_loop().time())
        self._progress.set()
        self._progress = asyncio.Event()

    def judge(self, held: set[Endpoint], now: float) -> None:
        """Compare what is held at this moment with what is promised and with what ever was registered."""
        self.held = held
        owned = self._owned()
        missing = (self._promised & owned) - held
        if missing and not self.lost:
            self.first_lost_at = now
        self.lost += missing
        self.wrong += held - self._ever
        self._promised = held & owned
        for endpoint in self._awaited & held:
            self.seen_at[endpoint] = now
        self._awaited -= held


def endpoints_of(model: IstiodModel) -> set[Endpoint]:
    """Return every endpoint that an istiod holds but those of hostile records."""
    return {each for each in all_endpoints_of(model) if not is_litter(each)}


def all_endpoints_of(model: IstiodModel) -> set[Endpoint]:
    """Return every endpoint that an istiod holds."""
    found = set()
    for key, config in model.configs.items():
        if key.kind == "ServiceEntry" and isinstance(config.spec, ServiceEntrySpec):
            service = service_of(config.spec.hosts[0]) if config.spec.hosts else key.name
            found |= {Endpoint(key.namespace, service, each.address) for each in config.spec.endpoints}
    return found


def is_litter(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint is of a hostile record: what becomes of it is nobody's loss."""
    return endpoint.address.startswith(LITTER)


def service_of(host: str) -> str:
    """Return the service behind a host: its first part."""
    return host.partition(".")[0]
