"""What a session gives to those who use it."""

from enum import Enum
from typing import NamedTuple, Protocol


class Node(NamedTuple):
    """The data of a node and what the server knows of it."""

    data: bytes
    czxid: int
    """Transaction that created the node."""

    mzxid: int
    """Transaction that last changed its data."""

    pzxid: int
    """Transaction that last added or removed a child."""

    ctime_ms: int
    mtime_ms: int
    """Unix times of these."""

    version: int
    """Number of changes of the data."""

    ephemeral: bool
    """Goes with the session that made it; containers and TTL nodes do not."""

    children: int
    """Number of children."""


class WatchKind(Enum):
    """What happened to a node; the values are ZooKeeper's numbers."""

    CREATED = 1
    DELETED = 2
    CHANGED = 3
    CHILDREN = 4


class WatchEvent(NamedTuple):
    """Something happened to a watched node. A recursive watch tells of descendants and never says CHILDREN."""

    kind: WatchKind
    path: str
    """Without the chroot."""


class SessionListener(Protocol):
    """Who is told of a session's life. The calls are synchronous, in order, and must neither block nor raise."""

    def connected(self, *, new_session: bool) -> None:
        """Requests are answered from now on; what happened before may have been missed: list again."""
        ...

    def unreachable(self, reason: str) -> None:
        """No server can be entered: the last one left was tried, or they refuse our credentials."""
        ...

    def disconnected(self, reason: str) -> None:
        """The connection is gone, reconnecting has begun; follows each `connected` once."""
        ...

    def watch_fired(self, event: WatchEvent) -> None:
        """A watched node changed; comes before any answer that shows the change."""
        ...
