"""Which node of a cluster to try next, and after which pause; pure."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


class GrpcAddress(NamedTuple):
    """Where a node's gRPC port is."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Backoff(NamedTuple):
    """How long to wait before another connection; seconds."""

    first_s: float = 0.1
    longest_s: float = 5.0
    """For a node that answered before."""

    def pause_s(self, failures: int, dice: float) -> float:
        """Return the pause after so many failures in a row, at least one; `dice` in [0, 1) takes off up to half.

        Nacos's Java client waits 100 ms more after each round, at most 5 s; ours doubles and spreads replicas.
        """
        return min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s) * (1 - 0.5 * dice)


def grpc_address(base_url: str, port: int, offset: int) -> GrpcAddress:
    """Return a node's gRPC address: its HTTP port and `offset`, or `port` if that is not 0."""
    parts = urlsplit(base_url)
    main = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return GrpcAddress(parts.hostname or "", port or main + offset)


class Nodes:
    """The ring of a cluster's nodes. Owner of the place in it."""

    def __init__(self, addresses: Sequence[str], start: int = 0) -> None:
        self._addresses = tuple(addresses)
        self._current = start % len(self._addresses) if self._addresses else 0

    @property
    def current(self) -> int:
        """The index of the node to use."""
        return self._current

    def advance(self) -> None:
        """Go to the next node, after this one failed."""
        self._current = (self._current + 1) % len(self._addresses)

    def follow(self, target: str | None) -> None:
        """Go where a server sent us if that is one of our nodes (`host:port` of its main or gRPC port), else on."""
        if target is not None:
            for index, base_url in enumerate(self._addresses):
                if target in (str(grpc_address(base_url, 0, 0)), str(grpc_address(base_url, 0, 1000))):
                    self._current = index
                    return
        self.advance()
