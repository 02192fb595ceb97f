"""How a starting replica takes the world from one that runs."""

import asyncio
import logging

from meshregistry.replica.link import Delivery, SiblingLost, follow
from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.siblings import Address, find_siblings
from meshregistry.replica.state import Assembly
from meshregistry.store.saved import SavedError, Terms, decode_world
from meshregistry.store.world import World
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.private import STATE_URL

_log = logging.getLogger(__name__)


class Takeover:
    """Asks all siblings at once and takes the first usable world that is newer than the own one."""

    def __init__(self, options: ReplicaOptions, terms: Terms, metrics: Metrics) -> None:
        self._options = options
        self._terms = terms
        self._metrics = metrics

    async def take(self, newer_than: float) -> World | None:
        """Return a sibling's world that is as of a later time (Unix seconds); None without one in time.

        Takes at most the takeover timeout, and no time at all when every sibling refuses. Cancelling is safe.
        """
        if not self._options.siblings:
            return None
        found: list[World] = []
        try:
            async with asyncio.timeout(self._options.takeover_timeout_s):
                siblings = await find_siblings(self._options)
                await self._ask_all(siblings, newer_than, found)
        except TimeoutError:
            _log.warning("replica.takeover_timeout after_s=%.1f", self._options.takeover_timeout_s)
        self._metrics.takeovers.labels("taken" if found else "none").inc()
        return found[0] if found else None

    async def _ask_all(self, siblings: list[Address], newer_than: float, found: list[World]) -> None:
        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            asking = {tasks.create_task(self._ask(each, newer_than, found, done)) for each in siblings}
            for task in asking:
                task.add_done_callback(lambda _: done.set() if all(each.done() for each in asking) else None)
            if asking:
                await done.wait()
            for task in asking:
                task.cancel()

    async def _ask(self, address: Address, newer_than: float, found: list[World], done: asyncio.Event) -> None:
        """Add the sibling's world to what was found, unless it is not newer or cannot be used."""
        assembly = Assembly()

        def take(delivery: Delivery) -> bool:
            assembly.add(delivery.payloads, delivery.removed)
            head = assembly.head
            return head is None or head.as_of <= newer_than or assembly.join() is not None

        try:
            await follow(address, STATE_URL, self._options, take)
            data = assembly.join()
            head = assembly.head
            if data is None or head is None or head.as_of <= newer_than:
                return
            world = await asyncio.to_thread(decode_world, data, self._terms)
        except (SiblingLost, SavedError, ValueError) as error:
            _log.info("replica.not_taken sibling=%s:%d error=%r", *address, str(error)[:300])
            return
        if not found:
            found.append(world)
            _log.info("replica.taken sibling=%s:%d resources=%d", *address, len(world.resources))
        done.set()
