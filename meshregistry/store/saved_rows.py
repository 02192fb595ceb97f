"""Part of a saved snapshot, format 1: some resources with all that belongs to them, as rows of plain values.

What the records share in memory is one row here and shared again when read. Rows are independent of the records'
fields, so that a release may change these without losing what an older one has saved.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Pairs, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.store.guard import History
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.holds import Cause, HeldShrink
from meshregistry.store.saved_hearsay import HearsayRow, read_hearsay, write_hearsay
from meshregistry.wire.resource import PortMap, Resource

Item = TypeVar("Item")
Row = TypeVar("Row")
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

    scope: tuple[str, str, str, str]
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
    scope: tuple[str, str, str, str] | None = None
    """The whole of the owner, of whom older releases knew the source only."""


class HoldRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A held shrink; its claims are the part's."""

    number: int
    unit: tuple[str, str, str, str]
    cause: str
    since: float
    before: int
    rejected: bool
    frozen: bool
    confirmed: tuple[tuple[tuple[str, str, str, str], float], ...]
    displaced: bool = False
    doubted: bool = False
    is_doubt: bool = False
    """Whether doubt is the cause; `cause` then is a mass, which older releases and siblings know and hold, too."""

    content: int | None = None


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


class Part(msgspec.Struct, frozen=True):
    """One part as records. A claim comes with its place among those of its service, a history with its owner."""

    resources: Sequence[Resource]
    claims: Sequence[tuple[int, Claim]]
    histories: Sequence[tuple[str, Scope, History]]
    """Resource name, owner, history."""

    hold: HeldShrink | None = None
    """With nothing but its claims beside it."""

    sidecars: Sequence[Resource] = ()
    hearsay: Hearsay | None = None
    decisions: Sequence[bytes] = ()


def write_part(part: Part) -> Rows:
    """Return the rows of a part."""
    return _Writer().write(part)


def read_part(rows: Rows, policies: Mapping[str, ConversionPolicy], shared: dict[Pairs, Pairs]) -> Part:
    """Return the records of a part; equal label maps are one object, kept in `shared` from part to part.

    A claim gets the policy of its source, or the default one.

    Raises:
        IndexError, ValueError: the rows do not fit together.
    """
    return _Reader(rows, shared).read(rows, policies)


class _Table(Generic[Item, Row]):
    """Gives items that are the same by `key` one row."""

    def __init__(self, write: Callable[[Item], Row], key: Callable[[Item], object]) -> None:
        self.rows: list[Row] = []
        self._write = write
        self._key = key
        self._indexes: dict[object, int] = {}

    def index(self, item: Item) -> int:
        key = self._key(item)
        found = self._indexes.get(key)
        if found is None:
            row = self._write(item)
            found = self._indexes[key] = len(self.rows)
            self.rows.append(row)
        return found


class _Writer:
    def __init__(self) -> None:
        self._labels: _Table[Pairs, Pairs] = _Table(_itself, _itself)
        self._ports: _Table[PortMap, PortMap] = _Table(_itself, _itself)
        # Sequences of endpoints are shared as objects or not at all: to compare them would cost more than it saves.
        self._endpoints: _Table[tuple[WorkloadEntry, ...], tuple[EndpointRow, ...]] = _Table(self._write_endpoints, id)
        self._entries: _Table[ServiceEntry, EntryRow] = _Table(self._write_entry, id)

    def write(self, part: Part) -> Rows:
        resources = tuple(
            ResourceRow(each.version, self._entries.index(each.entry), each.any_bytes) for each in part.resources
        )
        claims = tuple(self._write_claim(place, claim) for place, claim in part.claims)
        histories = tuple(self._write_history(*each) for each in part.histories)
        sidecars = tuple(map(self._write_sidecar, part.sidecars))
        return Rows(
            tuple(self._labels.rows),
            tuple(self._ports.rows),
            tuple(self._endpoints.rows),
            tuple(self._entries.rows),
            resources,
            claims,
            histories,
            None if part.hold is None else _write_hold(part.hold),
            sidecars,
            None if part.hearsay is None else write_hearsay(part.hearsay),
            tuple(part.decisions),
        )

    def _write_sidecar(self, resource: Resource) -> SidecarRow:
        sidecar = resource.record
        if not isinstance(sidecar, Sidecar):
            raise TypeError(f"{resource.name} is no Sidecar")
        return SidecarRow(
            resource.version,
            sidecar.namespace,
            sidecar.name,
            self._labels.index(sidecar.workload_labels),
            tuple((listener.hosts, listener.protocol) for listener in sidecar.egress),
            self._labels.index(sidecar.labels),
            self._labels.index(sidecar.annotations),
            resource.any_bytes,
        )

    def _write_endpoints(self, endpoints: tuple[WorkloadEntry, ...]) -> tuple[EndpointRow, ...]:
        ports, labels = self._ports.index, self._labels.index
        return tuple(
            (
                each.address,
                ports(each.ports),
                labels(each.labels),
                each.locality,
                each.weight,
                each.network,
                each.service_account,
            )
            for each in endpoints
        )

    def _write_entry(self, entry: ServiceEntry) -> EntryRow:
        return EntryRow(
            entry.namespace,
            entry.name,
            entry.hosts,
            tuple(map(_write_port, entry.ports)),
            self._endpoints.index(entry.endpoints),
            entry.resolution.value,
            entry.location.value,
            entry.addresses,
            entry.export_to,
            self._labels.index(entry.labels),
            self._labels.index(entry.annotations),
            entry.subject_alt_names,
            entry.workload_selector,
        )

    def _write_claim(self, place: int, claim: Claim) -> ClaimRow:
        return ClaimRow(
            (*claim.key.scope,),
            claim.key.name,
            place,
            claim.namespace,
            claim.name,
            claim.hosts,
            tuple(map(_write_port, claim.ports)),
            self._endpoints.index(claim.endpoints),
            claim.resolution.value,
            self._labels.index(claim.labels),
            self._labels.index(claim.annotations),
            claim.is_exclusive,
            claim.service,
            None if claim.written is None else self._entries.index(claim.written),
        )

    def _write_history(self, name: str, owner: Scope, history: History) -> HistoryRow:
        return HistoryRow(
            name,
            owner.source,
            self._entries.index(history.entry),
            self._entries.index(history.served),
            history.empty_since,
            tuple((_write_port(port), since) for port, since in history.idle_ports),
            (*owner,),
        )


class _Reader:
    def __init__(self, rows: Rows, shared: dict[Pairs, Pairs]) -> None:
        self._labels = [shared.setdefault(pairs, pairs) for pairs in rows.labels]
        self._ports = rows.ports
        self._endpoints = [tuple(map(self._read_endpoint, each)) for each in rows.endpoints]
        self._entries = [self._read_entry(each) for each in rows.entries]

    def read(self, rows: Rows, policies: Mapping[str, ConversionPolicy]) -> Part:
        resources = [self._read_resource(row) for row in rows.resources]
        claims = [(row.place, self._read_claim(row, _policy_of(row.scope[0], policies))) for row in rows.claims]
        hold = None if rows.hold is None else _read_hold(rows.hold, tuple(claim for _, claim in claims))
        histories = [self._read_history(row) for row in rows.histories]
        hearsay = None if rows.hearsay is None else read_hearsay(rows.hearsay)
        sidecars = list(map(self._read_sidecar, rows.sidecars))
        return Part(resources, claims, histories, hold, sidecars, hearsay, rows.decisions)

    def _read_sidecar(self, row: SidecarRow) -> Resource:
        sidecar = Sidecar(
            row.namespace,
            row.name,
            self._labels[row.workload_labels],
            tuple(EgressListener(hosts, protocol) for hosts, protocol in row.egress),
            self._labels[row.labels],
            self._labels[row.annotations],
        )
        return Resource(sidecar.resource_name, row.version, sidecar, row.any_bytes)

    def _read_endpoint(self, row: EndpointRow) -> WorkloadEntry:
        address, ports, labels, locality, weight, network, account = row
        return WorkloadEntry(address, self._ports[ports], self._labels[labels], locality, weight, network, account)

    def _read_entry(self, row: EntryRow) -> ServiceEntry:
        return ServiceEntry(
            row.namespace,
            row.name,
            row.hosts,
            tuple(map(_read_port, row.ports)),
            self._endpoints[row.endpoints],
            Resolution(row.resolution),
            Location(row.location),
            row.addresses,
            row.export_to,
            self._labels[row.labels],
            self._labels[row.annotations],
            row.subject_alt_names,
            row.workload_selector,
        )

    def _read_resource(self, row: ResourceRow) -> Resource:
        entry = self._entries[row.entry]
        return Resource(entry.resource_name, row.version, entry, row.any_bytes)

    def _read_claim(self, row: ClaimRow, policy: ConversionPolicy) -> Claim:
        return Claim(
            ServiceKey(Scope(*row.scope), row.service_name),
            row.namespace,
            row.name,
            row.hosts,
            tuple(map(_read_port, row.ports)),
            self._endpoints[row.endpoints],
            Resolution(row.resolution),
            policy,
            self._labels[row.labels],
            self._labels[row.annotations],
            row.is_exclusive,
            row.service,
            None if row.written is None else self._entries[row.written],
        )

    def _read_history(self, row: HistoryRow) -> tuple[str, Scope, History]:
        idle = tuple((_read_port(port), since) for port, since in row.idle_ports)
        owner = Scope(row.owner, "", "", "") if row.scope is None else Scope(*row.scope)
        return row.name, owner, History(self._entries[row.entry], self._entries[row.served], row.empty_since, idle)


def _policy_of(source: str, policies: Mapping[str, ConversionPolicy]) -> ConversionPolicy:
    return policies.get(source) or ConversionPolicy(source=source)


def _write_hold(hold: HeldShrink) -> HoldRow:
    return HoldRow(
        hold.number,
        (*hold.unit,),
        (Cause.MASS if hold.cause is Cause.DOUBT else hold.cause).value,
        hold.since,
        hold.before,
        hold.rejected,
        hold.frozen,
        tuple(((*scope,), seconds) for scope, seconds in hold.confirmed),
        hold.displaced,
        hold.doubted,
        hold.cause is Cause.DOUBT,
        hold.content,
    )


def _read_hold(row: HoldRow, claims: tuple[Claim, ...]) -> HeldShrink:
    return HeldShrink(
        row.number,
        Scope(*row.unit),
        Cause.DOUBT if row.is_doubt else Cause(row.cause),
        row.since,
        row.before,
        row.rejected,
        row.frozen,
        tuple((Scope(*scope), seconds) for scope, seconds in row.confirmed),
        claims,
        row.displaced,
        row.doubted,
        row.content,
    )


def _itself(item: Item) -> Item:
    return item


def _write_port(port: ServicePort) -> PortRow:
    return port.number, port.protocol, port.name, port.target_port


def _read_port(row: PortRow) -> ServicePort:
    return ServicePort(*row)
