"""Why a host has an endpoint, or has it not: from the registry's record to the version that is served."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, Protocol

import msgspec

from meshregistry.model.assembly import ConversionCache
from meshregistry.model.claim import Claim
from meshregistry.model.fate import CONVERTED, Fate, tell_fate
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.rejects import Reject, print_subject
from meshregistry.model.relabel import Rewrite
from meshregistry.model.service_entry import WorkloadEntry
from meshregistry.model.validation import HELD_BACK
from meshregistry.store.departures import Place, place_of
from meshregistry.store.holds import Hold
from meshregistry.store.quota import LIMIT_REASONS
from meshregistry.wire.resource import Resource

MAX_HOSTS = 20
MAX_SERVICES = 50
MAX_INSTANCES = 100
"""Of all services of a resource together, as each costs a conversion."""

MAX_REJECTS = 50
MAX_REWRITES = 5
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
    relabelled: tuple[Rewrite, ...] = ()
    """What the configuration's relabelling changed of its metadata, at most `MAX_REWRITES`."""


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
    """Those asked about, at most `MAX_INSTANCES`; where there are more, what is not served comes first."""

    more_instances: int = 0
    causes: tuple[str, ...] = ()
    """Why these holds hold: `mass`, `doubt`, `freeze`."""


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

    kept: tuple[InstanceAnswer, ...]
    """Endpoints that no service contributes and no hold keeps: the guard's rule alone serves them."""

    services: tuple[ServiceAnswer, ...]
    rejects: tuple[Reject, ...]
    more_hosts: int = 0
    more_kept: int = 0
    more_services: int = 0
    more_rejects: int = 0


class Evidence(NamedTuple):
    """What is known of one resource."""

    name: str
    resource: Resource | None
    sequence: int
    claims: tuple[Claim, ...]
    held: Mapping[ServiceKey, tuple[Claim, ...]]
    holds: Mapping[ServiceKey, tuple[Hold, ...]]
    rule: str
    rejects: tuple[Reject, ...]
    withheld: Callable[[ServiceKey, AbstractSet[Place]], str]
    """Service and places → why these do not count now (`store/freshness.py`), "" when they do."""

    own_rejects: Callable[[ServiceKey], tuple[Reject, ...]]
    """Service → what was dropped or repaired of it before it met others."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell: the resource's host has its home under another name."""
        return self.resource is None and not (self.claims or self.held or self.rejects)


class Question(NamedTuple):
    """What is asked: a host or resource name, an address or "" for all, a port or 0 for each of the address."""

    host: str
    address: str
    port: int = 0

    def covers(self, place: Place) -> bool:
        """Whether it is about an address and port."""
        return self.port in (0, place[1]) and (not self.address or _is_same(self.address, place[0]))

    def names(self, instance: Instance) -> bool:
        """Whether it is about an instance, by either of its ports."""
        return any(self.covers((instance.address, port)) for port in (instance.port, instance.secure_port))

    def is_at(self, endpoints: Iterable[WorkloadEntry]) -> bool:
        """Whether one of the endpoints answers at the address and port."""
        found = [each for each in endpoints if _is_same(self.address, each.address)]
        return any(map(self.covers, reach(found)))


def explain_resource(
    evidence: Evidence,
    question: Question,
    registered: Mapping[ServiceKey, tuple[Instance, ...]],
    policies: Mapping[str, ConversionPolicy],
    cache: ConversionCache,
) -> ResourceAnswer:
    """Return the answer for one resource.

    `registered` holds what the sources remember of the services in question, `policies` those of all these sources.
    """
    entry = evidence.resource.entry if evidence.resource is not None else None
    endpoints = entry.endpoints if entry is not None else ()
    hosts = entry.hosts if entry is not None else tuple(sorted({claim.hosts[0] for claim in evidence.claims}))
    keys = sorted({claim.key for claim in evidence.claims} | evidence.held.keys() | registered.keys())
    teller = _Teller(evidence, question, {place_of(each) for each in endpoints}, reach(endpoints), policies, cache)
    services: list[ServiceAnswer] = []
    if question.address and len(keys) > MAX_SERVICES:
        keys.sort(key=teller.order_by_concern(registered))
    for key in keys[:MAX_SERVICES]:
        room = MAX_INSTANCES - sum(len(each.instances) for each in services)
        services.append(teller.tell(key, registered.get(key), room))
    left = teller.list_left()
    return ResourceAnswer(
        print_subject(evidence.name),
        tuple(map(print_subject, hosts[:MAX_HOSTS])),
        evidence.resource.version if evidence.resource is not None else "",
        evidence.sequence,
        len(endpoints),
        evidence.rule,
        tuple(left[:MAX_INSTANCES]),
        tuple(services),
        evidence.rejects[:MAX_REJECTS],
        more_hosts=max(0, len(hosts) - MAX_HOSTS),
        more_kept=max(0, len(left) - MAX_INSTANCES),
        more_services=max(0, len(keys) - MAX_SERVICES),
        more_rejects=max(0, len(evidence.rejects) - MAX_REJECTS),
    )


class _Teller(NamedTuple):
    evidence: Evidence
    question: Question
    served: set[Place]
    reached: set[Place]
    """Every address and port at which an endpoint that is served answers."""

    policies: Mapping[str, ConversionPolicy]
    cache: ConversionCache

    def tell(self, key: ServiceKey, registered: tuple[Instance, ...] | None, room: int) -> ServiceAnswer:
        own = [claim for claim in self.evidence.claims if claim.key == key]
        held, holds = _places(self.evidence.held.get(key, ())), self.evidence.holds.get(key, ())
        contributed = _places(own)
        asked = [each for each in registered or () if self.question.names(each)]
        kept = self._list_kept(contributed, held, registered)
        if len(asked) > room:
            asked.sort(key=lambda each: (each.address, each.port) in self.reached)
        answers = [self._judge(key, each, own) for each in asked[:room]] + kept[: max(0, room - len(asked))]
        if self.question.address and registered is not None and not asked and not kept:
            shown = print_subject(self.question.address)
            answers = [InstanceAnswer(shown, self.question.port, "unregistered", "its registry does not name it")]
        return ServiceAnswer(
            print_subject(str(key)),
            key.scope.source,
            print_subject(str(key.scope)),
            None if registered is None else len(registered),
            len(contributed),
            len(held),
            tuple(str(hold.number) for hold in holds),
            tuple(answers),
            max(0, len(asked) + len(kept) - len(answers)),
            tuple(dict.fromkeys(hold.cause.value for hold in holds)),
        )

    def order_by_concern(self, registered: Mapping[ServiceKey, tuple[Instance, ...]]) -> Callable[[ServiceKey], bool]:
        """Return the order of services in which those that know the address come first."""
        claims = (*self.evidence.claims, *itertools.chain.from_iterable(self.evidence.held.values()))
        concerned = {claim.key for claim in claims if self.question.is_at(claim.endpoints)}
        concerned |= {key for key, found in registered.items() if any(map(self.question.names, found))}
        return lambda key: key not in concerned

    def list_left(self) -> list[InstanceAnswer]:
        """Return what is served although nobody contributes it."""
        held = itertools.chain.from_iterable(self.evidence.held.values())
        left = self.served - _places(self.evidence.claims) - _places(held) if self.evidence.rule else set()
        return [
            InstanceAnswer(print_subject(place[0]), place[1], "kept", f"by the guard: {self.evidence.rule}")
            for place in sorted(left)
            if self.question.covers(place)
        ]

    def _judge(self, key: ServiceKey, instance: Instance, own: Sequence[Claim]) -> InstanceAnswer:
        fate = tell_fate(key, instance, self.policies[key.scope.source], self.cache)
        rewrites = tuple([_show(each) for each in fate.relabelled[:MAX_REWRITES]])
        return msgspec.structs.replace(_answer(instance, *self._decide(key, fate, own)), relabelled=rewrites)

    def _decide(self, key: ServiceKey, fate: Fate, own: Sequence[Claim]) -> tuple[str, str]:
        if fate.outcome != CONVERTED:
            return fate.outcome, fate.detail
        if fate.places.isdisjoint(_places(own)):
            beyond = [each for each in self.evidence.own_rejects(key) if each.reason in LIMIT_REASONS]
            if beyond:
                return beyond[0].reason, beyond[0].detail
        # A host that several sources claim has one resource, whatever the names that they would give it.
        if self.evidence.name not in fate.resources and fate.places.isdisjoint(_places(own)):
            return "elsewhere", "it belongs to " + ", ".join(fate.resources)
        if not fate.places.isdisjoint(self.reached):
            return "served", fate.detail
        return self._explain_absence(key, fate.places, own)

    def _explain_absence(self, key: ServiceKey, places: AbstractSet[Place], own: Sequence[Claim]) -> tuple[str, str]:
        withheld = self.evidence.withheld(key, places)
        if withheld:
            return withheld, _WITHHELD[withheld]
        names = {print_subject(str(key)), *(print_subject(claim.service_name) for claim in own)}
        for reject in self.evidence.rejects:
            if reject.reason == "host_left_to_other" and reject.subject in names:
                return reject.reason, reject.detail
            if reject.reason == "host_collision" and reject.subject in names:
                return "merged_away", f"{reject.reason}: {reject.detail}"
        about = next((each for each in self.evidence.rejects if each.subject in _spell(places)), None)
        if about is not None:
            return about.reason, about.detail
        if self.evidence.rule == "quarantine":
            faults = [each for each in self.evidence.rejects if each.detail.endswith(HELD_BACK)][:3]
            detail = "; ".join(f"{each.reason}: {each.subject} {each.detail}" for each in faults)
            return "quarantine", f"the entry is not valid and its last good form stays ({detail})"
        if places.isdisjoint(_places(own)):
            return "not_served", "its source has told of it, and it has not been taken over yet"
        return "not_served", "converted, but not in what is served"

    def _list_kept(
        self, contributed: set[Place], held: set[Place], registered: tuple[Instance, ...] | None
    ) -> list[InstanceAnswer]:
        """Return what is served without a registration that is remembered."""
        kept = (held | (contributed if registered is None else set())) & self.served
        return [
            InstanceAnswer(
                print_subject(place[0]),
                place[1],
                "kept" if place in held else "served",
                "held: the registry does not name it any more" if place in held else "by an earlier answer",
            )
            for place in sorted(kept)
            if self.question.covers(place)
        ]


def _answer(instance: Instance, outcome: str, detail: str) -> InstanceAnswer:
    return InstanceAnswer(print_subject(instance.address), instance.port, outcome, print_subject(detail))


def _show(rewrite: Rewrite) -> Rewrite:
    before = None if rewrite.before is None else print_subject(rewrite.before)
    return Rewrite(print_subject(rewrite.key), before, print_subject(rewrite.after))


def _places(claims: Iterable[Claim]) -> set[Place]:
    return {place_of(endpoint) for claim in claims for endpoint in claim.endpoints}


def reach(endpoints: Iterable[WorkloadEntry]) -> set[Place]:
    """Return every address and port at which endpoints answer."""
    return {
        (each.address, number) for each in endpoints for number in (*(own for _, own in each.ports), place_of(each)[1])
    }


def _spell(places: AbstractSet[Place]) -> set[str]:
    """Return what rejects call an endpoint at one of the places (`model/validation.py`, `model/conversion.py`)."""
    spelt = {text for address, port in places for text in (address, f"{address}:{port}", f"{address} {port}")}
    return set(map(print_subject, spelt))


def _is_same(asked: str, known: str) -> bool:
    """Whether two texts are one address: IPv6 has many forms of each, and Envoy shows none but the shortest."""
    return asked == known or (":" in asked and ":" in known and _shorten(asked) == _shorten(known))


@lru_cache(maxsize=1024)
def _shorten(address: str) -> str:
    try:
        return ip_address(address.removeprefix("[").removesuffix("]")).compressed
    except ValueError:
        return address
