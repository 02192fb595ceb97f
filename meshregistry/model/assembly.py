"""From instances to ServiceEntries: convert one registry service, merge what several say about one resource.

Pure but for caches. A changed instance costs the conversion of its service and the merge of its resource. Rules:
Slime pkg/source/nacos/conversion.go; where the profiles differ, see `Profile` and `ConversionPolicy`.
"""

from collections.abc import Iterable, Sequence

import msgspec

from meshregistry.model.bounded import remember
from meshregistry.model.claim import Claim, Conversion, claim_entry
from meshregistry.model.conversion import InstanceConverter
from meshregistry.model.dubbo import DubboConverter
from meshregistry.model.dubbo_key import DUBBO_NAMESPACE
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.labels import label_entry
from meshregistry.model.merging import choose_claims, name_ports, order_claims, report_choice
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.ports import extend_map, limit_ports
from meshregistry.model.rejects import Reject, RejectNotes
from meshregistry.model.service_entry import Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.territory import confine
from meshregistry.model.validation import Validated, validate_entry
from meshregistry.model.virtual_address import derive_address

_NAMES_SHOWN = 5


class ConversionCache:
    """What conversions share; owned by the one caller of `convert_service` and `merge_claims`.

    Holds at most `size` entries per table and eight policies; a full table is cleared, which costs time, never
    correctness.
    """

    _MAX_POLICIES = 8

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._converters: dict[ConversionPolicy, InstanceConverter] = {}
        self._dubbo_converters: dict[ConversionPolicy, DubboConverter] = {}
        self._legal_pairs: set[tuple[str, str]] = set()

    def converter(self, policy: ConversionPolicy) -> InstanceConverter:
        """Return the converter of a policy."""
        converter = self._converters.get(policy)
        if converter is None:
            if len(self._converters) >= self._MAX_POLICIES:
                self._converters.clear()
            converter = self._converters[policy] = InstanceConverter(policy, self._size)
        return converter

    def dubbo_converter(self, policy: ConversionPolicy, dubbo: DubboPolicy) -> DubboConverter:
        """Return the converter of a policy's Dubbo services."""
        converter = self._dubbo_converters.get(policy)
        if converter is None:
            converter = DubboConverter(policy, dubbo, self._size)
            remember(self._dubbo_converters, policy, converter, self._MAX_POLICIES)
        return converter

    def legal_pairs(self) -> set[tuple[str, str]]:
        """Return the labels that `validate_entry` has found legal."""
        if len(self._legal_pairs) >= self._size:
            self._legal_pairs.clear()
        return self._legal_pairs


def choose_dubbo(key: ServiceKey, policy: ConversionPolicy) -> DubboPolicy | None:
    """Return the rules of Dubbo for a service that they are for."""
    return policy.dubbo if key.scope.namespace == DUBBO_NAMESPACE else None


def convert_service(
    key: ServiceKey, instances: Iterable[Instance], policy: ConversionPolicy, cache: ConversionCache
) -> Conversion:
    """Return what a registry service contributes by its source's policy; equal for any order of the instances.

    With naming, one service can contribute to several resources and several to one.

    No usable instance is no claim, and none lies outside the source's territory.
    """
    if (dubbo := choose_dubbo(key, policy)) is not None:
        conversion = cache.dubbo_converter(policy, dubbo).convert(key, instances)
    else:
        conversion = cache.converter(policy).convert(key, instances)
    return conversion if policy.territory is None else confine(conversion, policy.territory)


def convert_entry(key: ServiceKey, entry: ServiceEntry, policy: ConversionPolicy) -> Conversion:
    """Return what an entry that a person wrote contributes: itself, unless a host is outside the source's territory."""
    conversion = Conversion((claim_entry(key, entry, policy),))
    return conversion if policy.territory is None else confine(conversion, policy.territory)


def merge_claims(claims: Sequence[Claim], cache: ConversionCache, name: str = "") -> Validated:
    """Return the entry that all claims of one resource make together; equal for any order of the claims.

    Endpoints are united, each address and port once, unless the host's rule leaves it to one source. The first claim
    in the order of the rule, then of the service keys, supplies what an entry has once: name, host, location,
    metadata, and the protocol of a port number that several use. Two services on one host are merged and reported; of
    exclusive ones only the first stays. Where the claims have several names, `name` is the resource's. What istiod
    would reject is dropped or held back (`validate_entry`). Raises ValueError for no claims.
    """
    if not claims:
        raise ValueError("nobody claims the resource")
    if len(claims) == 1:
        return _assemble(_under(name, claims[0]), [claims[0]], (), cache)
    rule = claims[0].policy.merging.find(min(claim.hosts[0] for claim in claims))
    candidates = order_claims(claims, rule)
    lead = next((claim for claim in candidates if claim.resource_name == name), _under(name, candidates[0]))
    choice = choose_claims(candidates, rule)
    reports = report_choice(lead.resource_name, choice, rule.sharing)
    named = [name_ports(claim) for claim in choice.chosen] if choice.chosen[1:] else choice.chosen
    ordered, left_out = _exclude(named, lead.resource_name)
    return _assemble(lead, ordered, (*reports, *left_out), cache)


def _under(name: str, claim: Claim) -> Claim:
    """Return a claim under the name of its host's home, whose own claims may all not count now."""
    if not name or claim.resource_name == name:
        return claim
    namespace, _, own = name.partition("/")
    return msgspec.structs.replace(claim, namespace=namespace, name=own)


def _assemble(lead: Claim, ordered: list[Claim], left_out: tuple[Reject, ...], cache: ConversionCache) -> Validated:
    """Return the entry of claims in order, under the name that `lead` gives it."""
    winner = ordered[0]
    ports, endpoints = (winner.ports, winner.endpoints) if len(ordered) == 1 else _unite(ordered)
    policy = winner.policy
    hosts = _unite_hosts(ordered)
    is_dns = any(claim.resolution is Resolution.DNS for claim in ordered)
    resolution = Resolution.DNS if is_dns else Resolution.STATIC
    if winner.written is not None:
        resolution = resolution if len(ordered) > 1 else winner.written.resolution
        entry = msgspec.structs.replace(
            winner.written,
            namespace=lead.namespace,
            name=lead.name,
            hosts=hosts,
            ports=ports,
            endpoints=endpoints,
            resolution=resolution,
        )
        return _finish(entry, ordered, left_out, cache)
    entry = ServiceEntry(
        lead.namespace,
        lead.name,
        hosts,
        ports,
        endpoints,
        resolution,
        policy.location,
        _list_addresses(winner.hosts[0], ports, policy),
        labels=label_entry(endpoints, hosts, policy, winner.labels),
        annotations=winner.annotations,
    )
    return _finish(entry, ordered, left_out, cache)


def _finish(
    entry: ServiceEntry, ordered: list[Claim], left_out: tuple[Reject, ...], cache: ConversionCache
) -> Validated:
    validated = validate_entry(entry, ordered[0].policy.profile, cache.legal_pairs())
    shared = (*left_out, *(_report_sharing(ordered, entry.resource_name) if len(ordered) > 1 else ()))
    return Validated(validated.entry, (*shared, *validated.rejects)) if shared else validated


def _exclude(claims: list[Claim], resource: str) -> tuple[list[Claim], tuple[Reject, ...]]:
    """Leave out the claims that an exclusive first one does not tolerate: their traffic would mix."""
    winner = claims[0]
    if not winner.is_exclusive or len(claims) == 1:
        return claims, ()
    notes = RejectNotes(resource)
    for claim in claims:
        if claim.service_name != winner.service_name:
            notes.add("host_collision", claim.service_name, f"{winner.service_name} has its host; left out")
    return [claim for claim in claims if claim.service_name == winner.service_name], notes.list_rejects()


def _unite(claims: Sequence[Claim]) -> tuple[tuple[ServicePort, ...], tuple[WorkloadEntry, ...]]:
    """Return the ports and endpoints of all claims; every endpoint is reached by every port, on its own port."""
    by_number: dict[int, ServicePort] = {}
    for port in (port for claim in claims for port in claim.ports):
        by_number.setdefault(port.number, port)
    if not any(claim.endpoints for claim in claims):
        return tuple(by_number[number] for number in sorted(by_number)), ()
    ports = tuple(by_number[number] for number in limit_ports(by_number, claims[0].policy.svc_port))
    united: dict[tuple[str, int], WorkloadEntry] = {}
    for claim in claims:
        for endpoint in claim.endpoints:
            port_map = extend_map(endpoint, claim.ports, ports)
            extended = endpoint if endpoint.ports == port_map else msgspec.structs.replace(endpoint, ports=port_map)
            united.setdefault((endpoint.address, endpoint.ports[0][1]), extended)
    return ports, tuple(sorted(united.values()))


def _unite_hosts(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Return the winner's host, then every alias; in the slime profile all of them sorted, as Slime does."""
    if len(claims) == 1 and len(claims[0].hosts) == 1:
        return claims[0].hosts
    host = claims[0].hosts[0]
    if claims[0].written is not None:
        further = {alias for claim in claims[1:] for alias in claim.hosts[1:]} - {*claims[0].hosts}
        return (*claims[0].hosts, *sorted(further))
    aliases = {alias for claim in claims for alias in claim.hosts[1:]} - {host}
    if claims[0].policy.profile is Profile.SLIME:
        return tuple(sorted({host, *aliases}))
    return (host, *sorted(aliases))


def _list_addresses(host: str, ports: tuple[ServicePort, ...], policy: ConversionPolicy) -> tuple[str, ...]:
    if policy.profile is Profile.SLIME or not policy.vip_range:
        return ()
    is_needed = policy.vip_for_all or any(port.protocol == "TCP" for port in ports)
    return (derive_address(host, policy.vip_range),) if is_needed else ()


def _report_sharing(claims: Sequence[Claim], resource: str) -> tuple[Reject, ...]:
    """Report registry names that became one host, and claims whose other host the winner's replaces."""
    notes = RejectNotes(resource)
    host = claims[0].hosts[0]
    if len({claim.service_name for claim in claims}) > 1:
        names = ", ".join(str(claim.key) for claim in claims[:_NAMES_SHOWN])
        notes.add("host_shared", host, f"merged from {len(claims)} services: {names}")
    for claim in claims:
        if claim.hosts[0] != host:
            notes.add("host_replaced", claim.hosts[0], f"{claim.key} is merged into {host}")
    return notes.list_rejects()
