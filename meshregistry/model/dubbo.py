"""From Dubbo instances to claims, in both profiles.

Rules: Slime pkg/source/zookeeper/conversion.go. The slime profile takes what Slime takes, providers of the scheme
`dubbo`; in the istio profile every scheme has a host with its own kind of port.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from meshregistry.model.claim import Claim, Conversion, unify_endpoints
from meshregistry.model.dubbo_key import DUBBO_SCHEME, DubboKey, parse_key, slime_key
from meshregistry.model.dubbo_labels import METHOD_LABEL, Described, DubboLabels
from meshregistry.model.dubbo_naming import SERVICE_KEY_ANNOTATION, name_hosts
from meshregistry.model.dubbo_policy import DubboPolicy, is_method_lb_enabled
from meshregistry.model.grammar import is_ip, is_label_value
from meshregistry.model.instance import Instance, ServiceKey, sort_pairs
from meshregistry.model.merged_ports import claim_merged_ports
from meshregistry.model.policy import ConversionPolicy, ExtraMeta, Profile
from meshregistry.model.ports import MAX_SERVICE_PORTS, PortTable
from meshregistry.model.rejects import RejectNotes
from meshregistry.model.selection import InstanceSelector
from meshregistry.model.service_entry import Resolution, ServicePort, WorkloadEntry

METHOD_FLAG = "istio.io/dubbomethodequal"
_MAX_WEIGHT = 1_000_000.0
_NO_EXTRA = ExtraMeta()


class _Member(NamedTuple):
    instance: Instance
    said: Described


class _Place(NamedTuple):
    """Where instances go: the resource's name, its host, and the scheme they speak."""

    name: str
    host: str
    scheme: str


class NamedService(NamedTuple):
    """One service as the mesh knows it: what Sidecars name."""

    host: str
    """Without the suffix in the slime profile, as Slime writes it there."""

    key: DubboKey
    """What consumers ask for: in the slime profile what labels make of it."""

    applications: frozenset[str]
    """The providers'; those that are switched off count."""

    is_served: bool
    """Whether a provider takes calls: others claim no host."""


@lru_cache(maxsize=16)
def apply_dubbo(policy: ConversionPolicy, dubbo: DubboPolicy) -> ConversionPolicy:
    """Return the policy that the claims of Dubbo services carry: what Dubbo's rules say of ports and names counts."""
    return msgspec.structs.replace(
        policy,
        svc_protocol=dubbo.svc_protocol,
        generic_protocol=dubbo.generic_protocol,
        svc_port=dubbo.svc_port,
        instance_port_as_svc_port=dubbo.instance_port_as_svc_port,
        resource_ns=dubbo.resource_ns,
    )


class DubboConverter:
    """Converts by one policy; owns its label and port tables."""

    def __init__(self, policy: ConversionPolicy, dubbo: DubboPolicy, cache_size: int) -> None:
        self._dubbo = dubbo
        self._policy = apply_dubbo(policy, dubbo)
        self._is_istio = policy.profile is Profile.ISTIO
        self._labels = DubboLabels(self._policy, cache_size)
        self._selector = InstanceSelector(policy.selection)
        self._aliases = dict(policy.host_aliases)
        self._extra_metas = dict(policy.extra_metas)
        self._ports = PortTable(self._policy, cache_size)

    def convert(self, key: ServiceKey, instances: Iterable[Instance]) -> Conversion:
        """Return what one Dubbo service contributes; equal for any order of the instances."""
        selected = self._select((key.name, key.scope.group), instances)
        members = [member for member in selected if self._is_wanted(member)]
        if self._is_istio:
            # Those that do not count now keep their host: it must not change hands when they are switched off.
            groups = self._name_by_key(key, members, frozenset([member.said.scheme for member in selected]))
        else:
            groups = self._name_as_slime(key, members)
        made = [self._claim(key, place, each) for place, each in sorted(groups.items())]
        claims = [claim for claim, _ in made]
        if self._policy.merged_ports and claims:
            path = () if self._is_istio else (("path", self._policy.merged_ports.host),)
            claims += claim_merged_ports(key, claims, self._policy, path)
        return Conversion(tuple(claims), tuple(reject for _, notes in made for reject in notes.list_rejects()))

    @property
    def is_exact(self) -> bool:
        """Whether a service is called by what is registered, and shares its host with no other."""
        return self._is_istio

    @property
    def checks_values(self) -> bool:
        """Whether a parameter whose value is no label becomes none."""
        return not self._policy.skip_validate_label_value

    def name_services(self, key: ServiceKey, instances: Iterable[Instance]) -> tuple[NamedService, ...]:
        """Return what one Dubbo service is called in the mesh, in order of the hosts; equal for any order."""
        interface = key.scope.group
        members = self._select((key.name, interface), instances)
        if self._is_istio:
            groups = self._name_by_key(key, members, frozenset([member.said.scheme for member in members]))
        else:
            groups = self._name_as_slime(key, [member for member in members if member.said.scheme == DUBBO_SCHEME])
        return tuple(
            NamedService(
                place.name,
                parse_key(interface, key.name if self._is_istio else place.name),
                frozenset([said.params.get("application", "") for said in _list_different(each)]) - {""},
                any(map(self._is_wanted, each)),
            )
            for place, each in sorted(groups.items())
        )

    def _select(self, names: tuple[str, ...], instances: Iterable[Instance]) -> list[_Member]:
        """Return the instances that selectors accept."""
        accepts = self._selector.choose(names)
        members: list[_Member] = []
        known: dict[int, Described] = {}
        for instance in instances:
            # Instances of one application share their metadata, whose hash costs more than all else here.
            said = known.get(id(instance.metadata))
            if said is None:
                said = known[id(instance.metadata)] = self._labels.convert(instance.metadata)
            members.append(_Member(instance, said))
        if self._selector.is_idle:
            return members
        return [member for member in members if accepts(member.said.params, member.instance.address)]

    def _is_wanted(self, member: _Member) -> bool:
        instance = member.instance
        # Consumers leave disabled providers out; Slime publishes them, which is wrong in either profile.
        if not instance.enabled or (self._policy.drop_host_names and not is_ip(instance.address)):
            return False
        return instance.weight > 0 if self._is_istio else member.said.scheme == DUBBO_SCHEME

    def _name_as_slime(self, key: ServiceKey, members: list[_Member]) -> dict[_Place, list[_Member]]:
        names = {id(said): str(slime_key(key.scope.group, said.params)) for said in _list_different(members)}
        groups: dict[str, list[_Member]] = {}
        for member in members:
            groups.setdefault(names[id(member.said)], []).append(member)
        suffix = self._dubbo.host_suffix
        return {_Place(name, name + suffix, DUBBO_SCHEME): each for name, each in groups.items()}

    def _name_by_key(
        self, key: ServiceKey, members: list[_Member], schemes: frozenset[str]
    ) -> dict[_Place, list[_Member]]:
        hosts = name_hosts(parse_key(key.scope.group, key.name), schemes, self._dubbo.host_suffix)
        groups: dict[str, list[_Member]] = {}
        for member in members:
            groups.setdefault(member.said.scheme, []).append(member)
        return {_Place(hosts[scheme], hosts[scheme], scheme): each for scheme, each in groups.items()}

    def _claim(self, key: ServiceKey, place: _Place, members: list[_Member]) -> tuple[Claim, RejectNotes]:
        notes = RejectNotes(f"{self._policy.resource_ns}/{place.name}")
        methods = set() if self._is_istio else {said.params.get(METHOD_LABEL) for said in _list_different(members)}
        ports = self._list_ports(place.scheme, members, notes)
        endpoints = self._place(members, ports, notes, with_methods=len(methods) > 1)
        labels = self._label_entry(key.scope.group, endpoints, differ=len(methods) > 1)
        extra = self._extra_metas.get(place.name, _NO_EXTRA)
        annotations = {SERVICE_KEY_ANNOTATION: key.name} if self._is_istio else {}
        is_static = all(map(is_ip, [instance.address for instance, _ in members]))
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

    def _list_ports(self, scheme: str, members: list[_Member], notes: RejectNotes) -> tuple[ServicePort, ...]:
        own_ports = frozenset([member.instance.port for member in members])
        # What the settings say of the protocol holds for `dubbo`.
        ports = self._ports.list_service_ports(own_ports, "" if scheme == DUBBO_SCHEME else scheme)
        if len(ports) == MAX_SERVICE_PORTS and self._policy.instance_port_as_svc_port:
            left_out = len(own_ports - {port.number for port in ports})
            if left_out:
                detail = f"{left_out} ports of instances are no service ports; at most {MAX_SERVICE_PORTS}"
                notes.add("port_limit", "", detail)
        return ports

    def _place(
        self, members: list[_Member], ports: tuple[ServicePort, ...], notes: RejectNotes, *, with_methods: bool
    ) -> tuple[WorkloadEntry, ...]:
        """Return the endpoints in canonical order, each address and port once."""
        if any(said.labels.dropped for said in _list_different(members)):
            self._note_dropped(members, notes)
        maps = {port: self._ports.map_endpoint(ports, port) for port in {instance.port for instance, _ in members}}
        scale = _scale if self._is_istio else _set_none
        endpoints = sorted(
            [
                WorkloadEntry(
                    instance.address,
                    maps[instance.port],
                    said.labels.labels if with_methods else said.without_methods,
                    said.labels.locality,
                    scale(instance.weight),
                )
                for instance, said in members
            ]
        )
        unique = unify_endpoints(endpoints)
        if len(unique) < len(endpoints):
            notes.add("endpoint_duplicate", "", f"{len(endpoints) - len(unique)} registered more than once; dropped")
        return unique

    def _note_dropped(self, members: list[_Member], notes: RejectNotes) -> None:
        different = {member.instance.metadata: member.said for member in members}.values()
        for dropped in [dropped for said in different for dropped in said.labels.dropped]:
            notes.add(dropped.reason, dropped.key, f"{dropped.value!r} is no label; dropped")

    def _label_entry(self, interface: str, endpoints: tuple[WorkloadEntry, ...], *, differ: bool) -> dict[str, str]:
        labels = {"path": interface} if not self._is_istio or is_label_value(interface) else {}
        if self._dubbo.single_app_service:
            found = (dict(each.labels).get("application") for each in endpoints)
            labels["application"] = next((value for value in found if value is not None), "")
        own = {"registry": self._policy.source, **labels}
        if differ and not self._is_istio and is_method_lb_enabled(self._dubbo.method_lb_selectors, own):
            labels[METHOD_FLAG] = "false"
        return labels


def _list_different(members: list[_Member]) -> Iterable[Described]:
    """Return what the members say, each as often as there are records of it: members mostly share one."""
    return {id(said): said for _, said in members}.values()


@lru_cache(maxsize=1024)
def _scale(weight: float) -> int:
    """Return the weight as an integer, at least 1."""
    return max(1, round(min(weight, _MAX_WEIGHT)))


def _set_none(_weight: float) -> int:
    return 0
