"""Whose claims make the entry of a host that several sources claim. Pure; rules in `merge_policy`."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import ServiceKey
from meshregistry.model.merge_policy import DEFAULT_ORDER, MergeRule, Sharing
from meshregistry.model.rejects import Reject, RejectNotes
from meshregistry.model.service_entry import Resolution, ServicePort, WorkloadEntry


class Choice(NamedTuple):
    """The claims in order, and those that stand by or are passed over."""

    chosen: list[Claim]
    left_out: list[Claim]


def order_claims(claims: Iterable[Claim], rule: MergeRule) -> list[Claim]:
    """Return the claims in the order of the rule; equal for any order of the claims."""
    ranks = {source: rank for rank, source in enumerate(dict.fromkeys((*rule.order, *DEFAULT_ORDER)))}

    def place(claim: Claim) -> tuple[int, ServiceKey, str]:
        return ranks.get(claim.key.scope.source, len(ranks)), claim.key, claim.resource_name

    return sorted(claims, key=place)


def choose_claims(ordered: Sequence[Claim], rule: MergeRule) -> Choice:
    """Return whose claims are served, of claims in the order of the rule; at least one."""
    if rule.sharing is Sharing.UNION:
        return _stand_alone(ordered)
    candidates = [claim.key.scope.source for claim in ordered if claim.endpoints or rule.sharing is Sharing.PREFER]
    source = candidates[0] if candidates else ordered[0].key.scope.source
    chosen = [claim for claim in ordered if claim.key.scope.source == source]
    return Choice(chosen, [claim for claim in ordered if claim.key.scope.source != source])


def report_choice(resource: str, choice: Choice, sharing: Sharing) -> tuple[Reject, ...]:
    """Report whose claims are not served, and why."""
    notes = RejectNotes(resource)
    for claim in choice.left_out:
        served = choice.chosen[0].key.scope.source
        notes.add("host_left_to_other", str(claim.key), f"{sharing.value}: served from {served}; left out")
    return notes.list_rejects()


def name_ports(claim: Claim) -> Claim:
    """Return a claim whose endpoints all name their port for each service port.

    What a person wrote may leave it to the service port, or its target (ServiceEntry.ports in the API reference).
    """
    if claim.written is None:
        return claim
    endpoints = tuple(_name_endpoint_ports(endpoint, claim.ports) for endpoint in claim.endpoints)
    return msgspec.structs.replace(claim, endpoints=endpoints)


def _stand_alone(ordered: Sequence[Claim]) -> Choice:
    """Leave all others out where the first entry has its endpoints in a form that no list can be added to."""
    written = ordered[0].written
    is_closed = written is not None and (
        bool(written.workload_selector)
        or written.resolution in (Resolution.NONE, Resolution.DNS_ROUND_ROBIN)
        or not written.ports
        or (written.resolution is Resolution.DNS and not ordered[0].endpoints)
    )
    return Choice(list(ordered[:1]), list(ordered[1:])) if is_closed else Choice(list(ordered), [])


def _name_endpoint_ports(endpoint: WorkloadEntry, ports: tuple[ServicePort, ...]) -> WorkloadEntry:
    known = dict(endpoint.ports)
    named = tuple(sorted((port.name, known.get(port.name) or port.target_port or port.number) for port in ports))
    return endpoint if named == endpoint.ports else msgspec.structs.replace(endpoint, ports=named)
