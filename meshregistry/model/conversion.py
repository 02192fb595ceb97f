"""From the instances of one registry service to claims on resources.

Rules: Slime pkg/source/nacos/conversion.go and pkg/source/eureka/conversion.go; where the profiles differ, see
`Profile` and `ConversionPolicy`.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from meshregistry.model.claim import Claim, Conversion, unify_endpoints
from meshregistry.model.grammar import is_fqdn, is_ip
from meshregistry.model.instance import Instance, Pairs, Scope, ServiceKey, sort_pairs
from meshregistry.model.intake import build_intake, inject_place
from meshregistry.model.labels import EndpointLabels, LabelFilter
from meshregistry.model.merged_ports import claim_merged_ports
from meshregistry.model.naming import ServiceName, name_service
from meshregistry.model.policy import ConversionPolicy, ExtraMeta, Profile
from meshregistry.model.ports import MAX_SERVICE_PORTS, Offers, PortMap, PortTable, is_usable_port
from meshregistry.model.protocols import list_offers
from meshregistry.model.rejects import Reject, RejectNotes
from meshregistry.model.service_entry import Resolution, ServicePort, WorkloadEntry

_WEIGHT_SCALE = 100
_MAX_WEIGHT = 10_000.0
"""Nacos' own limit."""

_MAX_ALIASES = 100
"""Of one service, by its instances; settings may name more."""

_NAMES_SHOWN = 5
_NO_EXTRA = ExtraMeta()

_Member = tuple[Instance, EndpointLabels]


class _Place(NamedTuple):
    """Where instances of a registry service belong."""

    service: str
    code: str
    service_ns: str


_Named = tuple[_Place, ServiceName]


class InstanceConverter:
    """Converts by one policy; owns its label and port tables."""

    def __init__(self, policy: ConversionPolicy, cache_size: int) -> None:
        self._policy = policy
        self._labels = LabelFilter(policy, cache_size)
        self._ports = PortTable(policy, cache_size)
        self._intake = build_intake(policy)
        self._is_istio = policy.profile is Profile.ISTIO
        self._aliases = dict(policy.host_aliases)
        self._extra_metas = dict(policy.extra_metas)

    def convert(self, key: ServiceKey, instances: Iterable[Instance]) -> Conversion:
        """Return what one service contributes; equal for any order of the instances."""
        claims: list[Claim] = []
        rejects: list[Reject] = []
        for places, members in self._name(key, self._group(key, instances)):
            place, named = places[0]
            notes = RejectNotes(f"{named.namespace}/{named.name}")
            claim = self._claim(key, place, named, members, notes)
            if claim is not None:
                claims.append(claim)
                if named.is_repaired:
                    notes.add("name_repaired", place.service, f"not a DNS name; host {named.host}")
                if len(places) > 1:
                    names = ", ".join(sorted({str(each.service) for each, _ in places})[:_NAMES_SHOWN])
                    notes.add("host_shared", named.host, f"merged from {len(places)} parts of {key}: {names}")
            rejects += notes.list_rejects()
        if self._policy.merged_ports and claims:
            claims += claim_merged_ports(key, claims, self._policy)
        return Conversion(tuple(claims), tuple(rejects))

    def _name(
        self, key: ServiceKey, groups: dict[_Place, list[_Member]]
    ) -> Iterable[tuple[list[_Named], list[_Member]]]:
        """Return the instances of each resource with the places that share it; the first place names it."""
        resources: dict[tuple[str, str], tuple[list[_Named], list[_Member]]] = {}
        for place in sorted(groups):
            named = name_service(place.service, place.service_ns, self._policy, key.scope, place.code)
            places, members = resources.setdefault((named.namespace, named.name), ([], []))
            places.append((place, named))
            members += groups[place]
        return resources.values()

    def _group(self, key: ServiceKey, instances: Iterable[Instance]) -> dict[_Place, list[_Member]]:
        """Return the wanted instances by their place."""
        injected = inject_place(key.scope, self._policy)
        groups: dict[_Place, list[_Member]] = {}
        if self._intake is not None:
            for service, code, instance in self._intake.admit(key, instances, injected):
                for service_ns, members in self._sort_out([instance], ()).items():
                    groups.setdefault(_Place(service, code, service_ns), []).extend(members)
            return groups
        by_namespace = self._sort_out(instances, injected)
        return {_Place(key.name, "", service_ns): members for service_ns, members in by_namespace.items()}

    def _sort_out(self, instances: Iterable[Instance], injected: Pairs) -> dict[str, list[_Member]]:
        """Return the wanted instances by service namespace."""
        groups: dict[str, list[_Member]] = {}
        takes_unhealthy, takes_weightless = not self._policy.drop_unhealthy, not self._is_istio
        for instance in instances:
            # A disabled instance never reaches Slime either: the server leaves it out of its answer.
            if instance.enabled and (instance.healthy or takes_unhealthy):
                pairs = self._locate(instance, injected) if instance.zone else injected
                labels = self._labels.convert(instance.metadata, pairs)
                if takes_weightless or (instance.weight if labels.weight is None else labels.weight) > 0:
                    member = (instance if instance.port_enabled else self._open(instance), labels)
                    groups.setdefault(labels.service_ns, []).append(member)
        return groups

    def _open(self, instance: Instance) -> Instance:
        """Return the instance by its secure port when its plain one is closed; Slime publishes the closed one."""
        if not self._is_istio or not instance.secure_port:
            return instance
        return msgspec.structs.replace(instance, port=instance.secure_port)

    def _locate(self, instance: Instance, injected: Pairs) -> Pairs:
        """Return what is injected with the zone that only the registry names."""
        key = self._policy.zone_key
        if not key or any(name == key for name, _ in (*instance.metadata, *injected)):
            return injected
        return sort_pairs({**dict(injected), key: instance.zone})

    def _claim(
        self, key: ServiceKey, place: _Place, named: ServiceName, members: list[_Member], notes: RejectNotes
    ) -> Claim | None:
        usable, resolution = self._admit(members, notes)
        if not usable:
            return None
        ports, maps = self._map_ports(usable, notes)
        extra = self._extra_metas.get(named.name, _NO_EXTRA)
        return Claim(
            key,
            named.namespace,
            named.name,
            self._list_hosts(key.scope, place, named, usable, notes),
            ports,
            self._place(usable, maps, notes),
            resolution,
            self._policy,
            extra.labels,
            extra.annotations,
            service=place.service if self._policy.service_naming else "",
        )

    def _admit(self, members: list[_Member], notes: RejectNotes) -> tuple[list[_Member], Resolution]:
        """Return the members that can be published, and the resolution that all of them together need."""
        if self._are_plain(members):
            return members, Resolution.STATIC
        judged = [(self._judge(member, notes), member) for member in members]
        resolutions = [resolution for resolution, _ in judged if resolution is not None]
        usable = [member for resolution, member in judged if resolution is not None]
        return usable, max(resolutions, default=Resolution.STATIC)

    def _are_plain(self, members: list[_Member]) -> bool:
        """Whether a judgement of each would take all of them, by their IP addresses, and note nothing."""
        ports = {instance.port for instance, _ in members}
        return (
            all(is_usable_port(port, self._policy) for port in ports)
            and all(map(is_ip, [instance.address for instance, _ in members]))
            and not any(labels.dropped for _, labels in members)
        )

    def _list_hosts(
        self, scope: Scope, place: _Place, named: ServiceName, members: list[_Member], notes: RejectNotes
    ) -> tuple[str, ...]:
        aliases = set(self._aliases.get(named.host, ()))
        if self._policy.alias_hosts:
            names = sorted({alias for instance, _ in members for alias in instance.aliases if alias})
            if len(names) > _MAX_ALIASES:
                left_out = f"{len(names) - _MAX_ALIASES} further names are no hosts; at most {_MAX_ALIASES}"
                notes.add("host_limit", named.host, left_out)
                del names[_MAX_ALIASES:]
            aliases |= {name_service(alias, place.service_ns, self._policy, scope, place.code).host for alias in names}
        return (named.host, *sorted(aliases - {named.host})) if aliases else (named.host,)

    def _map_ports(self, members: list[_Member], notes: RejectNotes) -> tuple[tuple[ServicePort, ...], list[PortMap]]:
        """Return the service ports and the port map of each endpoint."""
        spoken = members[0][1].spoken
        is_mixed = self._policy.instance_protocols and len({labels.spoken for _, labels in members}) > 1
        has_further = bool(spoken.grpc_port or spoken.endpoints)
        if has_further or is_mixed or max([instance.secure_port for instance, _ in members]) > 0:
            offers = [self._list_offers(member) for member in members]
            ports, mixed = self._ports.list_offered_ports(offers)
            for number in mixed:
                notes.add("protocol_mixed", str(number), "instances speak different protocols; most of them decide")
            maps = [self._ports.map_offers(ports, each) for each in offers]
        else:
            own_ports = frozenset([instance.port for instance, _ in members])
            ports = self._ports.list_service_ports(own_ports, spoken.protocol)
            maps = [self._ports.map_endpoint(ports, instance.port) for instance, _ in members]
        self._note_limit(members, ports, notes)
        return ports, maps

    def _list_offers(self, member: _Member) -> Offers:
        instance, labels = member
        is_secure = self._is_istio and (self._policy.expose_secure_port or not instance.port_enabled)
        is_usable = is_secure and is_usable_port(instance.secure_port, self._policy)
        return list_offers(instance.port, labels.spoken, instance.secure_port if is_usable else 0)

    def _note_limit(self, members: list[_Member], ports: tuple[ServicePort, ...], notes: RejectNotes) -> None:
        if len(ports) == MAX_SERVICE_PORTS and self._policy.instance_port_as_svc_port:
            left_out = len({instance.port for instance, _ in members} - {port.number for port in ports})
            if left_out:
                notes.add(
                    "port_limit", "", f"{left_out} ports of instances are no service ports; at most {MAX_SERVICE_PORTS}"
                )

    def _place(self, members: list[_Member], maps: list[PortMap], notes: RejectNotes) -> tuple[WorkloadEntry, ...]:
        """Return the endpoints in canonical order, each address and port once. Slime sets no weight."""
        scale = _scale if self._is_istio else _set_none
        endpoints = sorted(
            [
                WorkloadEntry(
                    instance.address,
                    port_map,
                    labels.labels,
                    labels.locality,
                    scale(instance.weight if labels.weight is None else labels.weight),
                )
                for (instance, labels), port_map in zip(members, maps, strict=True)
            ]
        )
        unique = unify_endpoints(endpoints)
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
        if self._policy.drop_host_names:
            notes.add("address_name", instance.address, "a host name; endpoint dropped")
            return None
        if self._is_istio and not is_fqdn(instance.address):
            notes.add("address_invalid", instance.address, "neither an IP address nor a host name; endpoint dropped")
            return None
        return Resolution.DNS


@lru_cache(maxsize=1024)
def _scale(weight: float) -> int:
    """Return the weight as an integer: 1.0 is 100, so that 0.5 is half of it; at least 1.

    It never depends on other endpoints: one changed weight changes one endpoint.
    """
    return max(1, round(min(weight, _MAX_WEIGHT) * _WEIGHT_SCALE))


def _set_none(_weight: float) -> int:
    return 0
