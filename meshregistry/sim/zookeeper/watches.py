"""Who watches what, as in ZooKeeper's WatchManager: two tables, one of data and one of children.

A lasting watch stands in both; whoever is told by the first is not told the same again by the second.
"""

import enum
from collections.abc import Iterable
from typing import Protocol

from meshregistry.sim.zookeeper.codes import Code, Event, Refused
from meshregistry.sim.zookeeper.tree import Change, paths_above


class Watcher(Protocol):
    """Whom to tell: a connection."""

    def notify(self, change: Change, zxid: int) -> None:
        """Send one event."""


class Mode(enum.IntEnum):
    """How long a watch lasts and what it covers; the numbers of the lasting ones are the protocol's."""

    ONCE = -1
    PERSISTENT = 0
    RECURSIVE = 1


class Kind(enum.IntEnum):
    """Which watches to remove (removeWatches): the protocol's WatcherType."""

    CHILDREN = 1
    DATA = 2
    ANY = 3
    PERSISTENT = 4
    RECURSIVE = 5


class WatchTable:
    """Watches by path; `exclusive` makes a later mode of the same watcher take the place of the former."""

    def __init__(self, *, exclusive: bool) -> None:
        self._exclusive = exclusive
        self._paths: dict[str, dict[Watcher, set[Mode]]] = {}
        self._watchers: dict[Watcher, set[str]] = {}

    def __len__(self) -> int:
        return sum(len(modes) for watchers in self._paths.values() for modes in watchers.values())

    def add(self, path: str, watcher: Watcher, mode: Mode) -> None:
        """Watch a path, present or not."""
        modes = self._paths.setdefault(path, {}).setdefault(watcher, set())
        if self._exclusive:
            modes.clear()
        modes.add(mode)
        self._watchers.setdefault(watcher, set()).add(path)

    def remove(self, path: str, watcher: Watcher, modes: Iterable[Mode]) -> bool:
        """Watch it no more in these modes; False if it was not watched so."""
        present = self._paths.get(path, {}).get(watcher, set())
        unwanted = present & set(modes)
        present -= unwanted
        if unwanted and not present:
            self._drop(path, watcher)
        return bool(unwanted)

    def forget(self, watcher: Watcher) -> None:
        """Remove all that a watcher watches."""
        for path in list(self._watchers.get(watcher, ())):
            self._drop(path, watcher)

    def trigger(self, change: Change) -> list[Watcher]:
        """Whom to tell of a change; what watched once is spent."""
        told: dict[Watcher, None] = {}
        for path in paths_above(change.path):
            for watcher, modes in list(self._paths.get(path, {}).items()):
                if Mode.RECURSIVE in modes and change.event is not Event.CHILDREN_CHANGED:
                    told[watcher] = None
                if path == change.path and modes - {Mode.RECURSIVE}:
                    told[watcher] = None
                    self.remove(path, watcher, [Mode.ONCE])
        return list(told)

    def _drop(self, path: str, watcher: Watcher) -> None:
        del self._paths[path][watcher]
        if not self._paths[path]:
            del self._paths[path]
        self._watchers[watcher].discard(path)
        if not self._watchers[watcher]:
            del self._watchers[watcher]


class Watches:
    """Owner of both tables."""

    def __init__(self, *, exclusive: bool) -> None:
        self.data = WatchTable(exclusive=exclusive)
        self.children = WatchTable(exclusive=exclusive)

    def __len__(self) -> int:
        return len(self.data) + len(self.children)

    def add(self, path: str, watcher: Watcher, mode: Mode) -> None:
        """Watch for ever; for one event use the tables themselves."""
        self.data.add(path, watcher, mode)
        self.children.add(path, watcher, mode)

    def remove(self, path: str, watcher: Watcher, kind: Kind) -> None:
        """Remove watches of a kind; raises Refused if there were none."""
        lasting = {Kind.ANY: tuple(Mode), Kind.PERSISTENT: (Mode.PERSISTENT,), Kind.RECURSIVE: (Mode.RECURSIVE,)}
        modes = lasting.get(kind, (Mode.ONCE,))
        tables = {Kind.CHILDREN: [self.children], Kind.DATA: [self.data]}.get(kind, [self.data, self.children])
        removed = [table.remove(path, watcher, modes) for table in tables]
        if not any(removed):
            raise Refused(Code.NO_WATCHER)

    def forget(self, watcher: Watcher) -> None:
        """Remove all that a connection watches."""
        self.data.forget(watcher)
        self.children.forget(watcher)

    def publish(self, changes: Iterable[Change], zxid: int) -> None:
        """Tell everybody concerned of what a transaction did, in its order."""
        for change in changes:
            told = [] if change.event is Event.CHILDREN_CHANGED else self.data.trigger(change)
            if change.event in (Event.DELETED, Event.CHILDREN_CHANGED):
                told += [each for each in self.children.trigger(change) if each not in told]
            for watcher in told:
                watcher.notify(change, zxid)
