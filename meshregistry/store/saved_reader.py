"""From the rows of a saved snapshot to the records of a part: what shares a row is one object again."""

from collections.abc import Mapping

from meshregistry.model.claim import Claim
from meshregistry.model.dubbo import apply_dubbo
from meshregistry.model.dubbo_key import DUBBO_NAMESPACE
from meshregistry.model.instance import Pairs, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.store.guard import History
from meshregistry.store.saved_hearsay import read_hearsay
from meshregistry.store.saved_holds import read_hold
from meshregistry.store.saved_parts import Part
from meshregistry.store.saved_rows import (
    ClaimRow,
    EndpointRow,
    EntryRow,
    HistoryRow,
    PortRow,
    ResourceRow,
    Rows,
    SidecarRow,
)
from meshregistry.wire.resource import Resource


def read_part(rows: Rows, policies: Mapping[str, ConversionPolicy], shared: dict[Pairs, Pairs]) -> Part:
    """Return the records of a part; equal label maps are one object, kept in `shared` from part to part.

    A claim gets the policy of its source, or the default one, as the conversion would give it.

    Raises:
        IndexError, ValueError: the rows do not fit together.
    """
    return _Reader(rows, shared).read(rows, policies)


class _Reader:
    def __init__(self, rows: Rows, shared: dict[Pairs, Pairs]) -> None:
        self._labels = [shared.setdefault(pairs, pairs) for pairs in rows.labels]
        self._policies: dict[tuple[str, bool], ConversionPolicy] = {}
        self._ports = rows.ports
        self._endpoints = [tuple(map(self._read_endpoint, each)) for each in rows.endpoints]
        self._entries = [self._read_entry(each) for each in rows.entries]

    def read(self, rows: Rows, policies: Mapping[str, ConversionPolicy]) -> Part:
        resources = [self._read_resource(row) for row in rows.resources]
        claims = [(row.place, self._read_claim(row, self._policy_of(row.scope, policies))) for row in rows.claims]
        hold = None if rows.hold is None else read_hold(rows.hold, tuple(claim for _, claim in claims))
        histories = [self._read_history(row) for row in rows.histories]
        hearsay = None if rows.hearsay is None else read_hearsay(rows.hearsay)
        sidecars = list(map(self._read_sidecar, rows.sidecars))
        return Part(resources, claims, histories, hold, sidecars, hearsay, rows.decisions)

    def _policy_of(
        self, scope: tuple[str, str, str, str], policies: Mapping[str, ConversionPolicy]
    ) -> ConversionPolicy:
        """Return the policy that the conversion gives a claim: with another one it would be displaced when it goes."""
        place = source, is_dubbo = scope[0], scope[2] == DUBBO_NAMESPACE
        if place not in self._policies:
            policy = policies.get(source) or ConversionPolicy(source=source)
            self._policies[place] = apply_dubbo(policy, policy.dubbo) if is_dubbo and policy.dubbo else policy
        return self._policies[place]

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

    def _read_service(
        self, row: EntryRow | ClaimRow
    ) -> tuple[str, str, tuple[str, ...], tuple[ServicePort, ...], tuple[WorkloadEntry, ...], Resolution]:
        """Return what an entry and a claim have in common, in their order."""
        return (
            row.namespace,
            row.name,
            row.hosts,
            tuple(map(_read_port, row.ports)),
            self._endpoints[row.endpoints],
            Resolution(row.resolution),
        )

    def _read_entry(self, row: EntryRow) -> ServiceEntry:
        return ServiceEntry(
            *self._read_service(row),
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
            *self._read_service(row),
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


def _read_port(row: PortRow) -> ServicePort:
    return ServicePort(*row)
