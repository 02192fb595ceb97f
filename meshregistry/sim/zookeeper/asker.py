"""Who sends a request."""

from typing import Protocol

from meshregistry.sim.zookeeper.access import Identity
from meshregistry.sim.zookeeper.tree import Change


class Asker(Protocol):
    """A connection: `session` is the number of its session, `identities` what it has proven."""

    session: int
    identities: list[Identity]

    def notify(self, change: Change, zxid: int) -> None:
        """Send one event."""
