"""The decisions of operators, told to all siblings and taken from them, for ever."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Protocol

from meshregistry.model.instance import Scope
from meshregistry.replica.decisions import DecisionBook
from meshregistry.replica.link import Delivery, Loss, SiblingLost, follow
from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.siblings import Address, find_siblings
from meshregistry.store.holds import HoldReport
from meshregistry.store.operator import OperatorDecision, Queue
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.private import DECISION_URL

_APPLY_S = 1.0
"""How often decisions are held against the holds there are now, seconds: a shrink may be seen later here."""

_log = logging.getLogger(__name__)


class GuardView(Protocol):
    """What is held and frozen here: the reducer."""

    @property
    def frozen(self) -> Collection[Scope]:
        """What is frozen."""
        ...

    def list_holds(self) -> list[HoldReport]:
        """Return every held shrink."""
        ...


class DecisionShelf(Protocol):
    """Where decisions are offered: the ADS server's shelf."""

    def publish_decisions(self, decisions: Mapping[str, bytes]) -> None:
        """Offer all decisions that count, by their names."""
        ...


class DecisionExchange:
    """A queue for operators' decisions that reaches the siblings too; owns the book of decisions and the links."""

    def __init__(self, view: GuardView, queue: Queue, shelf: DecisionShelf, options: ReplicaOptions) -> None:
        self._view = view
        self._queue = queue
        self._shelf = shelf
        self._options = options
        self._book = DecisionBook()
        self._news = asyncio.Event()

    async def publish(self, update: OperatorDecision) -> None:
        """Hand a decision to this replica and to the others. Cancelling is safe: then it reached nobody."""
        holds = self._view.list_holds()
        await self._queue.publish(update)
        self._book.note(update, holds, time.time())
        self._shelf.publish_decisions(self._book.encode())

    async def settle(self) -> None:
        """Return once what was handed over before has taken effect here. Cancelling is safe."""
        await self._queue.settle()

    async def run(self, metrics: Metrics) -> None:
        """Keep a stream to every sibling and do what they decide. Cancelling is safe."""
        links: dict[Address, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._apply())
            while True:
                siblings = await find_siblings(self._options)
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
            if self._book.merge(delivery.payloads):
                self._shelf.publish_decisions(self._book.encode())
                self._news.set()
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

    async def _apply(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_APPLY_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            for decision in self._book.take_due(self._view.list_holds(), self._view.frozen, time.time()):
                _log.info("replica.decision decision=%s", decision)
                await self._queue.publish(decision)
