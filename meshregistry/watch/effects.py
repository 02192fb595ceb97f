"""What istiod's ServiceEntry controller would push to Envoys for each applied change.

Source: istiod ``pilot/pkg/serviceregistry/serviceentry/controller.go`` (serviceEntryHandler, servicesDiff, edsUpdate;
from 1.30 pushServiceUpdates, pushServiceEndpointUpdates) and ``pilot/pkg/model/endpointshards.go``
(UpdateServiceEndpoints). Default settings are assumed: with ``PILOT_ENABLE_IP_AUTOALLOCATE=false`` and no addresses
every update is a full push.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from meshregistry.watch.families import SERVICE_ENTRY, Behaviour, Family
from meshregistry.watch.model import Action, ConfigEvent, StoredConfig
from meshregistry.watch.resources import Resolution, ServiceEntrySpec

TRAFFIC_DISTRIBUTION = "networking.istio.io/traffic-distribution"
APPLIED = frozenset({Action.CREATED, Action.UPDATED, Action.DELETED})
DNS_RESOLUTIONS = frozenset({Resolution.DNS, Resolution.DNS_ROUND_ROBIN})


class Push(StrEnum):
    """How much istiod sends to the Envoys that see the service."""

    NONE = "none"
    ENDPOINTS = "EDS-only"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Effect:
    """The push an event leads to, and why."""

    push: Push
    reason: str = ""


class ServiceKey(NamedTuple):
    """A service in istiod's endpoint index."""

    namespace: str
    host: str


@dataclass(frozen=True, slots=True)
class Instance:
    """An endpoint of one service port, as istiod compares it.

    ``workload`` is set only where the position in the list is part of the identity.
    """

    address: str
    port: int
    port_name: str
    labels: frozenset[tuple[str, str]]
    network: str
    locality: str
    weight: int
    service_account: str
    workload: str = ""


Instances = frozenset[Instance]


@dataclass(frozen=True, slots=True)
class _Service:
    """The service-level content of one entry; two entries that differ here lead to a full push."""

    ports: tuple[tuple[int, str, str, int], ...]
    addresses: tuple[str, ...]
    resolution: int
    location: int
    export_to: frozenset[str]
    subject_alt_names: tuple[str, ...]
    selector: frozenset[tuple[str, str]] | None
    labels: frozenset[tuple[str, str]]
    traffic_distribution: str


@dataclass(slots=True)
class _Shard:
    """What the endpoint index holds for a service, which is what the Envoys were told."""

    instances: Instances = field(default_factory=frozenset)
    accounts: frozenset[str] = field(default_factory=frozenset)

    def replace(self, instances: Instances) -> None:
        self.instances = instances
        self.accounts = _accounts(instances)


class ServiceEntryController:
    """Follows the model's events and keeps what the Envoys believe. It owns the endpoint index; one task at a time."""

    def __init__(self, family: Family) -> None:
        self.pushes: Counter[Push] = Counter()
        self._behaviour = family.behaviour
        self._entries: defaultdict[ServiceKey, dict[str, Instances]] = defaultdict(dict)
        self._shards: dict[ServiceKey, _Shard] = {}

    def endpoints(self, namespace: str, host: str) -> Instances:
        """What the Envoys were last told about a host: stale where istiod forgets to push."""
        shard = self._shards.get(ServiceKey(namespace, host))
        return shard.instances if shard else frozenset()

    def apply(self, event: ConfigEvent) -> Effect:
        """Classify one event of the model; events must come in order and none may be left out."""
        effect = self._classify(event)
        self.pushes[effect.push] += 1
        return effect

    def _classify(self, event: ConfigEvent) -> Effect:
        if event.action not in APPLIED:
            return Effect(Push.NONE, "nothing was applied")
        if event.key.kind != SERVICE_ENTRY:
            return Effect(Push.FULL, "a config of another kind")
        old, new = _spec(event.old), _spec(event.new)
        self._index(event, new)
        reason = self._service_level_change(event, old, new)
        if reason:
            self._refresh(event, old, new)
            return Effect(Push.FULL, reason)
        if self._behaviour.outputs_are_compared:
            return self._push_changed_outputs(event, old, new)
        return self._push_new_instances(event, new)

    def _index(self, event: ConfigEvent, new: ServiceEntrySpec | None) -> None:
        for service in _services(event, _spec(event.old)):
            self._entries[service].pop(event.key.name, None)
        for service in _services(event, new):
            self._entries[service][event.key.name] = _instances(event.key.name, new, self._behaviour)

    def _service_level_change(
        self, event: ConfigEvent, old: ServiceEntrySpec | None, new: ServiceEntrySpec | None
    ) -> str:
        if old is None:
            return "new service"
        if new is None:
            return "service removed"
        if set(old.hosts) != set(new.hosts):
            return "hosts changed"
        if _service(event.old, self._behaviour) != _service(event.new, self._behaviour):
            return "the service itself changed"
        is_dns = bool({old.resolution, new.resolution} & DNS_RESOLUTIONS)
        if is_dns and not (self._behaviour.outputs_are_compared and old.endpoints == new.endpoints):
            return "endpoints of a DNS service are part of its cluster"
        return ""

    def _refresh(self, event: ConfigEvent, old: ServiceEntrySpec | None, new: ServiceEntrySpec | None) -> None:
        """A full push brings the endpoints along: the index is updated without a push of its own."""
        for service in {*_services(event, old), *_services(event, new)}:
            instances = self._merged(service)
            if not self._entries[service]:
                del self._entries[service]
                self._shards.pop(service, None)
            elif instances or service in self._shards:
                self._shards.setdefault(service, _Shard()).replace(instances)

    def _push_new_instances(self, event: ConfigEvent, new: ServiceEntrySpec | None) -> Effect:
        """Up to 1.29 the services to look at are those of the new instances, so an emptied list is overlooked."""
        services = _services(event, new)
        if not any(self._entries[service][event.key.name] for service in services):
            stale = any(self.endpoints(*service) for service in services)
            return Effect(Push.NONE, "emptied: the old endpoints stay in Envoy" if stale else "no endpoints")
        return _strongest([self._push_endpoints(service) for service in services])

    def _push_changed_outputs(
        self, event: ConfigEvent, old: ServiceEntrySpec | None, new: ServiceEntrySpec | None
    ) -> Effect:
        name = event.key.name
        if _instances(name, old, self._behaviour) == _instances(name, new, self._behaviour):
            return Effect(Push.NONE, "nothing Envoy sees changed")
        return _strongest([self._push_endpoints(service) for service in _services(event, new)])

    def _push_endpoints(self, service: ServiceKey) -> Effect:
        instances = self._merged(service)
        shard = self._shards.get(service)
        if shard is None:
            self._shards[service] = _Shard(instances, _accounts(instances))
            return Effect(Push.FULL, "first endpoints of the host")
        same = shard.instances == instances
        accounts_changed = bool(instances) and shard.accounts != _accounts(instances)
        shard.replace(instances)
        if accounts_changed:
            return Effect(Push.FULL, "the set of service accounts changed")
        if same and not self._behaviour.equal_endpoints_are_pushed:
            return Effect(Push.NONE, "nothing Envoy sees changed")
        return Effect(Push.ENDPOINTS, "" if instances else "emptied")

    def _merged(self, service: ServiceKey) -> Instances:
        return frozenset().union(*self._entries[service].values())


def _strongest(effects: list[Effect]) -> Effect:
    order = list(Push)
    return max(effects, key=lambda effect: order.index(effect.push))


def _spec(config: StoredConfig | None) -> ServiceEntrySpec | None:
    return config.spec if config is not None and isinstance(config.spec, ServiceEntrySpec) else None


def _services(event: ConfigEvent, spec: ServiceEntrySpec | None) -> list[ServiceKey]:
    return [ServiceKey(event.key.namespace, host) for host in spec.hosts] if spec else []


def _service(config: StoredConfig | None, behaviour: Behaviour) -> _Service | None:
    spec = _spec(config)
    if config is None or spec is None:
        return None
    with_target = behaviour.target_port_is_service_level
    with_distribution = behaviour.traffic_distribution_is_service_level
    return _Service(
        ports=tuple((p.number, p.name, p.protocol.upper(), p.target_port if with_target else 0) for p in spec.ports),
        addresses=spec.addresses,
        resolution=spec.resolution if behaviour.resolution_is_service_level else 0,
        location=spec.location,
        export_to=frozenset(spec.export_to),
        subject_alt_names=spec.subject_alt_names,
        selector=None if spec.workload_selector is None else _pairs(spec.workload_selector),
        labels=_pairs(config.labels),
        traffic_distribution=config.annotations.get(TRAFFIC_DISTRIBUTION, "") if with_distribution else "",
    )


def _pairs(mapping: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(mapping.items())


def _accounts(instances: Instances) -> frozenset[str]:
    return frozenset(instance.service_account for instance in instances if instance.service_account)


def _instances(name: str, spec: ServiceEntrySpec | None, behaviour: Behaviour) -> Instances:
    """Every endpoint on every port; the endpoint's own port number wins over the target port, that over the port."""
    if spec is None:
        return frozenset()
    return frozenset(
        Instance(
            address=endpoint.address,
            port=endpoint.ports.get(port.name) or port.target_port or port.number,
            port_name=port.name,
            labels=_pairs(endpoint.labels),
            network=endpoint.network,
            locality=endpoint.locality,
            weight=endpoint.weight,
            service_account=endpoint.service_account,
            workload=f"{name}-{index}" if behaviour.outputs_are_compared else "",
        )
        for index, endpoint in enumerate(spec.endpoints)
        for port in spec.ports
    )
