"""From the records of a part to the rows of a saved snapshot: what they share in memory is one row."""

from collections.abc import Callable
from typing import Generic, TypeVar

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Pairs, Scope
from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import Sidecar
from meshregistry.store.guard import History
from meshregistry.store.saved_hearsay import write_hearsay
from meshregistry.store.saved_holds import write_hold
from meshregistry.store.saved_parts import Part
from meshregistry.store.saved_rows import (
    ClaimRow,
    EndpointRow,
    EntryRow,
    HistoryRow,
    Index,
    PortRow,
    ResourceRow,
    Rows,
    SidecarRow,
)
from meshregistry.wire.resource import PortMap, Resource

Item = TypeVar("Item")
Row = TypeVar("Row")


def write_part(part: Part) -> Rows:
    """Return the rows of a part."""
    return _Writer().write(part)


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
            None if part.hold is None else write_hold(part.hold),
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

    def _write_service(
        self, record: ServiceEntry | Claim
    ) -> tuple[str, str, tuple[str, ...], tuple[PortRow, ...], Index, int]:
        """Return what the row of an entry and that of a claim have in common, in their order."""
        return (
            record.namespace,
            record.name,
            record.hosts,
            tuple(map(_write_port, record.ports)),
            self._endpoints.index(record.endpoints),
            record.resolution.value,
        )

    def _write_entry(self, entry: ServiceEntry) -> EntryRow:
        return EntryRow(
            *self._write_service(entry),
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
            *self._write_service(claim),
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


def _itself(item: Item) -> Item:
    return item


def _write_port(port: ServicePort) -> PortRow:
    return port.number, port.protocol, port.name, port.target_port
