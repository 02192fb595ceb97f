"""The decisions of operators, taken from all siblings for ever; these take ours from the ADS server's shelf."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from meshregistry.replica.link import Delivery, Loss, SiblingLost, follow
from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.siblings import Address, SiblingNames
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.private import DECISION_URL

_log = logging.getLogger(__name__)


class Book(Protocol):
    """Where decisions are kept: the ledger."""

    def merge(self, bodies: Mapping[str, bytes]) -> None:
        """Take the decisions of a sibling. Raises ValueError for what is none."""
        ...


class DecisionExchange:
    """Owns the links to the siblings; what they have decided goes into the book."""

    def __init__(self, book: Book, options: ReplicaOptions) -> None:
        self._book = book
        self._options = options

    async def run(self, metrics: Metrics) -> None:
        """Keep a stream to every sibling for ever. Cancelling is safe."""
        links: dict[Address, asyncio.Task[None]] = {}
        names = SiblingNames(self._options)
        async with asyncio.TaskGroup() as tasks:
            while True:
                siblings = await names.resolve()
                for address in siblings:
                    if address not in links or links[address].done():
                        links[address] = tasks.create_task(self._follow(address, metrics))
                for address in links.keys() - set(siblings):
                    links.pop(address).cancel()
                await asyncio.sleep(self._options.resolve_interval_s)

    async def _follow(self, address: Address, metrics: Metrics) -> None:
        """Take a sibling's decisions until it is lost."""
        connected = False

        def take(delivery: Delivery) -> bool:
            nonlocal connected
            if not connected:
                connected = True
                metrics.siblings.inc()
                _log.info("replica.connected sibling=%s:%d", *address)
            self._book.merge(delivery.payloads)
            return False

        try:
            await follow(address, DECISION_URL, self._options, take)
        except SiblingLost as error:
            if error.loss is not Loss.LOST:
                metrics.refused_decisions.labels(error.loss.value).inc()
            if connected or error.loss is not Loss.LOST:
                _log.info("replica.lost sibling=%s:%d error=%r", *address, str(error)[:300])
        finally:
            if connected:
                metrics.siblings.dec()
