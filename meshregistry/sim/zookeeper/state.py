"""What a server holds between requests: nodes, watches, sessions."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from meshregistry.sim.zookeeper.access import SUPER, digest
from meshregistry.sim.zookeeper.codes import Version
from meshregistry.sim.zookeeper.sessions import Sessions
from meshregistry.sim.zookeeper.tree import Transaction, Tree
from meshregistry.sim.zookeeper.watches import Watches


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the server behaves when nothing is wrong.

    Sessions are granted between the two limits. `super_user` (`super:password`) is stopped by no ACL.
    """

    version: Version = Version.V3_9
    shortest_session_ms: int = 1000
    longest_session_ms: int = 60000
    super_user: str = f"{SUPER}:fixture"


class Traffic(msgspec.Struct):
    """What happened since the start or the last reset."""

    connections: int = 0
    events: int = 0
    requests: Counter[str] = msgspec.field(default_factory=Counter)


class State:
    """Owner of nodes, watches and sessions; synchronous throughout."""

    def __init__(self, rules: Rules, clock: Callable[[], float]) -> None:
        self.rules = rules
        self.super_digest = digest(rules.super_user)
        self.traffic = Traffic()
        self._clock = clock
        self.tree = Tree()
        self.watches = Watches(exclusive=rules.version is not Version.V3_9)
        self.sessions = Sessions(rules.shortest_session_ms, rules.longest_session_ms, clock)

    def clear(self) -> None:
        """Forget everything, the transaction numbers too."""
        self.tree = Tree()
        self.watches = Watches(exclusive=self.rules.version is not Version.V3_9)
        self.sessions = Sessions(self.rules.shortest_session_ms, self.rules.longest_session_ms, self._clock)

    @contextmanager
    def change(self) -> Iterator[Transaction]:
        """Change nodes, then tell the watchers; an exception undoes the whole block."""
        with self.tree.transaction(time.time_ns() // 1_000_000) as transaction:
            yield transaction
        self.watches.publish(transaction.changes, transaction.zxid)

    def end_session(self, number: int) -> None:
        """End a session and what it owns; its connection is cut."""
        session = self.sessions.end(number)
        if session is None:
            return
        with self.change() as transaction:
            for path in self.tree.owned_by(number):
                transaction.delete(path)
        if session.holder is not None:
            session.holder.cut()
