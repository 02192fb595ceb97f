"""Gathers what is known of a host from the reducer's parts, for `store/explain.py` to judge. Reads only."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from meshregistry.model.assembly import ConversionCache
from meshregistry.model.claim import Claim
from meshregistry.model.fate import list_names, take_everything
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.naming import name_service, name_service_namespace
from meshregistry.model.rejects import print_subject
from meshregistry.model.service_entry import Kind
from meshregistry.store.explain import Evidence, Question, ResourceAnswer, Testimony, explain_resource
from meshregistry.store.holds import Hold
from meshregistry.store.parts import Parts
from meshregistry.store.rules import SourceRules

_CACHED = 1000
MAX_RESOURCES = 20
_STEP_WEIGHT = 5000
"""Services and instances looked at in one step: a few milliseconds."""

_CLAIM_WEIGHT = 5
_NAMING_WEIGHT = 20
"""Of an instance that is converted to learn its host."""

_NAMED = 20
"""So many instances of a service are, at most."""


class Explained(NamedTuple):
    """The answer about one resource, by its name as it is, and how many resources there is no answer about."""

    name: str
    answer: ResourceAnswer
    more_resources: int


class Explainer:
    """Answers questions from the reducer's parts, between two commits; changes nothing, and has a cache of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def explain(self, question: Question, testimony: Testimony) -> Iterator[Explained | None]:
        """Yield why each resource of a host (or the one of that name) has the endpoints that it has, None for steps.

        At most `MAX_RESOURCES`; none for a host that nobody knows. Without a host, those that serve the address, and
        those of services that name it. Others may change what is asked about between two steps.
        """
        names = yield from self._find_served(question)
        claimed, hidden = yield from self._find_named(question, testimony)
        names |= claimed
        shown = sorted(names)[:MAX_RESOURCES]
        evidences = [each for each in map(self._collect, shown) if not each.is_empty]
        unserved = self._collect(question.host or question.address)
        if hidden and not (question.host and evidences):
            evidences.append(unserved)
        known = yield from self._hear(evidences, hidden, testimony)
        cache = ConversionCache(_CACHED)
        policies = {source: rules.conversion for source, rules in self._parts.rules.items()}
        for evidence in evidences:
            of_hidden = hidden if question.host or evidence is unserved else ()
            keys = {claim.key for claim in evidence.claims} | evidence.held.keys() | {*of_hidden}
            registered = {key: known[key] for key in keys if key in known}
            answer = explain_resource(evidence, question, registered, policies, cache)
            yield Explained(evidence.name, answer, len(names) - len(shown))

    def _find_served(self, question: Question) -> Generator[None, None, set[str]]:
        """Find the resources that serve the address, or what somebody serves or claims with the host."""
        found: set[str] = set()
        steps = _Steps()
        for name, each in self._parts.store.current.collection(Kind.SERVICE_ENTRY).resources.items():
            if question.host in (name, *each.entry.hosts) if question.host else question.is_at(each.entry.endpoints):
                found.add(name)
            if steps.is_over(1 + each.endpoint_count):
                yield
        for name, hosts in self._parts.contributions.walk_hosts() if question.host else ():
            if question.host in (name, *hosts):
                found.add(name)
            if steps.is_over(_CLAIM_WEIGHT):
                yield
        return found

    def _find_named(
        self, question: Question, testimony: Testimony
    ) -> Generator[None, None, tuple[set[str], set[ServiceKey]]]:
        """Find the resources of services that name the address, and services that contribute nothing.

        The latter are those that name the address, or would have the host.
        """
        claimed: set[str] = set()
        hidden: set[ServiceKey] = set()
        steps, namer = _Steps(), _Namer(self._parts.rules)
        for key, found in testimony.known():
            if key.scope.source not in self._parts.rules:
                continue
            if question.host:
                if not self._parts.contributions.of(key):
                    hidden.update([key] if namer.would_have(key, found, question.host) else ())
                    if steps.is_over(_NAMING_WEIGHT * len(found[:_NAMED])):
                        yield
            elif any(map(question.names, found)):
                resources = self._parts.contributions.resources([key])
                claimed |= resources
                hidden.update(() if resources else [key])
            if steps.is_over(1 + len(found)):
                yield
        return claimed, hidden

    def _hear(
        self, evidences: Iterable[Evidence], hidden: Set[ServiceKey], testimony: Testimony
    ) -> Generator[None, None, dict[ServiceKey, tuple[Instance, ...]]]:
        """Return what is remembered of the services in question."""
        wanted = set(hidden)
        for each in evidences:
            wanted.update(each.held, (claim.key for claim in each.claims))
        known: dict[ServiceKey, tuple[Instance, ...]] = {}
        steps = _Steps()
        for key, found in testimony.known():
            if key in wanted and key.scope.source in self._parts.rules:
                known[key] = found
            if steps.is_over(1):
                yield
        return known

    def _collect(self, name: str) -> Evidence:
        collection = self._parts.store.current.collection(Kind.SERVICE_ENTRY)
        held: dict[ServiceKey, tuple[Claim, ...]] = {}
        holds: dict[ServiceKey, tuple[Hold, ...]] = {}
        for claim in self._parts.book.claims(name, self._parts.contributions.claims(name)):
            hold = self._parts.book.find_hold(claim)
            held[claim.key] = (*held.get(claim.key, ()), claim)
            if hold is not None:
                others = (each for each in holds.get(claim.key, ()) if each is not hold)
                holds[claim.key] = (*others, hold)
        rule = self._parts.upkeep.rules.get(name)
        return Evidence(
            name,
            collection.resources.get(name),
            collection.sequences.get(name, 0),
            self._parts.contributions.claims(name),
            held,
            holds,
            rule.value if rule is not None else "",
            self._parts.rejects.about(print_subject(name)),
            self._parts.freshness.explain,
            self._parts.rejects.of,
        )


class _Namer:
    """Tells what services that contribute nothing would be called if they did."""

    def __init__(self, rules: Mapping[str, SourceRules]) -> None:
        self._cache = ConversionCache(_CACHED)
        self._policies = {source: take_everything(each.conversion) for source, each in rules.items()}

    def would_have(self, key: ServiceKey, found: Sequence[Instance], host: str) -> bool:
        """Whether a service would have a host, as far as its name and its first instances tell."""
        policy = self._policies.get(key.scope.source)
        if policy is None:
            return False  # its source has come since the search began
        named = name_service(key.name, name_service_namespace(None, policy), policy, key.scope)
        if host in (key.name, named.host, named.name, f"{named.namespace}/{named.name}"):
            return True
        return host in list_names(key, found[:_NAMED], policy, self._cache)


class _Steps:
    """Counts work, and tells when it was enough for one turn."""

    def __init__(self) -> None:
        self._weight = 0

    def is_over(self, weight: int) -> bool:
        self._weight += weight
        if self._weight < _STEP_WEIGHT:
            return False
        self._weight = 0
        return True
