"""Rows of a saved snapshot, format 1: plain values, and what they share as an index into a table.

Rows are independent of the records' fields, so that a release may change these without losing what an older one has
saved (`store/saved_writer`, `store/saved_reader`).
"""

from typing import Annotated

import msgspec

from meshregistry.model.instance import Pairs
from meshregistry.store.saved_hearsay import HearsayRow, ScopeRow
from meshregistry.store.saved_holds import HoldRow
from meshregistry.wire.resource import PortMap

Index = Annotated[int, msgspec.Meta(ge=0)]
PortRow = tuple[int, str, str, int]
EndpointRow = tuple[str, Index, Index, str, int, str, str]
"""Address, ports, labels, locality, weight, network, service account."""


class EntryRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A ServiceEntry."""

    namespace: str
    name: str
    hosts: tuple[str, ...]
    ports: tuple[PortRow, ...]
    endpoints: Index
    resolution: int
    location: int
    addresses: tuple[str, ...]
    export_to: tuple[str, ...]
    labels: Index
    annotations: Index
    subject_alt_names: tuple[str, ...] = ()
    workload_selector: Pairs = ()


class ResourceRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A resource as it is served."""

    version: str
    entry: Index
    any_bytes: bytes


class ClaimRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A claim and its place among those of its service."""

    scope: ScopeRow
    service_name: str
    place: Index
    namespace: str
    name: str
    hosts: tuple[str, ...]
    ports: tuple[PortRow, ...]
    endpoints: Index
    resolution: int
    labels: Index
    annotations: Index
    is_exclusive: bool
    service: str
    written: Index | None = None
    """The entry that a person wrote."""


class HistoryRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the guard remembers of a resource; times are seconds on the clock of the file's head."""

    name: str
    owner: str
    entry: Index
    served: Index
    empty_since: float | None
    idle_ports: tuple[tuple[PortRow, float], ...]
    scope: ScopeRow | None = None
    """The whole of the owner, of whom older releases knew the source only."""


class SidecarRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A Sidecar as it is served."""

    version: str
    namespace: str
    name: str
    workload_labels: Index
    egress: tuple[tuple[tuple[str, ...], str], ...]
    """Hosts and protocol."""

    labels: Index
    annotations: Index
    any_bytes: bytes


class Rows(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One part: tables first, then what refers to them by index."""

    labels: tuple[Pairs, ...]
    ports: tuple[PortMap, ...]
    endpoints: tuple[tuple[EndpointRow, ...], ...]
    entries: tuple[EntryRow, ...]
    resources: tuple[ResourceRow, ...]
    claims: tuple[ClaimRow, ...]
    histories: tuple[HistoryRow, ...]
    hold: HoldRow | None = None
    """The hold that keeps the claims of this part, which are nobody's otherwise."""

    sidecars: tuple[SidecarRow, ...] = ()
    hearsay: HearsayRow | None = None
    decisions: tuple[bytes, ...] = ()
