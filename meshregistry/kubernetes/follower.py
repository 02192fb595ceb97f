"""Follows all objects of one kind: lists them, watches what changes, lists again when in doubt."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Protocol, TypeVar

import msgspec

from meshregistry.kubernetes.client import ClusterClient, ClusterError, Denied, Expired
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_SHORT_WATCH_S = 1.0
"""A watch that ends sooner is not begun again at once: something between us and the API may end each one."""


class Shelf(Protocol):
    """Where the objects of a kind go; one that cannot be read is counted and left out."""

    def replace(self, items: Iterable[msgspec.Raw]) -> None:
        """Make these all objects."""
        ...

    def apply(self, kind: str, item: msgspec.Raw) -> None:
        """Take one change: ADDED, MODIFIED or DELETED."""
        ...


class Follower:
    """One kind of one cluster. A cluster that cannot be read keeps what is known of it."""

    def __init__(self, name: str, path: str, query: dict[str, str], shelf: Shelf, metrics: Metrics) -> None:
        """`name` is what logs and metrics call it: `pods`, `nodes`, `secrets`."""
        self._name = name
        self._path = path
        self._query = query
        self._shelf = shelf
        self._metrics = metrics
        self._is_lost = False
        self.settled = asyncio.Event()
        """Set once everything has been read, or once it is sure that it may not be."""

    async def run(self, client: ClusterClient, resync_s: float, cluster: str) -> None:
        """Follow for ever, listing everything again after `resync_s` seconds, 0 is never. Cancelling is safe."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._follow(client, resync_s, cluster)
                pause_s = _FIRST_PAUSE_S
            except Expired:
                pause_s = _FIRST_PAUSE_S
                await _rest(pause_s)
            except ClusterError as error:
                self._note_failure(cluster, error)
                pause_s = _LONGEST_PAUSE_S if isinstance(error, Denied) else min(pause_s * 2, _LONGEST_PAUSE_S)
                await _rest(pause_s)

    async def _follow(self, client: ClusterClient, resync_s: float, cluster: str) -> None:
        listing = await client.list_all(self._path, self._query)
        self._shelf.replace(listing.items)
        self._note_success(cluster)
        since = listing.resource_version
        try:
            async with asyncio.timeout(resync_s or None):
                while True:
                    since = await self._watch(client, since)
        except TimeoutError:
            return

    async def _watch(self, client: ClusterClient, since: str) -> str:
        """Take changes until the watch ends; returns where the next one goes on."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with aclosing(client.watch(self._path, self._query, since)) as events:
            async for event in events:
                since = read_version(event.object) or since
                if event.type != "BOOKMARK":
                    self._shelf.apply(event.type, event.object)
        if loop.time() - started < _SHORT_WATCH_S:
            await _rest(_FIRST_PAUSE_S)
        return since

    def _note_success(self, cluster: str) -> None:
        self.settled.set()
        if self._is_lost:
            _log.info("kubernetes.recovered kind=%s cluster=%s", self._name, cluster)
        self._is_lost = False

    def _note_failure(self, cluster: str, error: ClusterError) -> None:
        self._metrics.pod_failures.labels(self._name).inc()
        if isinstance(error, Denied):
            self.settled.set()
        if not self._is_lost:
            _log.warning("kubernetes.lost kind=%s cluster=%s error=%s", self._name, cluster, error)
        self._is_lost = True


async def _rest(pause_s: float) -> None:
    await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))


class _Versioned(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _Object(msgspec.Struct):
    metadata: _Versioned


def read_version(item: msgspec.Raw) -> str:
    """Return an object's version, "" of one that has none."""
    try:
        return msgspec.json.decode(item, type=_Object).metadata.resource_version
    except (ValueError, RecursionError):
        return ""


def decode_each(items: Iterable[msgspec.Raw], kind: type[_T], on_bad: Callable[[], None]) -> list[_T]:
    """Return the objects that can be read; each other one is counted alone."""
    found = []
    for item in items:
        try:
            found.append(msgspec.json.decode(item, type=kind))
        except (ValueError, RecursionError):
            on_bad()
    return found
