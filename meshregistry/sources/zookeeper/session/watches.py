"""Which watches the server holds for us, so that the next connection can ask for them again. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from meshregistry.sources.zookeeper.session.records import WatchKind

CHUNK_BYTES = 128 * 1024
"""Bytes of paths in one request: servers refuse requests above 1 MiB (`jute.maxbuffer`); Java's clients do the same."""


@dataclass(slots=True)
class WatchSet:
    """Paths by the kind of their watch: the five lists of SetWatches2."""

    data: list[str] = field(default_factory=list)
    exist: list[str] = field(default_factory=list)
    child: list[str] = field(default_factory=list)
    persistent: list[str] = field(default_factory=list)
    recursive: list[str] = field(default_factory=list)


class Watches:
    """Owner of the paths that are watched. One-shot watches leave when they fire, the others stay."""

    def __init__(self) -> None:
        self.data: set[str] = set()
        self.exist: set[str] = set()
        self.child: set[str] = set()
        self.persistent: set[str] = set()
        self.recursive: set[str] = set()

    def fired(self, kind: WatchKind, path: str) -> None:
        """Forget the one-shot watches that an event used up."""
        if kind is not WatchKind.CHILDREN:
            self.data.discard(path)
            self.exist.discard(path)
        if kind in (WatchKind.CHILDREN, WatchKind.DELETED):
            self.child.discard(path)

    def chunks(self, *, lasting: bool, limit_bytes: int = CHUNK_BYTES) -> list[WatchSet]:
        """Return all watches in portions of at most so many bytes of paths; a longer path is a portion of its own.

        Without `lasting`, only the one-shot ones: for servers that know no others.
        """
        return list(_portions(self._entries(lasting=lasting), limit_bytes))

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        return {kind: len(getattr(self, kind)) for kind in ("data", "exist", "child", "persistent", "recursive")}

    def _entries(self, *, lasting: bool) -> Iterator[tuple[str, str]]:
        for kind in ("data", "exist", "child", *(("persistent", "recursive") if lasting else ())):
            for path in getattr(self, kind):
                yield kind, path


def _portions(entries: Iterable[tuple[str, str]], limit_bytes: int) -> Iterator[WatchSet]:
    portion, size = WatchSet(), 0
    for kind, path in entries:
        needed = 4 + len(path.encode())
        if size and size + needed > limit_bytes:
            yield portion
            portion, size = WatchSet(), 0
        getattr(portion, kind).append(path)
        size += needed
    if size:
        yield portion
