"""The identity of a Dubbo service: interface, group and version, and where its scope is in the registry.

Rules: Slime pkg/source/zookeeper/conversion.go (the text form), Dubbo's RegistryConstants (defaults of old versions).
"""

from collections.abc import Mapping
from typing import NamedTuple

from meshregistry.model.instance import Instance, Scope

DUBBO_NAMESPACE = "dubbo"
"""`Scope.namespace` of Dubbo interfaces."""

PROTOCOL = "protocol"
"""Metadata key of an instance's URL scheme (`dubbo`, `tri`, `rest`, …); a URL parameter of that name is overridden."""

DUBBO_SCHEME = "dubbo"
"""The only scheme that Slime knows."""

DEFAULT_WEIGHT = 100.0
"""Weight of a provider that states none; the scale of `Instance.weight` of Dubbo instances."""

DEFAULT_PREFIX = "default."
"""Before a parameter that old versions write as a default."""

_NO_VERSION = "0.0.0"


class DubboKey(NamedTuple):
    """One Dubbo service; "" is no group or no version."""

    interface: str
    group: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Return `interface[:group[:version]]` without trailing empty parts."""
        return f"{self.interface}:{self.group}:{self.version}".rstrip(":")


def make_key(interface: str, group: str, version: str) -> DubboKey:
    """Return the service of these names; the version `0.0.0` is none."""
    return DubboKey(interface, group, "" if version == _NO_VERSION else version)


def parse_key(interface: str, text: str) -> DubboKey:
    """Return the service of an interface from the text of its key."""
    group, _, version = text[len(interface) + 1 :].partition(":")
    return DubboKey(interface, group, version)


def dubbo_scope(registry: str, interface: str) -> Scope:
    """Return the scope of one interface.

    One interface is one authoritative scope: its `providers` node is listed in one answer, so a change costs one
    interface, and one that could not be listed keeps what is known without anybody else noticing.
    """
    return Scope("zookeeper", registry, DUBBO_NAMESPACE, interface)


def find_param(params: Mapping[str, str], name: str) -> str:
    """Return a URL parameter, or what old versions write as its default (`default.<name>`), or ""."""
    return params.get(name) or params.get(f"{DEFAULT_PREFIX}{name}", "")


def key_of(interface: str, params: Mapping[str, str]) -> DubboKey:
    """Return the service that a provider's parameters name; the versions `0.0.0` and `*` and the group `*` are none."""
    group, version = find_param(params, "group"), find_param(params, "version")
    return make_key(interface, "" if group == "*" else group, "" if version == "*" else version)


def slime_key(interface: str, labels: Mapping[str, str]) -> DubboKey:
    """Return the service as Slime names it: from the labels of an endpoint, so without what is no label."""
    return DubboKey(interface, find_param(labels, "group"), find_param(labels, "version"))


def scheme_of(instance: Instance) -> str:
    """Return the URL scheme of an instance."""
    for name, value in instance.metadata:
        if name == PROTOCOL:
            return value
    return DUBBO_SCHEME
