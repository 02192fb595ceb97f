"""Reads an `xdsCache` page: bytes → records. Pure.

Shapes: Slime pkg/mcpoverxds/mcpcontroller.go, HandleXdsCache, in JSON: an object of lists by type or one list, of items
as Slime prints them or as Kubernetes objects. What protobuf JSON leaves out is the default of its type.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from meshregistry.errors import MeshRegistryError

_KINDS = ("ServiceEntry", "Sidecar")


class PageError(MeshRegistryError):
    """A page cannot be had or understood, so that nothing can be compared; the message says why."""


class Port(msgspec.Struct, frozen=True):
    """A service port."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int = msgspec.field(default=0, name="targetPort")


class Endpoint(msgspec.Struct, frozen=True, rename="camel"):
    """A WorkloadEntry."""

    address: str = ""
    ports: Mapping[str, int] = msgspec.field(default_factory=dict)
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    network: str = ""
    locality: str = ""
    weight: int = 0
    service_account: str = ""


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """A ServiceEntry."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    location: str = "MESH_EXTERNAL"
    resolution: str = "NONE"
    endpoints: tuple[Endpoint, ...] = ()
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()


class Named(msgspec.Struct, frozen=True):
    """A resource's metadata."""

    name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


class _Item(msgspec.Struct, frozen=True):
    """Slime's item (`type`, `Spec`) and the Kubernetes object (`kind`, `metadata`, `spec`) in one."""

    type: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    metadata: Named | None = None
    slime_spec: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="Spec")
    spec: msgspec.Raw = msgspec.Raw(b"null")


class ServiceResource(msgspec.Struct, frozen=True):
    """A ServiceEntry with its metadata."""

    meta: Named
    entry: Entry


class Page(msgspec.Struct, frozen=True):
    """All that one side serves."""

    entries: tuple[ServiceResource, ...]
    sidecars: Mapping[str, object]
    """`namespace/name` → spec."""


def read_page(body: bytes, place: str) -> Page:
    """Return what a page holds; tombstones (items without a spec) are left out. Raises PageError naming the place."""
    try:
        return _read(body)
    except (PageError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PageError(f"{place}: not an xdsCache page in JSON: {error}") from None
    except RecursionError:
        raise PageError(f"{place}: not an xdsCache page: nested too deeply") from None


def _read(body: bytes) -> Page:
    items = list(_list_items(body))
    entries = tuple(_read_entry(item) for item in items if _kind(item) == "ServiceEntry")
    sidecars = {
        f"{meta.namespace}/{meta.name}": msgspec.json.decode(_spec(item))
        for item in items
        if _kind(item) == "Sidecar"
        for meta in [_meta(item)]
    }
    return Page(entries, sidecars)


def _list_items(body: bytes) -> Iterator[_Item]:
    if body.lstrip()[:1] == b"[":
        found: Iterable[_Item] = msgspec.json.decode(body, type=list[_Item])
    else:
        by_type = msgspec.json.decode(body, type=dict[str, list[_Item] | None])
        found = (item for items in by_type.values() for item in items or ())
    for item in found:
        if _kind(item) not in _KINDS or not _meta(item).name:
            raise PageError(f"an item of the kind {_kind(item)[:100]!r}, or without a name")
        if bytes(_spec(item)).strip() != b"null":
            yield item


def _kind(item: _Item) -> str:
    return item.kind or item.type.rpartition("/")[2]


def _meta(item: _Item) -> Named:
    return item.metadata or Named(item.name, item.namespace, item.labels, item.annotations)


def _spec(item: _Item) -> msgspec.Raw:
    return item.spec if item.metadata else item.slime_spec


def _read_entry(item: _Item) -> ServiceResource:
    return ServiceResource(_meta(item), msgspec.json.decode(_spec(item), type=Entry))
