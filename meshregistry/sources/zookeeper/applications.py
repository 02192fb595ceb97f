"""Applications that register as a whole: their instances, what these export, and the offers that follow. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from meshregistry.model.events import ScopeListing
from meshregistry.model.instance import Instance
from meshregistry.sources.zookeeper.curator import CuratorNode
from meshregistry.sources.zookeeper.dubbo.applications import (
    ApplicationInstance,
    ExportedService,
    Offer,
    guess_offers,
    list_exact_offers,
    offer_application,
    read_instance,
)
from meshregistry.sources.zookeeper.settling import Services, keep_missing
from meshregistry.sources.zookeeper.spring import (
    ApplicationReading,
    name_application,
    read_application,
    spring_scope,
)

Offers = Mapping[str, tuple[Offer, ...]]
"""By interface."""


class Revision(NamedTuple):
    """Names the metadata of an application's instances."""

    application: str
    revision: str


class Place(NamedTuple):
    """What was found below one top node: nodes with instances by the path of their application below the root."""

    nodes: Mapping[str, tuple[CuratorNode, ...]]
    is_discovery_root: bool
    """Whether it is in the tree of applications; Spring Cloud's are looked for there only."""


class ApplicationBoard:
    """Owner of the instances, the metadata and the mappings of one registry's applications."""

    def __init__(self, registry: str) -> None:
        self._scope = spring_scope(registry)
        self._places: dict[str, Place] = {}
        self._places_of: dict[str, set[str]] = {}
        self._instances: dict[str, tuple[ApplicationInstance, ...]] = {}
        self._metadata: dict[Revision, tuple[ExportedService, ...] | None] = {}
        self._mapped: dict[str, frozenset[str]] = {}
        self._interfaces_of: dict[str, set[str]] = {}
        self._offers: dict[str, Offers] = {}
        self._offering: dict[str, dict[str, tuple[Offer, ...]]] = {}
        self._readings: dict[str, dict[str, ApplicationReading]] = {}
        self._published: dict[str, tuple[Instance, ...]] | None = None
        self._bad: Counter[str] = Counter()
        self.holds_spring = False
        """Whether the latest comparison kept instances of Spring Cloud's that are not there any more."""

    @property
    def places(self) -> Mapping[str, Place]:
        """What is known of every top node, by its path."""
        return self._places

    @property
    def applications(self) -> frozenset[str]:
        """Dubbo's applications that have instances."""
        return frozenset(self._instances)

    @property
    def offered(self) -> frozenset[str]:
        """The interfaces, and applications as services of their own, that somebody offers."""
        return frozenset(self._offering)

    @property
    def needs_mappings(self) -> bool:
        """Whether some instance does not say itself what it exports."""
        return any(
            self._metadata.get(Revision(each.application, each.revision)) is None
            for instances in self._instances.values()
            for each in instances
        )

    def put_place(self, path: str, place: Place | None) -> frozenset[str]:
        """Take what is below a top node, None for a node that is gone; return the applications it concerns."""
        known = self._places.pop(path, None)
        before, after = _list_names(known), _list_names(place)
        if place is not None:
            self._places[path] = place
        if place != known:
            self._read_spring(path, place)
        for application in before | after:
            where = self._places_of.setdefault(application, set())
            (where.add if application in after else where.discard)(path)
            self._collect(application)
        return before | after

    def unknown_revisions(self, applications: Iterable[str]) -> frozenset[Revision]:
        """Return the revisions of applications whose metadata has not been looked for."""
        wanted = {
            Revision(application, each.revision)
            for application in applications
            for each in self._instances.get(application, ())
            if each.revision
        }
        return frozenset(wanted - self._metadata.keys())

    def forget_unused_metadata(self) -> None:
        """Forget the metadata that no instance names any more, and have what was missing looked for again."""
        used = {
            Revision(each.application, each.revision) for instances in self._instances.values() for each in instances
        }
        self._metadata = {
            revision: services
            for revision, services in self._metadata.items()
            if services is not None and revision in used
        }

    def put_metadata(self, revision: Revision, services: tuple[ExportedService, ...] | None) -> None:
        """Take the metadata of a revision, None if there is none."""
        self._metadata[revision] = services

    def forget_missing_metadata(self, application: str) -> bool:
        """Have an application's metadata that was not there looked for again; return whether there is such."""
        missing = [each for each, found in self._metadata.items() if found is None and each.application == application]
        for revision in missing:
            del self._metadata[revision]
        return bool(missing)

    def put_mapping(self, interface: str, applications: Iterable[str]) -> frozenset[str]:
        """Take the applications that say they serve an interface; return those for which that is news."""
        before, after = self._mapped.pop(interface, frozenset()), frozenset(applications)
        if after:
            self._mapped[interface] = after
        for application in before - after:
            self._interfaces_of[application].discard(interface)
            if not self._interfaces_of[application]:
                del self._interfaces_of[application]
        for application in after - before:
            self._interfaces_of.setdefault(application, set()).add(interface)
        return before ^ after

    @property
    def mapped(self) -> frozenset[str]:
        """The interfaces that have a mapping."""
        return frozenset(self._mapped)

    def offer(self, applications: Iterable[str]) -> frozenset[str]:
        """Derive the offers of applications again; return the interfaces whose offers changed."""
        changed: set[str] = set()
        for application in applications:
            before, after = self._offers.pop(application, {}), self._derive(application)
            if after:
                self._offers[application] = after
            for interface in before.keys() | after.keys():
                if before.get(interface) != after.get(interface):
                    self._replace_offers(interface, application, after.get(interface, ()))
                    changed.add(interface)
        return frozenset(changed)

    def offers(self, interface: str) -> tuple[Offer, ...]:
        """Return who offers an interface without registering for it, in an order that is always the same."""
        by_application = self._offering.get(interface, {})
        return tuple(offer for name in sorted(by_application) for offer in by_application[name])

    def compare_spring(
        self, unread: frozenset[str], observed_at: float, *, may_shrink: bool = True
    ) -> ScopeListing | None:
        """Return what differs from the published Spring Cloud applications, None if nothing does; then `adopt_spring`.

        `unread` are the paths of top nodes that could not be read.
        """
        before = self._published or {}
        services: dict[str, tuple[Instance, ...]] = {}
        kept = {name for name in before for path in unread if _is_of(name, path)}
        for path in sorted(self._readings):
            for name, reading in self._readings[path].items():
                if reading.bad and not reading.instances:
                    kept.add(name)
                elif name in services:
                    services[name] = tuple(sorted((*services[name], *reading.instances)))
                else:
                    services[name] = reading.instances
        shown: Services = services
        if not may_shrink:
            shown = keep_missing({name: each for name, each in before.items() if name not in kept}, services)
        self.holds_spring = shown is not services
        names = shown.keys() | kept
        news = {name: each for name, each in shown.items() if before.get(name) != each}
        if self._published is not None and not news and before.keys() == names:
            return None
        return ScopeListing(self._scope, frozenset(names), news, frozenset(kept - shown.keys()), observed_at)

    def adopt_spring(self, listing: ScopeListing) -> None:
        """Remember what has been published."""
        before = self._published or {}
        kept = {name: each for name, each in before.items() if name in listing.names}
        self._published = {**kept, **listing.services}

    def spring_services(self) -> Mapping[str, tuple[Instance, ...]]:
        """Return the published Spring Cloud applications."""
        return self._published or {}

    def take_bad(self) -> Mapping[str, int]:
        """Return how many of Spring Cloud's instances were dropped since the last call, by reason."""
        bad, self._bad = self._bad, Counter()
        return bad

    def _read_spring(self, path: str, place: Place | None) -> None:
        """Read Spring Cloud's instances in a top node, once for every change of it."""
        self._readings.pop(path, None)
        if place is None or not place.is_discovery_root:
            return
        self._readings[path] = {
            name_application(each): read_application(nodes)
            for each, nodes in place.nodes.items()
            if any(not node.is_dubbo for node in nodes)
        }
        for reading in self._readings[path].values():
            self._bad.update(reading.bad)

    def _collect(self, application: str) -> None:
        where = self._places_of.get(application, set())
        if not where:
            self._places_of.pop(application, None)
        found = [
            instance
            for path in where
            for nodes in self._places[path].nodes.values()
            for node in nodes
            if node.name == application and (instance := read_instance(node)) is not None
        ]
        if found:
            self._instances[application] = tuple(sorted(found))
        else:
            self._instances.pop(application, None)

    def _derive(self, application: str) -> dict[str, tuple[Offer, ...]]:
        offers: dict[str, list[Offer]] = {}
        for instance in self._instances.get(application, ()):
            services = self._metadata.get(Revision(application, instance.revision))
            found = list(offer_application(instance))
            if services is not None:
                found += list_exact_offers(instance, services)
            else:
                mapped = sorted(self._interfaces_of.get(application, ()))
                found += [offer for interface in mapped for offer in guess_offers(instance, interface)]
            for offer in found:
                offers.setdefault(offer.interface, []).append(offer)
        return {interface: tuple(sorted(each)) for interface, each in offers.items()}

    def _replace_offers(self, interface: str, application: str, offers: tuple[Offer, ...]) -> None:
        by_application = self._offering.setdefault(interface, {})
        if offers:
            by_application[application] = offers
        else:
            by_application.pop(application, None)
        if not by_application:
            del self._offering[interface]


def _list_names(place: Place | None) -> frozenset[str]:
    """Return the Dubbo applications that have nodes in a place."""
    if place is None:
        return frozenset()
    return frozenset(node.name for nodes in place.nodes.values() for node in nodes if node.is_dubbo)


def _is_of(name: str, path: str) -> bool:
    top = name_application(path.rpartition("/")[2])
    return name == top or name.startswith(f"{top}.")
