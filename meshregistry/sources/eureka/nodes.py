"""The peers of one registry: in which order they are asked, and which of them have failed lately."""

from typing import NamedTuple

from meshregistry.errors import SourceError
from meshregistry.sources.eureka.client import Node


class Failure(NamedTuple):
    """A peer's latest failure."""

    at: float
    error: str


class Nodes:
    """Owner of the choice of peer: the one that answered last is asked first, those that failed lately last.

    A reading never mixes peers, but tries them all. Netflix's client leaves failed peers out until two thirds have
    failed; asking them last needs no such rule.
    """

    def __init__(self, nodes: tuple[Node, ...], quarantine_s: float) -> None:
        self.all = nodes
        self.current: Node | None = None
        self._quarantine_s = quarantine_s
        self._failures: dict[Node, Failure] = {}

    def candidates(self, now: float) -> list[Node]:
        """Return every peer in the order to be asked; as configured, but for what happened to them."""

        def rank(node: Node) -> tuple[float, bool]:
            failure = self._failures.get(node)
            quarantined_at = failure.at if failure and now < failure.at + self._quarantine_s else float("-inf")
            return quarantined_at, node != self.current

        return sorted(self.all, key=rank)

    def replace(self, nodes: tuple[Node, ...]) -> None:
        """Take over a new list of peers; what is known of those that stay is kept."""
        self.all = nodes
        self.current = self.current if self.current in nodes else None
        self._failures = {node: failure for node, failure in self._failures.items() if node in nodes}

    def succeed(self, node: Node) -> None:
        """Note that a peer's answer was taken over."""
        self.current = node
        self._failures.pop(node, None)

    def fail(self, node: Node, error: SourceError, now: float) -> None:
        """Note that a peer failed."""
        self._failures[node] = Failure(now, str(error))

    def describe(self, now: float) -> list[dict[str, object]]:
        """Return the peers for the status page."""
        return [self._describe(node, self._failures.get(node), now) for node in self.all]

    def _describe(self, node: Node, failure: Failure | None, now: float) -> dict[str, object]:
        left = failure.at + self._quarantine_s - now if failure else 0.0
        return {
            "address": str(node),
            "in_use": node == self.current,
            "quarantined_for_s": round(max(left, 0.0), 3),
            "last_error": failure.error if failure else None,
        }
