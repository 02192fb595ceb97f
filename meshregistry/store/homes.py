"""Which resource a host has that several sources claim under several names. Bookkeeping only, owned by contributions.

One host in two resources would be two services for istiod, each with a part of the endpoints. Names differ where the
sources' `resource_ns` do, and what people write has any name. Slime keeps them apart, and so does its profile.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from meshregistry.model.claim import Claim
from meshregistry.model.instance import ServiceKey
from meshregistry.model.merging import order_claims
from meshregistry.model.policy import Profile


class Homes:
    """All claims by their first host; equal for any order of arrival."""

    def __init__(self) -> None:
        self._by_host: dict[str, dict[tuple[ServiceKey, str], Claim]] = {}
        self._counts: dict[str, Counter[tuple[str, str]]] = {}
        """Host → its claims, counted by source and name: an entry that merges ports is claimed by every service."""

        self._shared: set[str] = set()

    @property
    def is_shared(self) -> bool:
        """Whether there is any host with several names."""
        return bool(self._shared)

    def knows(self, host: str) -> bool:
        """Whether somebody claims a host."""
        return host in self._by_host

    def home(self, host: str) -> str | None:
        """Return the one resource that has a host; None when nobody claims it, or one source under several names."""
        if host in self._shared:
            return self._find(host)
        names = {name for _, name in self._counts.get(host, ())}
        return names.pop() if len(names) == 1 else None

    def add(self, claim: Claim) -> None:
        """Note a claim."""
        if claim.policy.profile is Profile.ISTIO:
            host, place = claim.hosts[0], (claim.key, claim.resource_name)
            claims = self._by_host.setdefault(host, {})
            if place not in claims:
                self._count(claim, 1)
            claims[place] = claim

    def remove(self, claim: Claim) -> None:
        """Forget a claim; one that is not known is none."""
        host = claim.hosts[0]
        claims = self._by_host.get(host, {})
        if claims.pop((claim.key, claim.resource_name), None) is not None:
            if not claims:
                del self._by_host[host]
            self._count(claim, -1)

    def names(self, hosts: Iterable[str]) -> set[str]:
        """Return every resource under which somebody claims one of the hosts, of those with several names."""
        return {claim.resource_name for host in hosts if host in self._shared for claim in self._by_host[host].values()}

    def settle(self, name: str, claims: Iterable[Claim]) -> list[Claim]:
        """Return the claims that a resource has, of those under its name: without what has its home elsewhere, and
        with what other names bring to a host that has its home here."""
        settled: list[Claim] = []
        at_home: set[str] = set()
        for claim in claims:
            host = claim.hosts[0]
            home = self._find(host) if host in self._shared else name
            if home == name:
                settled.append(claim)
                at_home.add(host)
        guests = (claim for host in at_home & self._shared for claim in self._by_host[host].values())
        return [*settled, *(claim for claim in guests if claim.resource_name != name)]

    def _find(self, host: str) -> str:
        return _choose(self._by_host[host].values())

    def _count(self, claim: Claim, step: int) -> None:
        host, kind = claim.hosts[0], (claim.key.scope.source, claim.resource_name)
        counts = self._counts.setdefault(host, Counter())
        counts[kind] += step
        if not counts[kind]:
            del counts[kind]
        if not counts:
            del self._counts[host]
        is_shared = len({source for source, _ in counts}) > 1 and len({name for _, name in counts}) > 1
        (self._shared.add if is_shared else self._shared.discard)(host)


def find_home(claims: Collection[Claim]) -> str | None:
    """Return the one resource that all claims of a host make; None where one source has several names for it."""
    names = {claim.resource_name for claim in claims}
    if len(names) == 1:
        return names.pop()
    return _choose(claims) if len({claim.key.scope.source for claim in claims}) > 1 else None


def _choose(claims: Collection[Claim]) -> str:
    first = next(iter(claims))
    return order_claims(claims, first.policy.merging.find(first.hosts[0]))[0].resource_name
