"""Many Dubbo providers in a ZooKeeper: loaded at once, or coming and going at random at a given rate."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import anyio
from kazoo.client import KazooClient

from tests.support.dubbo_names import provider
from tests.support.zookeeper_writer import Writer, create_once, delete_once, replace_once

_TICK_S = 0.01
_PORT = 20880
_SHARE_CREATED, _SHARE_REPLACED = 0.45, 0.2  # the rest is deleted, as long as there is anything to delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`interfaces` interfaces named com.acme.Service00000… with `providers` providers each, below `root`."""

    interfaces: int
    providers: int
    root: str = "/dubbo"

    def interface(self, number: int) -> str:
        """The name of an interface."""
        return f"com.acme.Service{number:05d}"

    def node(self, interface: int, number: int) -> str:
        """The node name of a provider; the same numbers give the same name each time."""
        total = interface * self.providers + number
        address = f"10.{total >> 16 & 255}.{total >> 8 & 255}.{total & 255}:{_PORT}"
        return _node(self.interface(interface), address, number)

    def category(self, interface: int) -> str:
        """The node above the providers of an interface."""
        return f"{self.root}/{self.interface(interface)}/providers"

    def nodes(self) -> Iterator[tuple[str, bytes]]:
        """All nodes below the root, parents first."""
        for interface in range(self.interfaces):
            category = self.category(interface)
            yield category.removesuffix("/providers"), b""
            yield category, b""
            for number in range(self.providers):
                yield f"{category}/{self.node(interface, number)}", b""


async def load(writer: Writer, wanted: Load) -> None:
    """Create a load of persistent nodes: 130,000 nodes take about half a minute. The root may be there already."""
    if not await writer.exists(wanted.root):
        await writer.create(wanted.root)
    await writer.create_many(wanted.nodes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A provider that came or went; `asked_s` is when the write was sent (monotonic)."""

    interface: str
    node: str
    present: bool
    asked_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnOptions:
    """`rate_per_s` changes per second in `interfaces` interfaces of at most `most` providers; `seed` repeats a run.

    A part of the changes replaces a provider by another in one transaction. Nodes are persistent unless
    `ephemeral`: those go with the writer's session.
    """

    interfaces: int = 20
    most: int = 20
    rate_per_s: float = 100.0
    root: str = "/dubbo"
    ephemeral: bool = False
    seed: int = 1


class Churn:
    """Owner of the model: what should be in the registry when all writes are done.

    Writes are repeated until they are done, whatever happens to the connection. `observe` is called for each
    change when it is acknowledged, in a worker thread.
    """

    def __init__(self, writer: Writer, options: ChurnOptions, observe: Callable[[Change], None] | None = None) -> None:
        self.changes = 0
        self._writer = writer
        self._options = options
        self._observe = observe
        self._random = random.Random(options.seed)
        self._created = 0
        load = Load(interfaces=options.interfaces, providers=0, root=options.root)
        self._categories = {load.interface(number): load.category(number) for number in range(options.interfaces)}
        self._present: dict[str, list[str]] = {interface: [] for interface in self._categories}

    def expected(self) -> dict[str, set[str]]:
        """Interface → node names of its providers."""
        return {interface: set(nodes) for interface, nodes in self._present.items()}

    async def listed(self) -> dict[str, set[str]]:
        """The same as the server says it, of all interfaces below the root."""
        interfaces = await self._writer.children(self._options.root)
        categories = [f"{self._options.root}/{each}/providers" for each in interfaces]
        listed = await self._writer.children_of(categories)
        return {interface: set(nodes) for interface, nodes in zip(interfaces, listed, strict=True)}

    async def prepare(self) -> None:
        """Create the interfaces, without providers."""
        for category in self._categories.values():
            await self._writer.create(category)

    async def run(self, duration_s: float) -> None:
        """Change at the given rate; a slower server makes it slower. Cancelling waits for the writes under way."""
        start = time.monotonic()
        done = 0
        while (elapsed_s := time.monotonic() - start) < duration_s:
            due = int(elapsed_s * self._options.rate_per_s) - done
            if due > 0:
                most = max(1, int(self._options.rate_per_s * 10 * _TICK_S))
                done += due
                await self._writer.run(partial(self._steps, count=min(due, most)))
            await anyio.sleep(_TICK_S)

    def _steps(self, client: KazooClient, count: int) -> None:
        for _ in range(count):
            self._step(client)

    def _step(self, client: KazooClient) -> None:
        interface = self._random.choice(list(self._present))
        present = self._present[interface]
        draw = self._random.random()
        full = len(present) >= self._options.most
        if not present or (draw < _SHARE_CREATED and not full):
            self._change(client, interface, None, self._new_node(interface))
        else:
            gone = self._random.choice(present)
            replaced = draw < _SHARE_CREATED + _SHARE_REPLACED
            self._change(client, interface, gone, self._new_node(interface) if replaced else None)

    def _change(self, client: KazooClient, interface: str, gone: str | None, come: str | None) -> None:
        asked_s = time.monotonic()
        category = self._categories[interface]
        if gone and come:
            replace_once(client, f"{category}/{gone}", f"{category}/{come}", ephemeral=self._options.ephemeral)
        elif come:
            create_once(client, f"{category}/{come}", ephemeral=self._options.ephemeral)
        elif gone:
            delete_once(client, f"{category}/{gone}")
        for node, present in ((gone, False), (come, True)):
            if node:
                self._note(Change(interface=interface, node=node, present=present, asked_s=asked_s))

    def _note(self, change: Change) -> None:
        nodes = self._present[change.interface]
        if change.present:
            nodes.append(change.node)
        else:
            nodes.remove(change.node)
        self.changes += 1
        if self._observe is not None:
            self._observe(change)

    def _new_node(self, interface: str) -> str:
        number = self._created
        self._created += 1
        return _node(interface, f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:{_PORT}", number)


def _node(interface: str, address: str, number: int) -> str:
    """A node name of the length that real ones have, some 650 bytes."""
    return provider(
        address,
        interface,
        anyhost="true",
        application=f"app-{number % 100}",
        deprecated="false",
        dubbo="2.0.2",
        dynamic="true",
        generic="false",
        methods="create,query,cancel,update,list,count",
        organization="acme",
        owner="team",
        pid=str(1000 + number % 30000),
        release="3.3.6",
        revision="1.4.2",
        side="provider",
        timeout="3000",
        timestamp=str(1795368627356 + number),
        version="1.0.0",
        weight="100",
        zone=f"az-{number % 3}",
    )
