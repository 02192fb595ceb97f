"""What a registry says: instances, and the scope a statement is about."""

from typing import NamedTuple

import msgspec

Pairs = tuple[tuple[str, str], ...]
"""A string map as sorted pairs: hashable, comparable, and in canonical order for the wire."""


class Scope(NamedTuple):
    """The largest part of a registry whose complete content one authoritative answer can state."""

    source: str
    """Source kind: `nacos`, `eureka`, `zookeeper`."""

    registry: str
    """What tells registries apart: the configured registry id, or "" when there is only one; see `name_registry`."""

    namespace: str
    group: str

    @property
    def registry_id(self) -> str:
        """The configured registry id alone, which is what instances are marked with."""
        for scheme in ("http", "https"):
            id_, found, _ = self.registry.partition(f"@{scheme}://")
            if found:
                return id_
        return self.registry

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


def name_registry(registry_id: str, address: str = "") -> str:
    """Return `Scope.registry`: the id, and behind it an address (a base URL) where several registries share the id."""
    return f"{registry_id}@{address}" if address else registry_id


class ServiceKey(NamedTuple):
    """One service as its registry names it; the name is not sanitised."""

    scope: Scope
    name: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.name}"


class Instance(msgspec.Struct, frozen=True, gc=False, order=True):
    """One registration in a registry, before conversion.

    `address` is an IP address or host name exactly as registered and `port` any integer; the
    conversion judges both. `weight` is the registry's own (Nacos: 0 to 10000, 1.0 is normal).
    The fields after `metadata` are those that only some registries know.
    """

    address: str
    port: int
    cluster: str = ""
    healthy: bool = True
    enabled: bool = True
    weight: float = 1.0
    metadata: Pairs = ()
    port_enabled: bool = True
    """Whether `port` is open (Eureka's `port.@enabled`)."""

    secure_port: int = 0
    """The port that speaks TLS, 0 when there is none or it is not enabled (Eureka's `securePort`)."""

    zone: str = ""
    """The zone that the registry names outside the metadata (Eureka's Amazon data centre)."""

    aliases: tuple[str, ...] = ()
    """Further names of its service (Eureka's VIP addresses)."""


def sort_pairs(items: dict[str, str]) -> Pairs:
    """Return a map as pairs in canonical order."""
    return tuple(sorted(items.items()))
