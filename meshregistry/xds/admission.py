"""Who may open a stream, and when: counts, addresses, certificates, and the pace of a mass reconnect."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from meshregistry.xds.options import AdsOptions


class TokenBucket:
    """Spreads arrivals: `rate` per second after a burst. Times are of one monotonic clock, in seconds."""

    def __init__(self, rate: float, burst: int) -> None:
        self._interval_s = 1.0 / rate
        self._tolerance_s = self._interval_s * burst
        self._next_at = 0.0

    def reserve(self, now: float) -> float:
        """Take the next token and return how long to wait for it, in seconds."""
        self._next_at = max(self._next_at, now - self._tolerance_s) + self._interval_s
        return max(self._next_at - now, 0.0)

    def give_back(self) -> None:
        """Return a token that was not used."""
        self._next_at -= self._interval_s


class Admission:
    """Owns the token bucket; `Refused` reasons are metric labels.

    Streams wait for their token instead of being refused: each of them costs one full answer, and an istiod whose
    stream is refused comes back within half a second.
    """

    def __init__(self, options: AdsOptions) -> None:
        limits = options.limits
        self._max_streams = limits.max_streams
        self._bucket = TokenBucket(limits.new_streams_per_s, limits.new_streams_burst)
        self._networks = tuple(ip_network(text, strict=False) for text in options.allowed_peers)
        self._names = frozenset(options.tls.client_names) if options.tls else frozenset()

    def admit(self, open_streams: int, address: str, certificate: Mapping[str, Any] | None) -> None:
        """Accept a stream, or not.

        `address` is the peer's IP address; `certificate` is what `ssl` makes of the client's, None without one.

        Raises:
            Refused: the stream is not served at all.
        """
        if not self._is_allowed(address):
            raise Refused(Status.PERMISSION_DENIED, "address", f"address {address} is not allowed")
        if self._names and self._names.isdisjoint(read_names(certificate)):
            raise Refused(Status.PERMISSION_DENIED, "certificate", "certificate names nobody who is allowed")
        if open_streams >= self._max_streams:
            raise Refused(
                Status.RESOURCE_EXHAUSTED, "too_many_streams", f"{self._max_streams} streams are open already"
            )

    def reserve(self, now: float) -> float:
        """Take a token for a stream that has asked for something; return how long it waits for its answer, in seconds.

        Streams that ask for nothing cost no answer, and must not make others wait.
        """
        return self._bucket.reserve(now)

    def give_back(self) -> None:
        """Take back the token of a stream that ended before its first answer."""
        self._bucket.give_back()

    def _is_allowed(self, text: str) -> bool:
        if not self._networks:
            return True
        address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


class Refused(GRPCError):
    """A stream is not served; `reason` is one of a closed set of words."""

    def __init__(self, status: Status, reason: str, message: str) -> None:
        super().__init__(status, message)
        self.reason = reason


def read_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the DNS names and URIs (SPIFFE identities) of a certificate's subjectAltName."""
    if certificate is None:
        return frozenset()
    return frozenset(value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI"))
