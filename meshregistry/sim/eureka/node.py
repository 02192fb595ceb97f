"""One server without its listener: registry, caches and peers, and the calls that work on them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from meshregistry.sim.eureka.caches import CacheOptions, Key, ResponseCache, Written
from meshregistry.sim.eureka.codecs import SPRING, Codec
from meshregistry.sim.eureka.records import Record
from meshregistry.sim.eureka.registry import Registry, RegistryOptions
from meshregistry.sim.eureka.views import Views

Operation = Callable[[Registry], object]
"""A change, to be repeated on each peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How a server behaves; the product's defaults."""

    registry: RegistryOptions = field(default_factory=RegistryOptions)
    caches: CacheOptions = field(default_factory=CacheOptions)
    codec: Codec = SPRING
    offers_deltas: bool = True


class Node:
    """Owner of one server's state and of its list of peers; no I/O."""

    def __init__(self, clock: Callable[[], float], options: NodeOptions) -> None:
        self.registry = Registry(clock, options.registry, random.Random(1))
        self.views = Views(self.registry, options.codec)
        self.offers_deltas = options.offers_deltas
        self._clock = clock
        self._cache = ResponseCache(self.views.write, options.caches, clock())
        self.registry.watch(self._cache)
        self._peers: list[Node] = []
        self.is_connected = True
        """Whether changes reach the peers and theirs reach this server."""

    def join(self, peer: "Node") -> None:
        """Replicate to each other."""
        self._peers.append(peer)
        peer._peers.append(self)

    def read(self, key: Key) -> Written | None:
        """Return a cached answer; None for an application that is unknown."""
        self.registry.settle()
        return self._cache.get(key, self._clock())

    def change(self, operation: Operation, replica: Operation | None) -> object:
        """Change this registry and, by `replica` unless that is None, those of the peers that are reached."""
        result = operation(self.registry)
        if replica is not None and result is not False:
            for peer in self._reached():
                replica(peer.registry)
        return result

    def set_codec(self, codec: Codec) -> None:
        """Write in another dialect from now on."""
        self.views.codec = codec
        self._cache.forget()

    def restart(self, *, copies_peers: bool) -> list[Record]:
        """Forget everything, then perhaps take over what a peer knows; returns who was known."""
        known = self.registry.forget_all()
        self.views.restart()
        self._cache.forget()
        if copies_peers:
            self.copy_peers()
        return known

    def copy_peers(self) -> None:
        """Take over what this server lacks, as it does at its start, and as heartbeats do after a break."""
        for peer in self._reached():
            for lease in list(peer.registry.leases()):
                if self.registry.find(lease.record.app, lease.record.id) is None:
                    self.registry.register(lease.record, is_replication=True)

    def _reached(self) -> "list[Node]":
        return [peer for peer in self._peers if self.is_connected and peer.is_connected]
