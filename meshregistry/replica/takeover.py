"""How a starting replica takes the world from those that run."""

import asyncio
import logging

from meshregistry.replica.link import Delivery, Loss, SiblingLost, follow
from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.siblings import Address, find_siblings
from meshregistry.replica.state import Assembly, Head
from meshregistry.store.saved import Fault, SavedError, Terms, decode_world
from meshregistry.store.world import World
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.private import STATE_URL

_log = logging.getLogger(__name__)


class Takeover:
    """Asks all siblings at once, until what they gave and the own world know every enabled source, and freshly."""

    def __init__(self, options: ReplicaOptions, terms: Terms, metrics: Metrics) -> None:
        self._options = options
        self._terms = terms
        self._metrics = metrics

    async def take(self, own: World | None) -> list[World]:
        """Return worlds of siblings that are newer than the own one, or know what it does not; none without.

        Takes at most the takeover timeout, and no time at all when every sibling refuses. Cancelling is safe.
        """
        if not self._options.siblings:
            return []
        asking = _Asking(own, self._terms)
        try:
            async with asyncio.timeout(self._options.takeover_timeout_s):
                await self._ask_all(await find_siblings(self._options), asking)
        except TimeoutError:
            _log.warning("replica.takeover_timeout after_s=%.1f", self._options.takeover_timeout_s)
        self._metrics.takeovers.labels("taken" if asking.found else "none").inc()
        return asking.found

    async def _ask_all(self, siblings: list[Address], asking: "_Asking") -> None:
        async with asyncio.TaskGroup() as tasks:
            each_asked = {tasks.create_task(self._ask(each, asking)) for each in siblings}
            for task in each_asked:
                task.add_done_callback(lambda _: asking.done.set() if all(each.done() for each in each_asked) else None)
            if each_asked:
                await asking.done.wait()
            for task in each_asked:
                task.cancel()

    async def _ask(self, address: Address, asking: "_Asking") -> None:
        """Add the sibling's world to what was found, unless it is of no use."""
        assembly = Assembly(self._options.max_state_bytes)

        def take(delivery: Delivery) -> bool:
            assembly.add(delivery.payloads, delivery.removed)
            head = assembly.head
            return head is None or not asking.wants(head.as_of) or assembly.join() is not None

        try:
            await follow(address, STATE_URL, self._options, take)
            data = assembly.join()
            head = assembly.head
            if data is None or head is None or not asking.wants(head.as_of):
                return
            world = await asyncio.to_thread(_decode, data, head, self._terms)
        except (SiblingLost, SavedError, ValueError) as error:
            reason = _name_reason(error)
            self._metrics.refused_states.labels(reason).inc()
            _log.info("replica.not_taken sibling=%s:%d reason=%s error=%r", *address, reason, str(error)[:300])
            return
        _log.info("replica.taken sibling=%s:%d resources=%d", *address, len(world.resources))
        asking.add(world)


def _decode(data: bytes, head: Head, terms: Terms) -> World:
    """Return the world of a state. Raises SavedError for one that cannot be used."""
    world = decode_world(data, terms)
    if world.as_of != head.as_of:  # it was chosen by what the head said
        raise SavedError(Fault.CONTRADICTORY, f"as of {world.as_of:.3f}, and by its head of {head.as_of:.3f}")
    return world


def _name_reason(error: SiblingLost | SavedError | ValueError) -> str:
    """Return the label of a refusal; a sibling that is not there is lost, too."""
    if isinstance(error, SavedError):
        return error.fault.value
    return error.loss.value if isinstance(error, SiblingLost) else Loss.MALFORMED.value


class _Asking:
    """What is looked for, and what was found of it."""

    def __init__(self, own: World | None, terms: Terms) -> None:
        self.found: list[World] = []
        self.done = asyncio.Event()
        self._own_as_of = own.as_of if own else 0.0
        self._lacking = set(terms.fingerprints) - (own.fingerprints.keys() if own else set())
        self._lacks_any = bool(self._lacking)

    def wants(self, as_of: float) -> bool:
        """Whether a world of this time is of use."""
        return self._lacks_any or as_of > self._own_as_of

    def add(self, world: World) -> None:
        """Take a world; with those before it may be enough.

        That of a sibling that is stale itself never is: another one may have heard the registries since.
        """
        self.found.append(world)
        if world.as_of >= world.taken_at:
            self._lacking -= world.fingerprints.keys()
        if not self._lacking:
            self.done.set()
