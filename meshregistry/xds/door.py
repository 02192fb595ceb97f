"""Which connections stay: by the address and the certificate of the client, and by how many there are.

All of it is decided once, when a connection is made and before anything is read from it, so that it holds for every
method of the port. A client that may not come in is told so, in the status of whatever it asks for, and has to go.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, Protocol

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.options import AdsOptions

_MOST_TURNED_AWAY: Final = 32
"""So many at once are told why; further ones are closed without a word."""


class Refused(GRPCError):
    """A client is not served; `reason` is one of a closed set of words."""

    def __init__(self, status: Status, reason: str, message: str) -> None:
        super().__init__(status, message)
        self.reason = reason


class Visitor(Protocol):
    """A connection, as the door sees it."""

    @property
    def address(self) -> str:
        """The client's IP address."""
        ...

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """What `ssl` makes of the client's certificate; None without one."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no stream is open."""
        ...

    def turn_away(self, refusal: Refused) -> None:
        """Answer every stream with the refusal, and close soon."""
        ...

    def say_goodbye(self) -> None:
        """Close in the way of HTTP/2."""
        ...

    def cut(self) -> None:
        """Close at once."""
        ...


class Door:
    """Owns the list of open connections, and counts them and those that are refused or closed."""

    def __init__(self, options: AdsOptions, metrics: Metrics) -> None:
        self._networks = tuple(ip_network(text, strict=False) for text in options.allowed_peers)
        self._names = frozenset(options.tls.client_names) if options.tls else frozenset()
        self._most = options.limits.max_connections
        self._metrics = metrics
        # In the order of their making.
        self._admitted: dict[Visitor, None] = {}
        self._turned_away: dict[Visitor, None] = {}

    def __iter__(self) -> Iterator[Visitor]:
        """Return all that are open, those that have to go included."""
        return iter((*self._admitted, *self._turned_away))

    @property
    def is_empty(self) -> bool:
        """Whether no connection is open."""
        return not self._admitted and not self._turned_away

    def enter(self, visitor: Visitor) -> bool:
        """Let a new connection in, or turn it away; False: it is closed already.

        When there are too many, the oldest one without a stream goes: clients that only hold connections open keep
        nobody out.
        """
        if (refusal := self._judge(visitor)) is not None:
            self._count(refusal.reason)
            return self._turn_away(visitor, refusal)
        if len(self._admitted) >= self._most and not self._make_room():
            self._count("too_many_connections")
            visitor.cut()
            return False
        self._admitted[visitor] = None
        self._metrics.connections.inc()
        return True

    def leave(self, visitor: Visitor) -> None:
        """Forget a connection that is lost, if it was open."""
        if visitor in self._admitted:
            del self._admitted[visitor]
            self._metrics.connections.dec()
        self._turned_away.pop(visitor, None)

    def _count(self, reason: str) -> None:
        self._metrics.bad_requests.labels(reason).inc()

    def _judge(self, visitor: Visitor) -> Refused | None:
        if not self._is_allowed(visitor.address):
            return Refused(Status.PERMISSION_DENIED, "address", f"address {visitor.address} is not allowed")
        if self._names and self._names.isdisjoint(read_names(visitor.certificate)):
            return Refused(Status.PERMISSION_DENIED, "certificate", "certificate names nobody who is allowed")
        return None

    def _is_allowed(self, text: str) -> bool:
        if not self._networks:
            return True
        if not text:  # reset before it was accepted: uvloop does not know the address any more
            return False
        address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _turn_away(self, visitor: Visitor, refusal: Refused) -> bool:
        if len(self._turned_away) >= _MOST_TURNED_AWAY:
            visitor.cut()
            return False
        self._turned_away[visitor] = None
        visitor.turn_away(refusal)
        return True

    def _make_room(self) -> bool:
        idle = next((each for each in self._admitted if each.is_idle), None)
        if idle is None:
            return False
        self._count("evicted")
        self.leave(idle)
        idle.cut()
        return True


def read_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the DNS names and URIs (SPIFFE identities) of a certificate's subjectAltName."""
    if certificate is None:
        return frozenset()
    return frozenset(value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI"))
