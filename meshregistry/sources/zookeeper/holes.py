"""Providers whose nodes are gone while their applications stand: they rewrite themselves, or have a new session. Pure.

A rule has a running Dubbo provider delete its node and create another one, 0 to 25 ms later on a quiet machine. Where
the providers of one scheme are all gone for that moment, another scheme's would take their host over. In a new session
Dubbo registers the application at once, and its interfaces some seconds later.
"""

from collections.abc import Set
from typing import NamedTuple

from meshregistry.model.dubbo_key import find_param, scheme_of
from meshregistry.model.instance import Instance
from meshregistry.sources.zookeeper.dubbo.interface import InterfaceReading, Spot
from meshregistry.sources.zookeeper.settling import Services, keep_missing

_REWRITTEN_S = 0.2
"""A provider that is gone for longer while its application stands has been taken out."""

_REPLACED_S = 60.0
"""How long a provider's word holds against what its application offers on the same spot: it is there in any case."""

Standing = Set[tuple[str, str]]
"""Application and address of the instances of applications that offer an interface."""


class Bridged(NamedTuple):
    """What to publish, and when to look again; None if nothing is missing whose application stands."""

    services: Services
    again_at: float | None


class Holes:
    """Owner of since when each instance has been missing; bounded by what the applications that stand have served."""

    def __init__(self) -> None:
        self._since: dict[str, dict[Spot, float]] = {}

    def shrink(self, interface: str, covered: frozenset[Spot], at: float) -> frozenset[Spot]:
        """Return the spots on which a registration still has the word; `at` is monotonic seconds."""
        since = self._since.get(interface)
        return frozenset(each for each in covered if since.get(each, at) + _REPLACED_S > at) if since else covered

    def bridge(
        self, interface: str, before: Services, reading: InterfaceReading, standing: Standing, at: float
    ) -> Bridged:
        """Return what a reading has found together with what has just gone of applications that stand."""
        uncovered = reading.uncovered
        known = self._since.pop(interface, {})
        if not standing:
            return Bridged(reading.services, None)
        ends: dict[Spot, float] = {}
        since: dict[Spot, float] = {}

        def is_bridged(service: str, instance: Instance) -> bool:
            spot = (service, scheme_of(instance), instance.address, instance.port)
            place = (find_param(dict(instance.metadata), "application"), instance.address)
            if spot not in uncovered and place not in standing:
                return False
            end = known.get(spot, at) + (_REPLACED_S if spot in uncovered else _REWRITTEN_S)
            if at < end:
                ends[spot] = end
                since[spot] = known.get(spot, at)
            return at < end

        bridged = keep_missing(before, reading.services, is_bridged)
        if since:
            self._since[interface] = since
        return Bridged(bridged, min(ends.values(), default=None))
