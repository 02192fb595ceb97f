"""Which node of a cluster to try next, and after which pause; pure."""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_OFFSET = 1000
"""From a server's main port to its gRPC port, as the server counts (Nacos GrpcSdkServer)."""


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

    def __init__(self, addresses: Sequence[str], start: int = 0, *, port: int = 0, offset: int = _OFFSET) -> None:
        self._nodes = [(grpc_address(url, 0, 0), grpc_address(url, port, offset)) for url in addresses]
        self._current = start % len(self._nodes) if self._nodes else 0

    @property
    def current(self) -> int:
        """The index of the node to use."""
        return self._current

    @property
    def hosts(self) -> list[str]:
        """The hosts that are configured."""
        return [main.host for main, _ in self._nodes]

    def advance(self) -> None:
        """Go to the next node, after this one failed."""
        self._current = (self._current + 1) % len(self._nodes)

    def follow(self, target: GrpcAddress | None, known: Mapping[str, Collection[str]]) -> None:
        """Go where a server sent us if that is one of our nodes, else on; `known` are the IP addresses of hosts.

        A server names itself by an IP address and its main port. What is configured may be a host name, and ports
        that something in between forwards, so the gRPC port counts, too, and what is 1000 from either.
        """
        if target is None:
            self.advance()
            return
        host = _canonical(target.host)
        ours = [
            (index, main.port, grpc.port)
            for index, (main, grpc) in enumerate(self._nodes)
            if host in {_canonical(each) for each in (main.host, *known.get(main.host, ()))}
        ]
        wanted = [
            (target.port, None),
            (None, target.port),
            (target.port - _OFFSET, None),
            (None, target.port + _OFFSET),
        ]
        for main_port, grpc_port in wanted:
            for index, main, grpc in ours:
                if main_port == main or grpc_port == grpc:
                    self._current = index
                    return
        self.advance()


def _canonical(host: str) -> str:
    """Return a host in the form in which equal ones are equal: Java spells IPv6 addresses out."""
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return host.lower()
