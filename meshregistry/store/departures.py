"""What registries took away lately, and which of it is held. Bookkeeping only: it decides nothing."""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import TypeVar

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import Profile
from meshregistry.model.service_entry import WorkloadEntry

_Key = TypeVar("_Key")

Place = tuple[str, int]
"""Address and port of an endpoint: what makes it the same for merging and for holding."""


def place_of(endpoint: WorkloadEntry) -> Place:
    """Return where an endpoint is."""
    return endpoint.address, endpoint.ports[0][1] if endpoint.ports else 0


@lru_cache(maxsize=4096)
def list_units(scope: Scope) -> tuple[Scope, ...]:
    """Return the units of counting that a scope belongs to, the smallest first.

    An interface of Dubbo is a scope of its own, and too small to tell a registry gone wrong from a scaled service.
    """
    registry = scope._replace(namespace="", group="")
    return (registry,) if scope == registry or is_single_service(scope) else (scope, registry)


def is_single_service(scope: Scope) -> bool:
    """Whether a scope is about one service only (an interface in ZooKeeper)."""
    return scope.source == "zookeeper" and bool(scope.group)


def is_stated_by(scope: Scope, statement: Scope) -> bool:
    """Whether a statement is about a scope.

    One without a group is about every group (the interfaces of ZooKeeper), one without a namespace, too, about every
    namespace of the registry (of Nacos, where all are read).
    """
    if statement == scope or statement.group:
        return statement == scope
    return statement == scope._replace(group="", namespace=scope.namespace if statement.namespace else "")


def covers(whole: Scope, part: Scope) -> bool:
    """Whether a scope lies within another; an empty field stands for everything."""
    return all(not wanted or wanted == given for wanted, given in zip(whole, part, strict=True))


def partition(claim: Claim, places: AbstractSet[Place]) -> list[Claim]:
    """Return a claim with its endpoints at some places, and with the others; one part where there is no other."""
    inside = tuple(each for each in claim.endpoints if place_of(each) in places)
    outside = tuple(each for each in claim.endpoints if place_of(each) not in places)
    if not inside or not outside:
        return [claim]
    return [msgspec.structs.replace(claim, endpoints=part) for part in (inside, outside)]


class Departure(msgspec.Struct, eq=False):
    """Endpoints that one statement took from one claim."""

    number: int
    claim: Claim
    """The claim as it was, with only the endpoints that left."""

    at: float
    """Monotonic seconds."""

    hold: int = 0
    """The hold that keeps it served, 0 for none."""

    displaced: bool = False
    """Whether a changed configuration took it from its resource, whatever it gave instead."""

    doubted: bool = False
    """Whether its registry was away, and may only not have it again yet."""

    @property
    def key(self) -> ServiceKey:
        """The service that lost them."""
        return self.claim.key


def count_endpoints(departures: Iterable[Departure]) -> int:
    """Return how many endpoints departures are about."""
    return sum(len(departure.claim.endpoints) for departure in departures)


class Departures:
    """All departures of the last minute and the held ones, by service, by unit and by resource."""

    def __init__(self) -> None:
        self._next = 1
        self._by_key: dict[ServiceKey, dict[int, Departure]] = {}
        self._loose: dict[Scope, dict[int, Departure]] = {}
        self._held: dict[int, dict[int, Departure]] = {}
        self._held_by_resource: dict[str, dict[int, Departure]] = {}
        self._held_by_host: dict[str, dict[int, Departure]] = {}
        self._names_by_host: dict[str, Counter[str]] = {}
        """Of what is held in the istio profile; the slime profile keeps names of one host apart."""

        self._held_by_place: dict[Place, dict[int, Departure]] = {}
        self._held_endpoints = 0

    @property
    def scopes(self) -> frozenset[Scope]:
        """Scopes that lost something lately, held or not."""
        return frozenset(key.scope for key in self._by_key)

    @property
    def held_endpoints(self) -> int:
        """How many endpoints are held."""
        return self._held_endpoints

    def add(self, claim: Claim, at: float, *, doubted: bool = False) -> Departure:
        """Remember a departure; it is not held yet."""
        departure = Departure(self._next, claim, at, doubted=doubted)
        self._next += 1
        self._by_key.setdefault(claim.key, {})[departure.number] = departure
        for unit in list_units(claim.key.scope):
            self._loose.setdefault(unit, {})[departure.number] = departure
        return departure

    def of(self, key: ServiceKey) -> tuple[Departure, ...]:
        """Return the departures of one service."""
        return tuple(self._by_key.get(key, {}).values())

    def has(self, departure: Departure) -> bool:
        """Whether a departure is neither final nor taken back."""
        return departure.number in self._by_key.get(departure.key, {})

    def loose(self, unit: Scope, since: float) -> tuple[Departure, ...]:
        """Return what left a unit since a moment and is not held; what left earlier is forgotten."""
        self._forget_before(unit, since)
        return tuple(self._loose.get(unit, {}).values())

    def loose_within(self, target: Scope, since: float) -> list[Departure]:
        """The same for any scope, source or everything."""
        found = {
            departure.number: departure
            for unit in tuple(self._loose)
            for departure in self.loose(unit, since)
            if covers(target, departure.key.scope)
        }
        return [found[number] for number in sorted(found)]

    def hold(self, departure: Departure, hold: int) -> None:
        """Have a departure held from now on, or by another hold than until now."""
        if departure.hold:
            self._release(departure)
        else:
            self._drop_loose(departure)
        departure.hold = hold
        self._held_endpoints += len(departure.claim.endpoints)
        self._held.setdefault(hold, {})[departure.number] = departure
        self._held_by_resource.setdefault(departure.claim.resource_name, {})[departure.number] = departure
        self._held_by_host.setdefault(departure.claim.hosts[0], {})[departure.number] = departure
        if departure.claim.policy.profile is Profile.ISTIO:
            self._names_by_host.setdefault(departure.claim.hosts[0], Counter())[departure.claim.resource_name] += 1
        for endpoint in departure.claim.endpoints:
            self._held_by_place.setdefault(place_of(endpoint), {})[departure.number] = departure

    @property
    def held_scopes(self) -> frozenset[Scope]:
        """Scopes of which something is held."""
        return frozenset(each.key.scope for by_number in self._held.values() for each in by_number.values())

    def held_within(self, scopes: AbstractSet[Scope]) -> list[Departure]:
        """Return what is held of some scopes."""
        held = (each for by_number in self._held.values() for each in by_number.values())
        return [each for each in held if each.key.scope in scopes]

    def held(self, hold: int) -> tuple[Departure, ...]:
        """Return what a hold keeps."""
        return tuple(self._held.get(hold, {}).values())

    def is_held(self, hold: int) -> bool:
        """Whether a hold keeps anything."""
        return hold in self._held

    def held_at(self, place: Place) -> tuple[Departure, ...]:
        """Return the held departures with an endpoint at a place."""
        return tuple(self._held_by_place.get(place, {}).values())

    def held_claims(self, resource_name: str) -> list[Claim]:
        """Return the claims that are held on a resource, the newest departure of a service first."""
        held = self._held_by_resource.get(resource_name)
        return [departure.claim for departure in reversed(held.values())] if held else []

    def held_of_host(self, host: str) -> list[Claim]:
        """Return the held claims of a host, under whatever name, the newest departure of a service first."""
        held = self._held_by_host.get(host)
        return [departure.claim for departure in reversed(held.values())] if held else []

    def names_of_host(self, host: str) -> AbstractSet[str]:
        """Return the resources that held claims of a host name, in the slime profile none."""
        return self._names_by_host.get(host, {}).keys()

    def forget(self, departure: Departure) -> None:
        """Let a departure go: it is final."""
        by_number = self._by_key[departure.key]
        del by_number[departure.number]
        if not by_number:
            del self._by_key[departure.key]
        if departure.hold:
            self._release(departure)
        else:
            self._drop_loose(departure)

    def shrink(self, departure: Departure, places: Iterable[Place]) -> None:
        """Take places out of a departure: they are registered again, or belong to somebody else."""
        gone = frozenset(places)
        left = tuple(each for each in departure.claim.endpoints if place_of(each) not in gone)
        if not left:
            self.forget(departure)
            return
        if departure.hold:
            self._held_endpoints -= len(departure.claim.endpoints) - len(left)
            for place in gone:
                _discard(self._held_by_place, place, departure)
        departure.claim = msgspec.structs.replace(departure.claim, endpoints=left)

    def sweep(self, since: float) -> None:
        """Forget everything that left before a moment and is not held."""
        for unit in tuple(self._loose):
            self._forget_before(unit, since)

    def _forget_name(self, claim: Claim) -> None:
        names = self._names_by_host.get(claim.hosts[0])
        if names is None or claim.policy.profile is not Profile.ISTIO:
            return
        names[claim.resource_name] -= 1
        if not names[claim.resource_name]:
            del names[claim.resource_name]
        if not names:
            del self._names_by_host[claim.hosts[0]]

    def _forget_before(self, unit: Scope, since: float) -> None:
        loose = self._loose.get(unit, {})
        while loose:
            oldest = next(iter(loose.values()))
            if oldest.at >= since:
                return
            self.forget(oldest)

    def _drop_loose(self, departure: Departure) -> None:
        for unit in list_units(departure.key.scope):
            _discard(self._loose, unit, departure)

    def _release(self, departure: Departure) -> None:
        self._held_endpoints -= len(departure.claim.endpoints)
        _discard(self._held, departure.hold, departure)
        _discard(self._held_by_resource, departure.claim.resource_name, departure)
        _discard(self._held_by_host, departure.claim.hosts[0], departure)
        self._forget_name(departure.claim)
        for endpoint in departure.claim.endpoints:
            _discard(self._held_by_place, place_of(endpoint), departure)


def give_up_taken(
    departures: Departures, gone: Iterable[Departure], newcomers: Iterable[tuple[Place, ServiceKey, float]]
) -> None:
    """Let go of places of some departures that other services have newly taken: traffic would go to the wrong one."""
    by_place: dict[Place, list[Departure]] = {}
    for departure in gone:
        for endpoint in departure.claim.endpoints:
            by_place.setdefault(place_of(endpoint), []).append(departure)
    for place, key, _ in newcomers:
        for departure in by_place.get(place, ()):
            if departure.key != key and departures.has(departure):
                departures.shrink(departure, {place})


def group_by_unit(departures: Iterable[Departure]) -> dict[Scope, list[Departure]]:
    """Return departures by the smallest unit that lost them."""
    found: dict[Scope, list[Departure]] = {}
    for departure in departures:
        found.setdefault(list_units(departure.key.scope)[0], []).append(departure)
    return found


def _discard(table: dict[_Key, dict[int, Departure]], key: _Key, departure: Departure) -> None:
    by_number = table.get(key)
    if by_number is not None:
        by_number.pop(departure.number, None)
        if not by_number:
            del table[key]
