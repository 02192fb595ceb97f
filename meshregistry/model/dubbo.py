"""From Dubbo instances to claims, in both profiles.

Rules: Slime pkg/source/zookeeper/conversion.go. The slime profile takes what Slime takes, providers of the scheme
`dubbo`; in the istio profile every scheme has a host with its own kind of port.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from meshregistry.model.claim import Claim, Conversion, unify_endpoints
from meshregistry.model.dubbo_key import DUBBO_SCHEME, parse_key, scheme_of, slime_key
from meshregistry.model.dubbo_labels import METHOD_LABEL, DubboLabels
from meshregistry.model.dubbo_naming import SERVICE_KEY_ANNOTATION, name_hosts
from meshregistry.model.dubbo_policy import DubboPolicy, is_method_lb_enabled
from meshregistry.model.grammar import is_ip, is_label_value
from meshregistry.model.instance import Instance, Pairs, ServiceKey, sort_pairs
from meshregistry.model.labels import EndpointLabels
from meshregistry.model.merged_ports import claim_merged_ports
from meshregistry.model.policy import ConversionPolicy, ExtraMeta, Profile
from meshregistry.model.ports import MAX_SERVICE_PORTS, PortTable
from meshregistry.model.rejects import RejectNotes
from meshregistry.model.selection import InstanceSelector
from meshregistry.model.service_entry import Resolution, ServicePort, WorkloadEntry

METHOD_FLAG = "istio.io/dubbomethodequal"
_MAX_WEIGHT = 1_000_000.0
_MOST_SCHEMES = 64
_NO_EXTRA = ExtraMeta()


class _Member(NamedTuple):
    instance: Instance
    labels: EndpointLabels


class _Place(NamedTuple):
    """Where instances go: the resource's name, its host, and the scheme they speak."""

    name: str
    host: str
    scheme: str


class DubboConverter:
    """Converts by one policy; owns its label and port tables."""

    def __init__(self, policy: ConversionPolicy, dubbo: DubboPolicy, cache_size: int) -> None:
        self._dubbo = dubbo
        self._policy = msgspec.structs.replace(
            policy,
            svc_protocol=dubbo.svc_protocol,
            generic_protocol=dubbo.generic_protocol,
            svc_port=dubbo.svc_port,
            instance_port_as_svc_port=dubbo.instance_port_as_svc_port,
            resource_ns=dubbo.resource_ns,
        )
        self._is_istio = policy.profile is Profile.ISTIO
        self._cache_size = cache_size
        self._labels = DubboLabels(self._policy, cache_size)
        self._selector = InstanceSelector(policy.selection)
        self._aliases = dict(policy.host_aliases)
        self._extra_metas = dict(policy.extra_metas)
        self._ports: dict[str, PortTable] = {}

    def convert(self, key: ServiceKey, instances: Iterable[Instance]) -> Conversion:
        """Return what one Dubbo service contributes; equal for any order of the instances."""
        members = self._admit(key.scope.group, instances)
        groups = self._name_by_key(key, members) if self._is_istio else self._name_as_slime(key, members)
        made = [self._claim(key, place, each) for place, each in sorted(groups.items())]
        claims = [claim for claim, _ in made]
        if self._policy.merged_ports and claims:
            path = () if self._is_istio else (("path", self._policy.merged_ports.host),)
            claims += claim_merged_ports(key, claims, self._policy, path)
        return Conversion(tuple(claims), tuple(reject for _, notes in made for reject in notes.list_rejects()))

    def _admit(self, interface: str, instances: Iterable[Instance]) -> list[_Member]:
        """Return the instances that count, with their labels."""
        accepts = self._selector.choose((interface,))
        members = []
        for instance in instances:
            if self._is_wanted(instance):
                judged, labels = self._labels.convert(instance.metadata)
                if accepts(judged, instance.address):
                    members.append(_Member(instance, labels))
        return members

    def _is_wanted(self, instance: Instance) -> bool:
        # Consumers leave disabled providers out; Slime publishes them, which is wrong in either profile.
        if not instance.enabled or (self._policy.drop_host_names and not is_ip(instance.address)):
            return False
        return instance.weight > 0 if self._is_istio else scheme_of(instance) == DUBBO_SCHEME

    def _name_as_slime(self, key: ServiceKey, members: list[_Member]) -> dict[_Place, list[_Member]]:
        groups: dict[_Place, list[_Member]] = {}
        for member in members:
            name = str(slime_key(key.scope.group, dict(member.labels.labels)))
            groups.setdefault(_Place(name, name + self._dubbo.host_suffix, DUBBO_SCHEME), []).append(member)
        return groups

    def _name_by_key(self, key: ServiceKey, members: list[_Member]) -> dict[_Place, list[_Member]]:
        schemes = [scheme_of(member.instance) for member in members]
        hosts = name_hosts(parse_key(key.scope.group, key.name), frozenset(schemes), self._dubbo.host_suffix)
        groups: dict[_Place, list[_Member]] = {}
        for scheme, member in zip(schemes, members, strict=True):
            groups.setdefault(_Place(hosts[scheme], hosts[scheme], scheme), []).append(member)
        return groups

    def _claim(self, key: ServiceKey, place: _Place, members: list[_Member]) -> tuple[Claim, RejectNotes]:
        notes = RejectNotes(f"{self._policy.resource_ns}/{place.name}")
        ports, endpoints = self._place(place.scheme, members, notes)
        methods = {dict(each.labels).get(METHOD_LABEL) for each in endpoints}
        if len(methods) == 1:
            endpoints = tuple([_without_methods(each) for each in endpoints])
        labels = self._label_entry(key.scope.group, endpoints, differ=len(methods) > 1)
        extra = self._extra_metas.get(place.name, _NO_EXTRA)
        annotations = {SERVICE_KEY_ANNOTATION: key.name} if self._is_istio else {}
        is_static = all(is_ip(member.instance.address) for member in members)
        claim = Claim(
            key,
            self._policy.resource_ns,
            place.name,
            (place.host, *sorted(set(self._aliases.get(place.host, ())) - {place.host})),
            ports,
            endpoints,
            Resolution.STATIC if is_static else Resolution.DNS,
            self._policy,
            sort_pairs({**labels, **dict(extra.labels)}),
            sort_pairs({**annotations, **dict(extra.annotations)}),
            is_exclusive=self._is_istio,
        )
        return claim, notes

    def _place(
        self, scheme: str, members: list[_Member], notes: RejectNotes
    ) -> tuple[tuple[ServicePort, ...], tuple[WorkloadEntry, ...]]:
        """Return the service ports and the endpoints in canonical order, each address and port once."""
        for member in members:
            for dropped in member.labels.dropped:
                notes.add(dropped.reason, dropped.key, f"{dropped.value!r} is no label; dropped")
        table = self._table(scheme)
        own_ports = frozenset([member.instance.port for member in members])
        ports = table.list_service_ports(own_ports)
        if len(ports) == MAX_SERVICE_PORTS and self._policy.instance_port_as_svc_port:
            left_out = len(own_ports - {port.number for port in ports})
            if left_out:
                detail = f"{left_out} ports of instances are no service ports; at most {MAX_SERVICE_PORTS}"
                notes.add("port_limit", "", detail)
        endpoints = sorted(
            [
                WorkloadEntry(
                    instance.address,
                    table.map_endpoint(ports, instance.port),
                    labels.labels,
                    labels.locality,
                    max(1, round(min(instance.weight, _MAX_WEIGHT))) if self._is_istio else 0,
                )
                for instance, labels in members
            ]
        )
        unique = unify_endpoints(endpoints)
        if len(unique) < len(endpoints):
            notes.add("endpoint_duplicate", "", f"{len(endpoints) - len(unique)} registered more than once; dropped")
        return ports, unique

    def _label_entry(self, interface: str, endpoints: tuple[WorkloadEntry, ...], *, differ: bool) -> dict[str, str]:
        labels = {"path": interface} if not self._is_istio or is_label_value(interface) else {}
        if self._dubbo.single_app_service:
            found = (dict(each.labels).get("application") for each in endpoints)
            labels["application"] = next((value for value in found if value is not None), "")
        own = {"registry": self._policy.source, **labels}
        if differ and not self._is_istio and is_method_lb_enabled(self._dubbo.method_lb_selectors, own):
            labels[METHOD_FLAG] = "false"
        return labels

    def _table(self, scheme: str) -> PortTable:
        """Return the port table of a scheme; what the settings say of the protocol holds for `dubbo`."""
        table = self._ports.get(scheme)
        if table is None:
            is_own = scheme == DUBBO_SCHEME
            policy = self._policy if is_own else msgspec.structs.replace(self._policy, svc_protocol=scheme)
            if len(self._ports) >= _MOST_SCHEMES:
                self._ports.clear()
            table = self._ports[scheme] = PortTable(policy, self._cache_size)
        return table


def _without_methods(endpoint: WorkloadEntry) -> WorkloadEntry:
    labels: Pairs = tuple([pair for pair in endpoint.labels if pair[0] != METHOD_LABEL])
    return endpoint if len(labels) == len(endpoint.labels) else msgspec.structs.replace(endpoint, labels=labels)
