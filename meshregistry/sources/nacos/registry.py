"""The configured registries: what their scopes are called, and which of them must be read; pure."""

from collections import Counter
from typing import NamedTuple

from meshregistry.model.instance import Scope, name_registry
from meshregistry.sources.failures import displayed
from meshregistry.sources.nacos.options import NacosServerOptions

EVERYTHING = "*"
"""Namespace and group of the part that stands for a whole registry."""


class Registry(NamedTuple):
    """One configured registry."""

    name: str
    """`Scope.registry` of all its scopes: no two registries have the same."""

    server: NacosServerOptions

    @property
    def whole(self) -> Scope:
        """The part that stands for all namespaces and groups."""
        return Scope("nacos", self.name, EVERYTHING, EVERYTHING)

    def parts(self) -> tuple[Scope, ...]:
        """Return what must be read before the source is complete."""
        return (self.whole,) if self.server.all_namespaces else self.scopes()

    def scopes(self) -> tuple[Scope, ...]:
        """Return the scopes under Nacos's own names for the defaults, each once; none if all namespaces are read."""
        if self.server.all_namespaces:
            return ()
        filled = dict.fromkeys(scope.filled() for scope in self.server.scopes)
        return tuple(Scope("nacos", self.name, scope.namespace, scope.group) for scope in filled)


def configured_registries(servers: tuple[NacosServerOptions, ...]) -> tuple[Registry, ...]:
    """Return the registries; where some share an id (none given), the first address tells them apart.

    The registry id goes into the instances' metadata, so it cannot be made up. A registry whose id nobody shares is
    called by it alone: saved snapshots know its scopes by that.
    """
    shared = Counter(server.registry_id for server in servers)
    named: dict[str, NacosServerOptions] = {}
    for server in servers:
        place = displayed(server.addresses[0]) if shared[server.registry_id] > 1 and server.addresses else ""
        name = name_registry(server.registry_id, place)
        named[name if name not in named else f"{name}#{len(named)}"] = server
    return tuple(Registry(name, server) for name, server in named.items())
