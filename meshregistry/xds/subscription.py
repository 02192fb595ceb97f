"""What a client asked for, per type URL.

Rules: xDS protocol, sections "How the client specifies what resources to return" and "Subscribing to resources".
Names that end in "/*" stand for every name with that prefix (a collection, xDS-TP style).
"""

from collections.abc import Iterable

WILDCARD = "*"
_COLLECTION = "/*"


class Subscription:
    """The names wanted on one stream for one type; owned by the stream's machine.

    `legacy` is the wildcard of a first request without any name; it ends with the first name given in SotW and
    never comes back.
    """

    __slots__ = ("legacy", "names", "prefixes", "wildcard")

    def __init__(self) -> None:
        self.wildcard = False
        self.legacy = False
        self.names: set[str] = set()
        self.prefixes: set[str] = set()

    @property
    def everything(self) -> bool:
        """True while every resource of the type is wanted."""
        return self.wildcard or self.legacy

    @property
    def size(self) -> int:
        """How many names and prefixes are held."""
        return len(self.names) + len(self.prefixes)

    def begin_legacy(self) -> None:
        """Take the first request without names as a wildcard."""
        self.legacy = True

    def wants(self, name: str) -> bool:
        """Tell whether a resource of this name belongs to the subscription."""
        return self.everything or name in self.names or (bool(self.prefixes) and self._has_prefix_of(name))

    def replace(self, names: Iterable[str]) -> bool:
        """Apply the full list of a SotW request; tell whether the subscription changed."""
        names = set(names)
        if self.legacy and not names:
            return False
        before = (self.legacy, self.wildcard, self.names, self.prefixes)
        self.legacy = False
        self.wildcard = WILDCARD in names
        self.prefixes = {name[:-1] for name in names if name.endswith(_COLLECTION)}
        self.names = {name for name in names if name != WILDCARD and not name.endswith(_COLLECTION)}
        return before != (self.legacy, self.wildcard, self.names, self.prefixes)

    def add(self, name: str) -> None:
        """Subscribe to one name, prefix or the wildcard."""
        if name == WILDCARD:
            self.wildcard = True
        elif prefix := prefix_of(name):
            self.prefixes.add(prefix)
        else:
            self.names.add(name)

    def discard(self, name: str) -> None:
        """Unsubscribe from one name, prefix or the wildcard; what was never subscribed is ignored."""
        if name == WILDCARD:
            self.wildcard = self.legacy = False
        elif prefix := prefix_of(name):
            self.prefixes.discard(prefix)
        else:
            self.names.discard(name)

    def _has_prefix_of(self, name: str) -> bool:
        # Walking the name's own slashes keeps the test independent of the number of prefixes.
        end = name.find("/")
        while end >= 0:
            if name[: end + 1] in self.prefixes:
                return True
            end = name.find("/", end + 1)
        return False


def prefix_of(name: str) -> str:
    """Return the prefix that a collection name stands for, "" for a plain name."""
    return name[:-1] if name.endswith(_COLLECTION) else ""
