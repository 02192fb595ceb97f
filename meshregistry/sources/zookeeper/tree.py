"""Reads nodes, and has their next change told of where no watch on the whole tree does that."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from meshregistry.errors import SourceError
from meshregistry.sources.polling import Clock
from meshregistry.sources.zookeeper.session import (
    Node,
    NoNodeError,
    NotSupportedError,
    SessionListener,
    SessionOptions,
)
from meshregistry.telemetry.metrics import Metrics

T = TypeVar("T")

_MOST_ATTEMPTS = 5

Names = tuple[str, ...]


class NodeSession(Protocol):
    """What is needed of a `session.ZooKeeperSession`; errors and cancelling as described there."""

    @property
    def is_failing(self) -> bool: ...
    async def run(self) -> None: ...
    async def get_children(self, path: str, *, watch: bool = False) -> tuple[str, ...]: ...
    async def find_children(self, paths: Sequence[str], *, watch: bool = False) -> Mapping[str, Names | None]: ...
    async def get_data(self, path: str, *, watch: bool = False) -> Node: ...
    async def exists(self, path: str, *, watch: bool = False) -> bool: ...
    async def sync(self, path: str) -> None: ...
    async def add_watch(self, path: str, *, recursive: bool) -> None: ...
    def describe(self) -> dict[str, object]: ...


OpenSession = Callable[[SessionOptions, SessionListener, Clock, Metrics], NodeSession]
"""Makes a session without I/O."""


class TreeReader:
    """Reads the nodes of one registry. Owner of the choice between one watch per tree and one per node.

    Persistent recursive watches exist since ZooKeeper 3.6. The calls raise SourceError, and cancelling them is safe.
    """

    def __init__(self, session: NodeSession, *, watching: bool, recursive: bool) -> None:
        self._session = session
        self._watching = watching
        self._recursive = recursive
        self.by_node = watching
        """Whether every node is watched by its own one-shot watch."""

    async def arm(self, trees: tuple[str, ...]) -> None:
        """Watch whole trees, if that is wanted and the server can; then let the server catch up with its leader."""
        if self._watching:
            self.by_node = not (self._recursive and await self._watch_trees(trees))
        for tree in trees:
            await self._session.sync(tree)

    async def children(self, path: str) -> tuple[str, ...] | None:
        """Return the names below a node, None if there is no node."""
        try:
            return await self._session.get_children(path, watch=self.by_node)
        except NoNodeError:
            return None

    async def children_ahead(self, paths: Sequence[str]) -> Mapping[str, Names | None]:
        """Return what `children` would for some of the paths, all of them if nothing goes wrong; raises nothing."""
        return await self._session.find_children(paths, watch=self.by_node)

    async def children_or_await(self, path: str) -> tuple[str, ...] | None:
        """As `children`, but the creation of a missing node is told of, too."""
        for _ in range(_MOST_ATTEMPTS):
            names = await self.children(path)
            if names is not None or not self.by_node or not await self._session.exists(path, watch=True):
                return names
        return None

    async def data(self, path: str) -> bytes | None:
        """Return the data of a node, None if there is no node."""
        try:
            return (await self._session.get_data(path, watch=self.by_node)).data
        except NoNodeError:
            return None

    async def _watch_trees(self, trees: tuple[str, ...]) -> bool:
        try:
            for tree in trees:
                await self._session.add_watch(tree, recursive=True)
        except NotSupportedError:
            return False
        return True


async def read_each(read: Callable[[str], Awaitable[T]], paths: Iterable[str]) -> dict[str, T]:
    """Return what `read` returns for every path, read at the same time; the session bounds the requests under way.

    Raises the first SourceError, after all have ended. Cancelling it is safe.
    """
    found: dict[str, T] = {}
    errors: list[SourceError] = []

    async def note(path: str) -> None:
        try:
            found[path] = await read(path)
        except SourceError as error:
            errors.append(error)

    async with asyncio.TaskGroup() as group:
        for path in paths:
            group.create_task(note(path))
    if errors:
        raise errors[0]
    return found
