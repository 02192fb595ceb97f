"""Gathers what is known of a host from the reducer's parts, for `store/explain.py` to judge. Reads only."""

from collections.abc import Mapping, Set
from typing import NamedTuple

from meshregistry.model.assembly import ConversionCache
from meshregistry.model.claim import Claim
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.naming import name_service, name_service_namespace
from meshregistry.model.rejects import print_subject
from meshregistry.model.service_entry import Kind
from meshregistry.store.contributions import Contributions
from meshregistry.store.explain import Evidence, Question, ResourceAnswer, Testimony, explain_resource, reach
from meshregistry.store.freshness import Freshness
from meshregistry.store.guard import Rule
from meshregistry.store.mass import MassGuard
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.rules import SourceRules
from meshregistry.store.store import SnapshotStore

_CACHED = 1000
MAX_RESOURCES = 20


class Parts(NamedTuple):
    """What the reducer owns and the explainer reads, between two commits."""

    contributions: Contributions
    mass: MassGuard
    rejects: RejectLedger
    rules: Mapping[str, SourceRules]
    rules_in_use: Mapping[str, Rule]
    freshness: Freshness


class Explainer:
    """Answers questions from the reducer's parts; has a conversion cache of its own and changes nothing."""

    def __init__(self, store: SnapshotStore, parts: Parts) -> None:
        self._store = store
        self._parts = parts

    def explain(self, question: Question, testimony: Testimony) -> dict[str, ResourceAnswer]:
        """Return resource name → why each resource of a host (or the one of that name) has the endpoints that it has.

        At most `MAX_RESOURCES`; none for a host that nobody knows. Without a host, those that serve the address.
        """
        names = sorted(self._find_names(question))[:MAX_RESOURCES]
        evidences = [each for each in map(self._collect, names) if not each.is_empty]
        wanted = {claim.key for each in evidences for claim in each.claims}.union(*(each.held for each in evidences))
        known, hidden = self._hear(testimony, wanted, question.host)
        cache = ConversionCache(_CACHED)
        policies = {source: rules.conversion for source, rules in self._parts.rules.items()}
        answers = {}
        for evidence in evidences or ([self._collect(question.host)] if hidden else []):
            keys = {claim.key for claim in evidence.claims} | evidence.held.keys() | hidden
            registered: dict[ServiceKey, tuple[Instance, ...]] = {key: known[key] for key in keys if key in known}
            answers[evidence.name] = explain_resource(evidence, question, registered, policies, cache)
        return answers

    def _hear(
        self, testimony: Testimony, wanted: Set[ServiceKey], host: str
    ) -> tuple[dict[ServiceKey, tuple[Instance, ...]], set[ServiceKey]]:
        """Return what is remembered of the wanted services and of those that would have the host; the latter again."""
        known: dict[ServiceKey, tuple[Instance, ...]] = {}
        hidden: set[ServiceKey] = set()
        for key, found in testimony.known():
            if key in wanted and key.scope.source in self._parts.rules:
                known[key] = found
            elif host and self._is_hidden(key, host):
                known[key] = found
                hidden.add(key)
        return known, hidden

    def _find_names(self, question: Question) -> set[str]:
        resources = self._store.current.collection(Kind.SERVICE_ENTRY).resources
        if not question.host:
            return {
                name
                for name, each in resources.items()
                if any(map(question.covers, reach(each.entry.endpoints, question.address)))
            }
        host = question.host
        served = {name for name, each in resources.items() if host in (name, *each.entry.hosts)}
        return served | self._parts.contributions.resources_of_host(host)

    def _is_hidden(self, key: ServiceKey, host: str) -> bool:
        """Whether a service contributes nothing and would have the host if it did, as far as its name tells."""
        rules = self._parts.rules.get(key.scope.source)
        if rules is None or self._parts.contributions.of(key):
            return False
        service_ns = name_service_namespace(None, rules.conversion)
        named = name_service(key.name, service_ns, rules.conversion, key.scope)
        return host in (key.name, named.host, named.name, f"{named.namespace}/{named.name}")

    def _collect(self, name: str) -> Evidence:
        collection = self._store.current.collection(Kind.SERVICE_ENTRY)
        held: dict[ServiceKey, tuple[Claim, ...]] = {}
        holds: dict[ServiceKey, tuple[str, ...]] = {}
        for claim in self._parts.mass.claims(name, self._parts.contributions.claims(name)):
            hold = self._parts.mass.find_hold(claim)
            held[claim.key] = (*held.get(claim.key, ()), claim)
            if hold is not None:
                holds[claim.key] = tuple(dict.fromkeys((*holds.get(claim.key, ()), str(hold.number))))
        rule = self._parts.rules_in_use.get(name)
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
        )
