"""Who claims what: every registry service and the resources it contributes to.

Owned by the reducer. Holds converted claims only; it decides nothing about merging or shrinking.
"""

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.homes import Homes


class Contributions:
    """Claims by service and by resource; every change returns the names of the resources it touches."""

    def __init__(self) -> None:
        self._by_service: dict[ServiceKey, tuple[Claim, ...]] = {}
        self._by_resource: dict[str, dict[ServiceKey, Claim]] = {}
        self._by_scope: dict[Scope, set[str]] = {}
        self._homes = Homes()

    def replace(self, key: ServiceKey, claims: tuple[Claim, ...]) -> set[str]:
        """Make `claims` all that a service contributes; no claims forgets the service."""
        before = self._by_service.get(key, ())
        if before == claims:
            return set()
        changed = _differing(before, claims) if before else claims
        hosts = {claim.hosts[0] for claim in changed}
        touched = self._homes.names(hosts)
        for claim in before:
            self._withdraw(key, claim)
        for claim in claims:
            self._by_resource.setdefault(claim.resource_name, {})[key] = claim
            self._homes.add(claim)
        self._remember(key, claims)
        # An entry that merges ports is claimed by every service: endpoints that come and go must not touch it.
        return touched | self._homes.names(hosts) | {claim.resource_name for claim in changed}

    def copy(self) -> dict[ServiceKey, tuple[Claim, ...]]:
        """Return all claims by their service, apart from later changes."""
        return dict(self._by_service)

    def keys(self, scopes: Collection[Scope]) -> list[ServiceKey]:
        """Return the services of some scopes that contribute something."""
        return [ServiceKey(scope, name) for scope in scopes for name in self._by_scope.get(scope, ())]

    def of(self, key: ServiceKey) -> tuple[Claim, ...]:
        """Return all that a service contributes."""
        return self._by_service.get(key, ())

    def scopes(self) -> frozenset[Scope]:
        """Return every scope that contributes something."""
        return frozenset(self._by_scope)

    def walk_hosts(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each resource that somebody claims with its hosts; what comes or goes meanwhile may be missing."""
        for name, by_key in tuple(self._by_resource.items()):
            yield name, [host for claim in by_key.values() for host in claim.hosts]

    def names(self, scope: Scope) -> frozenset[str]:
        """Return the services of a scope that contribute something."""
        return frozenset(self._by_scope.get(scope, ()))

    def claims(self, resource_name: str) -> tuple[Claim, ...]:
        """Return all claims of one resource in the order of their services."""
        by_key = self._by_resource.get(resource_name)
        if not by_key:
            return ()
        if self._homes.is_shared:
            return tuple(sorted(self._homes.settle(resource_name, by_key.values()), key=lambda claim: claim.key))
        return tuple(by_key[key] for key in sorted(by_key))

    def resources_at(self, addresses: AbstractSet[str]) -> set[str]:
        """Return the resources that somebody claims with an endpoint at one of the addresses, or that serve it."""
        return self._touched(
            claim
            for by_key in self._by_resource.values()
            for claim in by_key.values()
            if not addresses.isdisjoint([endpoint.address for endpoint in claim.endpoints])
        )

    def home(self, host: str) -> str | None:
        """Return the one resource that has a host now; None when there is none, or no single one."""
        return self._homes.home(host)

    def is_claimed(self, host: str) -> bool:
        """Whether somebody claims a host, under whatever name; never in the slime profile, which keeps names apart."""
        return self._homes.knows(host)

    def resources(self, keys: Iterable[ServiceKey]) -> set[str]:
        """Return the names of the resources that the services contribute to, under whatever name they are served."""
        return self._touched(claim for key in keys for claim in self._by_service.get(key, ()))

    def _touched(self, claims: Iterable[Claim]) -> set[str]:
        found = tuple(claims)
        return {claim.resource_name for claim in found} | self._homes.names({claim.hosts[0] for claim in found})

    def _withdraw(self, key: ServiceKey, claim: Claim) -> None:
        self._homes.remove(claim)
        by_key = self._by_resource.get(claim.resource_name)
        if by_key is None:
            return
        by_key.pop(key, None)
        if not by_key:
            del self._by_resource[claim.resource_name]

    def _remember(self, key: ServiceKey, claims: tuple[Claim, ...]) -> None:
        names = self._by_scope.setdefault(key.scope, set())
        if claims:
            self._by_service[key] = claims
            names.add(key.name)
        else:
            self._by_service.pop(key, None)
            names.discard(key.name)
            if not names:
                del self._by_scope[key.scope]


def _differing(before: tuple[Claim, ...], after: tuple[Claim, ...]) -> tuple[Claim, ...]:
    return tuple([claim for claim in (*before, *after) if claim not in before or claim not in after])
