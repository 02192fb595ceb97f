"""A ZooKeeper session without a ZooKeeper: a tree in memory, answers and faults at the test's command."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from meshregistry.errors import SourceError
from meshregistry.sources.polling import Clock
from meshregistry.sources.zookeeper.session import (
    Node,
    NoNodeError,
    NotSupportedError,
    SessionListener,
    SessionOptions,
    WatchEvent,
    WatchKind,
)
from meshregistry.telemetry.metrics import Metrics


@dataclass
class FakeTree:
    """What every session on it reads. `errors` are raised for paths that begin so; `reads` lists the paths read."""

    nodes: dict[str, bytes] = field(default_factory=lambda: {"/": b""})
    errors: dict[str, SourceError] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    is_mute: bool = False
    """Whether events get lost."""

    has_tree_watches: bool = True
    sessions: list["FakeSession"] = field(default_factory=list)

    def open_session(
        self, options: SessionOptions, listener: SessionListener, clock: Clock, metrics: Metrics
    ) -> "FakeSession":
        """Make a session; the source's `open_session`."""
        self.sessions.append(FakeSession(self, listener))
        return self.sessions[-1]

    def put(self, path: str, data: bytes = b"") -> None:
        """Create a node and what is missing above it, or change it."""
        parent = path.rpartition("/")[0]
        if parent and parent not in self.nodes:
            self.put(parent)
        kind = WatchKind.CHANGED if path in self.nodes else WatchKind.CREATED
        self.nodes[path] = data
        self._tell(kind, path)

    def remove(self, path: str) -> None:
        """Delete a node and what is below it."""
        for each in sorted((each for each in self.nodes if f"{each}/".startswith(f"{path}/")), reverse=True):
            del self.nodes[each]
            self._tell(WatchKind.DELETED, each)

    def children(self, path: str) -> tuple[str, ...]:
        """The names below a node."""
        above = path.rstrip("/") + "/"
        inside = (each[len(above) :] for each in self.nodes if each.startswith(above) and each != above)
        return tuple(name for name in inside if "/" not in name)

    def _tell(self, kind: WatchKind, path: str) -> None:
        for session in [] if self.is_mute else self.sessions:
            session.tell(kind, path)


class FakeSession:
    """A `tree.NodeSession`; its watches fire at once."""

    def __init__(self, tree: FakeTree, listener: SessionListener) -> None:
        self.listener = listener
        self.is_failing = False
        self._tree = tree
        self._trees: set[str] = set()
        self._child: set[str] = set()
        self._data: set[str] = set()

    async def run(self) -> None:
        """Be connected until cancelled."""
        self.listener.connected(new_session=True)
        try:
            await asyncio.Event().wait()
        finally:
            self.listener.disconnected("session closed")

    async def get_children(self, path: str, *, watch: bool = False) -> tuple[str, ...]:
        await self._read(path)
        if path not in self._tree.nodes:
            raise NoNodeError(path)
        if watch:
            self._child.add(path)
        return self._tree.children(path)

    async def find_children(self, paths: Sequence[str], *, watch: bool = False) -> dict[str, tuple[str, ...] | None]:
        found: dict[str, tuple[str, ...] | None] = {}
        for path in paths:
            try:
                found[path] = await self.get_children(path, watch=watch)
            except NoNodeError:
                found[path] = None
            except SourceError:
                pass
        return found

    async def get_data(self, path: str, *, watch: bool = False) -> Node:
        await self._read(path)
        if path not in self._tree.nodes:
            raise NoNodeError(path)
        if watch:
            self._data.add(path)
        return Node(self._tree.nodes[path], 1, 1, 1, 0, 0, 0, False, 0)

    async def exists(self, path: str, *, watch: bool = False) -> bool:
        await self._read(path)
        if watch:
            self._data.add(path)
        return path in self._tree.nodes

    async def sync(self, path: str) -> None:
        await self._read(path)

    async def add_watch(self, path: str, *, recursive: bool) -> None:
        await self._read(path)
        if not self._tree.has_tree_watches:
            raise NotSupportedError("no such watch")
        self._trees.add(path)

    def describe(self) -> dict[str, object]:
        return {"state": "fake"}

    def tell(self, kind: WatchKind, path: str) -> None:
        """Fire whatever watches this."""
        parent = path.rpartition("/")[0] or "/"
        if any(path == tree or path.startswith(f"{tree}/") for tree in self._trees):
            self.listener.watch_fired(WatchEvent(kind, path))
        if path in self._data:
            self._data.discard(path)
            self.listener.watch_fired(WatchEvent(kind, path))
        if kind is not WatchKind.CHANGED and parent in self._child:
            self._child.discard(parent)
            self.listener.watch_fired(WatchEvent(WatchKind.CHILDREN, parent))

    async def _read(self, path: str) -> None:
        self._tree.reads.append(path)
        await asyncio.sleep(0)
        for beginning, error in self._tree.errors.items():
            if path.startswith(beginning):
                raise error
