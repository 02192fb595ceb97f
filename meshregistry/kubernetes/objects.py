"""The parts of Kubernetes' objects that are read, and of its lists and watches. Pure.

Source: Kubernetes API reference, core/v1; API concepts, "Efficient detection of changes".
"""

from collections.abc import Mapping

import msgspec


class Meta(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An object's metadata, as far as it is kept."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    creation_timestamp: str | None = None
    labels: Mapping[str, str] | None = None
    resource_version: str = ""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """Where a pod runs."""

    node_name: str = ""
    host_network: bool = False


class PodAddress(msgspec.Struct, frozen=True):
    """One of a pod's addresses."""

    ip: str = ""


class PodStatus(msgspec.Struct, frozen=True):
    """Whether a pod runs, and at which addresses."""

    phase: str = ""
    address: str = msgspec.field(default="", name="podIP")
    addresses: tuple[PodAddress, ...] | None = msgspec.field(default=None, name="podIPs")


class Pod(msgspec.Struct, frozen=True):
    """A pod."""

    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def list_addresses(self) -> frozenset[str]:
        """Return the addresses that are the pod's own and in use (Slime pkg/util/cache): none unless it runs."""
        if self.status.phase != "Running" or self.spec.host_network:
            return frozenset()
        return frozenset({self.status.address, *(each.ip for each in self.status.addresses or ())} - {""})


class Node(msgspec.Struct, frozen=True):
    """A node."""

    metadata: Meta


class Secret(msgspec.Struct, frozen=True):
    """A secret; values in base64."""

    metadata: Meta
    data: Mapping[str, str] | None = None


class ListMeta(msgspec.Struct, frozen=True):
    """Where a list was read, and where it goes on."""

    resource_version: str = msgspec.field(default="", name="resourceVersion")
    proceed: str = msgspec.field(default="", name="continue")


class ObjectList(msgspec.Struct, frozen=True):
    """A page of a list."""

    metadata: ListMeta
    items: tuple[msgspec.Raw, ...] | None = None


class WatchEvent(msgspec.Struct, frozen=True):
    """A line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK, or ERROR with a status in place of the object."""

    type: str
    object: msgspec.Raw


class Failure(msgspec.Struct, frozen=True):
    """The status in an ERROR line."""

    code: int = 0
    message: str = ""
