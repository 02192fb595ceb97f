"""From instances to ServiceEntries: convert one registry service, merge what several say about one resource.

Pure but for caches. A changed instance costs the conversion of its service and the merge of its resource. Rules:
Slime pkg/source/nacos/conversion.go; where the profiles differ, see `Profile` and `ConversionPolicy`.
"""

from collections.abc import Iterable, Sequence

import msgspec

from meshregistry.model.grammar import is_fqdn, is_ip
from meshregistry.model.instance import Instance, Pairs, Scope, ServiceKey, sort_pairs
from meshregistry.model.labels import EndpointLabels, LabelFilter, label_entry
from meshregistry.model.naming import ServiceName, name_service
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.ports import MAX_SERVICE_PORTS, PortTable, is_usable_port, limit_ports, map_ports
from meshregistry.model.rejects import Reject, RejectNotes
from meshregistry.model.service_entry import Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.validation import Validated, validate_entry
from meshregistry.model.virtual_address import derive_address

_WEIGHT_SCALE = 100
_MAX_WEIGHT = 10_000.0
"""Nacos' own limit."""

_NAMES_SHOWN = 5


class Claim(msgspec.Struct, frozen=True):
    """What one registry service contributes to one resource: converted, not yet merged."""

    key: ServiceKey
    namespace: str
    name: str
    hosts: tuple[str, ...]
    ports: tuple[ServicePort, ...]
    endpoints: tuple[WorkloadEntry, ...]
    """At least one; each maps every service port of the claim to its own port."""

    resolution: Resolution
    policy: ConversionPolicy

    @property
    def resource_name(self) -> str:
        """The resource claimed: `namespace/name`."""
        return f"{self.namespace}/{self.name}"


class Conversion(msgspec.Struct, frozen=True):
    """What one registry service contributes: at most one claim per resource, and what was dropped or repaired."""

    claims: tuple[Claim, ...] = ()
    rejects: tuple[Reject, ...] = ()


class ConversionCache:
    """What conversions share; owned by the one caller of `convert_service` and `merge_claims`.

    Holds at most `size` entries per table and eight policies; a full table is cleared, which costs time, never
    correctness.
    """

    _MAX_POLICIES = 8

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._converters: dict[ConversionPolicy, _Converter] = {}
        self._legal_pairs: set[tuple[str, str]] = set()

    def converter(self, policy: ConversionPolicy) -> "_Converter":
        """Return the converter of a policy."""
        converter = self._converters.get(policy)
        if converter is None:
            if len(self._converters) >= self._MAX_POLICIES:
                self._converters.clear()
            converter = self._converters[policy] = _Converter(policy, self._size)
        return converter

    def legal_pairs(self) -> set[tuple[str, str]]:
        """Return the labels that `validate_entry` has found legal."""
        if len(self._legal_pairs) >= self._size:
            self._legal_pairs.clear()
        return self._legal_pairs


_Member = tuple[Instance, EndpointLabels]


class _Converter:
    """Converts by one policy; owns its label and port tables."""

    def __init__(self, policy: ConversionPolicy, cache_size: int) -> None:
        self._policy = policy
        self._labels = LabelFilter(policy, cache_size)
        self._ports = PortTable(policy, cache_size)
        self._is_istio = policy.profile is Profile.ISTIO

    def convert(self, key: ServiceKey, instances: Iterable[Instance]) -> Conversion:
        claims: list[Claim] = []
        rejects: list[Reject] = []
        for service_ns, members in sorted(self._group(key.scope, instances).items()):
            named = name_service(key.name, service_ns, self._policy)
            notes = RejectNotes(f"{named.namespace}/{named.name}")
            claim = self._claim(key, named, members, notes)
            if claim is not None:
                claims.append(claim)
                if named.is_repaired:
                    notes.add("name_repaired", key.name, f"not a DNS name; host {named.host}")
            rejects += notes.list_rejects()
        return Conversion(tuple(claims), tuple(rejects))

    def _group(self, scope: Scope, instances: Iterable[Instance]) -> dict[str, list[_Member]]:
        """Return the wanted instances by service namespace."""
        injected = _inject(scope, self._policy)
        groups: dict[str, list[_Member]] = {}
        for instance in instances:
            if self._is_wanted(instance):
                labels = self._labels.convert(instance.metadata, injected)
                groups.setdefault(labels.service_ns, []).append((instance, labels))
        return groups

    def _is_wanted(self, instance: Instance) -> bool:
        # A disabled instance never reaches Slime either: the server leaves it out of its answer.
        if not instance.enabled or (self._policy.drop_unhealthy and not instance.healthy):
            return False
        return not self._is_istio or instance.weight > 0

    def _claim(self, key: ServiceKey, named: ServiceName, members: list[_Member], notes: RejectNotes) -> Claim | None:
        judged = [(self._judge(member, notes), member) for member in members]
        usable = [member for resolution, member in judged if resolution is not None]
        if not usable:
            return None
        ports = self._list_ports(usable, notes)
        return Claim(
            key,
            named.namespace,
            named.name,
            (named.host,),
            ports,
            self._place(usable, ports, notes),
            max(resolution for resolution, _ in judged if resolution is not None),
            self._policy,
        )

    def _list_ports(self, members: list[_Member], notes: RejectNotes) -> tuple[ServicePort, ...]:
        own_ports = frozenset([instance.port for instance, _ in members])
        ports = self._ports.list_service_ports(own_ports)
        if len(ports) == MAX_SERVICE_PORTS and self._policy.instance_port_as_svc_port:
            left_out = len(own_ports - {port.number for port in ports})
            if left_out:
                notes.add(
                    "port_limit", "", f"{left_out} ports of instances are no service ports; at most {MAX_SERVICE_PORTS}"
                )
        return ports

    def _place(
        self, members: list[_Member], ports: tuple[ServicePort, ...], notes: RejectNotes
    ) -> tuple[WorkloadEntry, ...]:
        """Return the endpoints in canonical order, each address and port once."""
        endpoints = sorted(
            [
                WorkloadEntry(
                    instance.address,
                    self._ports.map_endpoint(ports, instance.port),
                    labels.labels,
                    labels.locality,
                    self._weigh(instance.weight),
                )
                for instance, labels in members
            ]
        )
        unique = _unify(endpoints)
        if len(unique) < len(endpoints):
            notes.add("endpoint_duplicate", "", f"{len(endpoints) - len(unique)} registered more than once; dropped")
        return unique

    def _judge(self, member: _Member, notes: RejectNotes) -> Resolution | None:
        """Return the resolution an endpoint needs, None when it cannot be published."""
        instance, labels = member
        for dropped in labels.dropped:
            notes.add(dropped.reason, dropped.key, f"{dropped.value!r} is no label; dropped")
        if not is_usable_port(instance.port, self._policy):
            notes.add("port_range", f"{instance.address}:{instance.port}", "no such port; endpoint dropped")
            return None
        if is_ip(instance.address):
            return Resolution.STATIC
        if self._is_istio and not is_fqdn(instance.address):
            notes.add("address_invalid", instance.address, "neither an IP address nor a host name; endpoint dropped")
            return None
        return Resolution.DNS

    def _weigh(self, weight: float) -> int:
        """Return the weight as an integer: 1.0 is 100, so that 0.5 is half of it; at least 1.

        It never depends on other endpoints: one changed weight changes one endpoint. Slime sets no weight.
        """
        if not self._is_istio:
            return 0
        return max(1, round(min(weight, _MAX_WEIGHT) * _WEIGHT_SCALE))


def convert_service(
    key: ServiceKey, instances: Iterable[Instance], policy: ConversionPolicy, cache: ConversionCache
) -> Conversion:
    """Return what a registry service contributes by its source's policy; equal for any order of the instances.

    No usable instance is no claim.
    """
    return cache.converter(policy).convert(key, instances)


def merge_claims(claims: Sequence[Claim], cache: ConversionCache) -> Validated:
    """Return the entry that all claims of one resource make together; equal for any order of the claims.

    Endpoints are united, each address and port once. The smallest service key supplies what an entry has once: host,
    location, labels, and the protocol of a port number that several use. Two registry names on one host are merged
    and reported. What istiod would reject is dropped or held back (`validate_entry`). Raises ValueError for no
    claims.
    """
    if not claims:
        raise ValueError("nobody claims the resource")
    ordered = sorted(claims, key=_claim_order)
    winner = ordered[0]
    ports, endpoints = (winner.ports, winner.endpoints) if len(ordered) == 1 else _unite(ordered)
    policy = winner.policy
    is_dns = any(claim.resolution is Resolution.DNS for claim in ordered)
    entry = ServiceEntry(
        winner.namespace,
        winner.name,
        winner.hosts,
        ports,
        endpoints,
        Resolution.DNS if is_dns else Resolution.STATIC,
        policy.location,
        _list_addresses(winner.hosts[0], ports, policy),
        labels=label_entry(endpoints, winner.hosts, policy),
    )
    validated = validate_entry(entry, policy.profile, cache.legal_pairs())
    shared = _report_sharing(ordered) if len(ordered) > 1 else ()
    return Validated(validated.entry, (*shared, *validated.rejects)) if shared else validated


def _claim_order(claim: Claim) -> ServiceKey:
    return claim.key


def _unite(claims: Sequence[Claim]) -> tuple[tuple[ServicePort, ...], tuple[WorkloadEntry, ...]]:
    """Return the ports and endpoints of all claims; every endpoint is reached by every port, on its own port."""
    by_number: dict[int, ServicePort] = {}
    for port in (port for claim in claims for port in claim.ports):
        by_number.setdefault(port.number, port)
    ports = tuple(by_number[number] for number in limit_ports(by_number, claims[0].policy.svc_port))
    names = tuple(sorted(port.name for port in ports))
    united: dict[tuple[str, int], WorkloadEntry] = {}
    for endpoint in (endpoint for claim in claims for endpoint in claim.endpoints):
        own = endpoint.ports[0][1]
        port_map = map_ports(names, own)
        extended = endpoint if endpoint.ports == port_map else msgspec.structs.replace(endpoint, ports=port_map)
        united.setdefault((endpoint.address, own), extended)
    return ports, tuple(sorted(united.values()))


def _unify(endpoints: list[WorkloadEntry]) -> tuple[WorkloadEntry, ...]:
    """Return sorted endpoints without those of the same address and ports, the smallest of which stays."""
    unique: list[WorkloadEntry] = []
    for endpoint in endpoints:
        if not unique or endpoint.address != unique[-1].address or endpoint.ports != unique[-1].ports:
            unique.append(endpoint)
    return tuple(unique)


def _list_addresses(host: str, ports: tuple[ServicePort, ...], policy: ConversionPolicy) -> tuple[str, ...]:
    if policy.profile is Profile.SLIME or not policy.vip_range:
        return ()
    return (derive_address(host, policy.vip_range),) if any(port.protocol == "TCP" for port in ports) else ()


def _report_sharing(claims: Sequence[Claim]) -> tuple[Reject, ...]:
    """Report registry names that became one host, and claims whose other host the winner's replaces."""
    notes = RejectNotes(claims[0].resource_name)
    host = claims[0].hosts[0]
    if len({claim.key.name for claim in claims}) > 1:
        names = ", ".join(str(claim.key) for claim in claims[:_NAMES_SHOWN])
        notes.add("host_shared", host, f"merged from {len(claims)} services: {names}")
    for claim in claims:
        if claim.hosts[0] != host:
            notes.add("host_replaced", claim.hosts[0], f"{claim.key} is merged into {host}")
    return notes.list_rejects()


def _inject(scope: Scope, policy: ConversionPolicy) -> Pairs:
    """Return the metadata that the place of a service adds to its instances."""
    injected = {
        policy.meta_key_namespace: scope.namespace,
        policy.meta_key_group: scope.group,
        policy.registry_id_meta_key if scope.registry else "": scope.registry,
    }
    injected.pop("", None)
    return sort_pairs(injected)
