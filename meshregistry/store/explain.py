"""Why a host has an endpoint, or has it not: from the registry's record to the version that is served."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from meshregistry.model.assembly import ConversionCache
from meshregistry.model.claim import Claim
from meshregistry.model.fate import CONVERTED, tell_fate
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.rejects import Reject, print_subject
from meshregistry.store.departures import Place, place_of
from meshregistry.wire.resource import Resource

MAX_INSTANCES = 100
MAX_REJECTS = 50
_WITHHELD = {
    "expired": "nothing was heard of its scope for guard.max_stale",
    "gave_way": "nothing was heard of its scope for a while, and another service registered the address and port",
}


class Testimony(Protocol):
    """What the sources remember of their registries' answers."""

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published."""
        ...


class InstanceAnswer(msgspec.Struct, frozen=True):
    """One registration, or one endpoint that is served without any."""

    address: str
    port: int
    outcome: str
    """`served`, or why not: an outcome of `Fate`, `merged_away`, `quarantine`, `not_served`; `kept` for an endpoint
    that only the guard serves."""

    detail: str


class ServiceAnswer(msgspec.Struct, frozen=True):
    """What one service of a registry contributes to the resource."""

    service: str
    source: str
    scope: str
    registered: int | None
    """Instances that the source remembers; None when it does not tell."""

    contributed: int
    held: int
    holds: tuple[str, ...]
    instances: tuple[InstanceAnswer, ...]


class ResourceAnswer(msgspec.Struct, frozen=True):
    """One resource, from its registries to what is served."""

    resource: str
    hosts: tuple[str, ...]
    version: str
    """Of the resource; "" when nothing is served."""

    sequence: int
    """The store's commit that last changed it; 0 when nothing is served."""

    endpoints: int
    rule: str
    """The guard's rule in force, or ""."""

    services: tuple[ServiceAnswer, ...]
    rejects: tuple[Reject, ...]


class Evidence(NamedTuple):
    """What is known of one resource."""

    name: str
    resource: Resource | None
    sequence: int
    claims: tuple[Claim, ...]
    held: Mapping[ServiceKey, tuple[Claim, ...]]
    holds: Mapping[ServiceKey, tuple[str, ...]]
    rule: str
    rejects: tuple[Reject, ...]
    withheld: Callable[[ServiceKey, str], str]
    """Service and address → why the address does not count now (`store/freshness.py`), "" when it does."""


class Question(NamedTuple):
    """What is asked: a host or resource name, and an address or "" for all."""

    host: str
    address: str


def explain_resource(
    evidence: Evidence,
    question: Question,
    registered: Mapping[ServiceKey, tuple[Instance, ...]],
    policies: Mapping[str, ConversionPolicy],
    cache: ConversionCache,
) -> ResourceAnswer:
    """Return the answer for one resource; `registered` holds what the sources remember of the services in question."""
    entry = evidence.resource.entry if evidence.resource is not None else None
    served = {place_of(endpoint) for endpoint in entry.endpoints} if entry is not None else set()
    keys = sorted({claim.key for claim in evidence.claims} | evidence.held.keys() | registered.keys())
    teller = _Teller(evidence, question.address, served, policies, cache)
    services = tuple([teller.tell(key, registered.get(key)) for key in keys])
    return ResourceAnswer(
        print_subject(evidence.name),
        entry.hosts if entry is not None else tuple(sorted({claim.hosts[0] for claim in evidence.claims})),
        evidence.resource.version if evidence.resource is not None else "",
        evidence.sequence,
        len(served),
        evidence.rule,
        services,
        evidence.rejects[:MAX_REJECTS],
    )


class _Teller(NamedTuple):
    evidence: Evidence
    address: str
    served: set[Place]
    policies: Mapping[str, ConversionPolicy]
    cache: ConversionCache

    def tell(self, key: ServiceKey, registered: tuple[Instance, ...] | None) -> ServiceAnswer:
        own = [claim for claim in self.evidence.claims if claim.key == key]
        held = self.evidence.held.get(key, ())
        contributed = _places(own)
        answers = [self._judge(key, each) for each in registered or () if self.address in ("", each.address)]
        answers += self._list_kept(contributed, _places(held), registered)
        if self.address and registered is not None and not answers:
            shown = print_subject(self.address)
            answers = [InstanceAnswer(shown, 0, "unregistered", "its registry does not name it")]
        return ServiceAnswer(
            print_subject(str(key)),
            key.scope.source,
            print_subject(str(key.scope)),
            None if registered is None else len(registered),
            len(contributed),
            len(_places(held)),
            self.evidence.holds.get(key, ()),
            tuple(answers[:MAX_INSTANCES]),
        )

    def _judge(self, key: ServiceKey, instance: Instance) -> InstanceAnswer:
        policy = self.policies.get(key.scope.source)
        if policy is None:
            return _answer(instance, "not_served", "its source is not enabled")
        fate = tell_fate(key, instance, policy, self.cache)
        if fate.outcome != CONVERTED:
            return _answer(instance, fate.outcome, fate.detail)
        if self.evidence.name not in fate.resources:
            return _answer(instance, "elsewhere", "it belongs to " + ", ".join(fate.resources))
        if any(address == instance.address for address, _ in self.served):
            return _answer(instance, "served", fate.detail)
        return _answer(instance, *self._explain_absence(key, instance))

    def _explain_absence(self, key: ServiceKey, instance: Instance) -> tuple[str, str]:
        withheld = self.evidence.withheld(key, instance.address)
        if withheld:
            return withheld, _WITHHELD[withheld]
        left_out = [each for each in self.evidence.rejects if each.reason == "host_left_to_other"]
        if any(each.subject == print_subject(str(key)) for each in left_out):
            return "host_left_to_other", left_out[0].detail
        about = [each for each in self.evidence.rejects if instance.address in f"{each.subject} {each.detail}"]
        if about:
            return about[0].reason, about[0].detail
        if self.evidence.rule == "quarantine":
            detail = "; ".join(f"{each.reason}: {each.detail}" for each in self.evidence.rejects[:3])
            return "quarantine", f"the entry is not valid and its last good form stays ({detail})"
        if any(each.reason in ("host_collision", "endpoint_duplicate") for each in self.evidence.rejects):
            return "merged_away", "another service owns the host, or another registration the address and port"
        return "not_served", "converted, but not in what is served"

    def _list_kept(
        self, contributed: set[Place], held: set[Place], registered: tuple[Instance, ...] | None
    ) -> list[InstanceAnswer]:
        known = {instance.address for instance in registered or ()}
        kept = sorted((held | (contributed if registered is None else set())) & self.served)
        return [
            InstanceAnswer(
                address,
                port,
                "kept" if (address, port) in held else "served",
                "held: the registry does not name it any more" if (address, port) in held else "by an earlier answer",
            )
            for address, port in kept
            if self.address in ("", address) and ((address, port) in held or address not in known)
        ]


def _answer(instance: Instance, outcome: str, detail: str) -> InstanceAnswer:
    return InstanceAnswer(print_subject(instance.address), instance.port, outcome, print_subject(detail))


def _places(claims: Iterable[Claim]) -> set[Place]:
    return {place_of(endpoint) for claim in claims for endpoint in claim.endpoints}
