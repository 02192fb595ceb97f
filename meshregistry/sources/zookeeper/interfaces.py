"""What was published of every Dubbo interface, and what a new reading of one differs in. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from meshregistry.model.events import ScopeListing
from meshregistry.model.rejects import print_subject
from meshregistry.sources.steps import Steps
from meshregistry.sources.zookeeper.dubbo.applications import Offer
from meshregistry.sources.zookeeper.dubbo.interface import InterfaceReading as NodesReading
from meshregistry.sources.zookeeper.dubbo.interface import Known, Spot, fingerprint, read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from meshregistry.sources.zookeeper.dubbo.rules import RuleSet, join_rules, read_overrides
from meshregistry.sources.zookeeper.holes import Bridged, Holes
from meshregistry.sources.zookeeper.registrants import Registrants
from meshregistry.sources.zookeeper.settling import Services, keep_missing


class InterfaceNodes(NamedTuple):
    """Everything that decides what an interface's services are."""

    providers: tuple[str, ...]
    overrides: tuple[str, ...]
    rules: tuple[RuleSet, ...]
    """Of rule nodes, in the order in which they apply."""

    offers: tuple[Offer, ...]


class Digest(NamedTuple):
    """Equal digests need no conversion."""

    providers: int
    overrides: tuple[str, ...]
    rules: tuple[RuleSet, ...]
    offers: tuple[Offer, ...]


class Published(NamedTuple):
    """An interface as it was published."""

    digest: Digest | None
    """None for a reading that is to be converted anew in any case."""

    services: Services
    covered: frozenset[Spot] = frozenset()
    """Where a registration has the word and not its application's metadata."""

    bad: str = ""
    """What was dropped of it, for people."""


class InterfaceReading(NamedTuple):
    """What a reading comes to: what to remember, and what to publish, None for nothing."""

    published: Published
    listing: ScopeListing | None
    bad: Mapping[str, int]
    is_held: bool = False
    """Whether something stays that is not there any more."""

    again_at: float | None = None
    """When to read the interface again, monotonic seconds; None is when it changes."""


class InterfaceBoard:
    """Owner of what was published of one registry's interfaces."""

    def __init__(self, registry: str, ignored_params: frozenset[str]) -> None:
        self._registry = registry
        self._reader = ProviderReader(ignored_params)
        self._published: dict[str, Published] = {}
        self._registrants = Registrants()
        self._holes = Holes()

    def __len__(self) -> int:
        return len(self._published)

    def __iter__(self) -> Iterator[str]:
        return iter(self._published)

    def compare(
        self, interface: str, nodes: InterfaceNodes, observed_at: float, *, may_shrink: bool = True
    ) -> Steps[InterfaceReading | None]:
        """Return what a reading differs in, None if it is the same as the last one.

        Raises SourceDataError when there are providers and none can be understood: what is known stays.
        """
        before = self._published.get(interface)
        digest = Digest(fingerprint(nodes.providers), tuple(sorted(nodes.overrides)), nodes.rules, nodes.offers)
        if before is not None and before.digest == digest:
            return None
        reading = yield from self._read(interface, nodes, observed_at)
        kept, again_at = self._keep(interface, nodes, reading, observed_at, may_shrink=may_shrink)
        is_held, reading = kept is not reading.services, reading._replace(services=kept)
        spots = reading.covered | reading.uncovered
        known_digest = None if is_held or reading.is_doubtful else digest
        published = Published(known_digest, _share(kept, before), spots, _describe_bad(reading))
        if before is not None and before.services == published.services:
            return InterfaceReading(published, None, reading.bad, is_held, again_at)
        listing = reading.listing(self._registry, interface, observed_at)
        if before is not None:
            news = {name: each for name, each in kept.items() if before.services.get(name) != each}
            listing = ScopeListing(listing.scope, listing.names, news, observed_at=observed_at)
        return InterfaceReading(published, listing, reading.bad, is_held, again_at)

    def adopt(self, interface: str, published: Published) -> None:
        """Remember what has been published."""
        self._published[interface] = published

    def forget(self, interface: str, now: float) -> None:
        """Forget an interface that is gone; its emptiness has been published. `now` is monotonic seconds."""
        self._published.pop(interface, None)
        self._registrants.replace(interface, frozenset(), now)

    def is_doubtful(self, interface: str) -> bool:
        """Whether another reading may come to something else although nothing has changed."""
        published = self._published.get(interface)
        return published is not None and published.digest is None

    def services(self, interface: str) -> Services:
        """Return the services of an interface, none for an unknown one."""
        published = self._published.get(interface)
        return published.services if published else {}

    def bad(self) -> Iterator[tuple[str, str]]:
        """Yield the interfaces of which names were dropped that are no provider's, and which."""
        for interface, published in self._published.items():
            if published.bad:
                yield interface, published.bad

    def _read(self, interface: str, nodes: InterfaceNodes, at: float) -> Steps[NodesReading]:
        """Return what the nodes say, in the light of who has registered for the interface."""
        before = self._published.get(interface)
        rules = join_rules(read_overrides(interface, nodes.overrides), *nodes.rules)
        covered = self._holes.shrink(interface, before.covered, at) if before else frozenset()
        guessed = {each.registrant for each in nodes.offers if not each.is_exact}
        elsewhere = frozenset(filter(self._registrants.registers, guessed))
        known = Known(self._registrants.known(interface, at), covered, elsewhere)
        reading = yield from read_interface(self._reader, interface, nodes.providers, rules.rules, nodes.offers, known)
        self._registrants.replace(interface, reading.registrants, at)
        return reading

    def _keep(
        self, interface: str, nodes: InterfaceNodes, reading: NodesReading, at: float, *, may_shrink: bool
    ) -> Bridged:
        """Return what to publish: what was read, and what is missing and stays for now."""
        before = self._published.get(interface)
        if before is None:
            return Bridged(reading.services, None)
        if not may_shrink:
            return Bridged(keep_missing(before.services, reading.services), None)
        standing = {(each.application, each.address) for each in nodes.offers}
        standing -= {(each.application, each.address) for each in reading.older}
        return self._holes.bridge(interface, before.services, reading, standing, at)


def _describe_bad(reading: NodesReading) -> str:
    if not reading.example:
        return ""
    reasons = " ".join(f"{reason}={count}" for reason, count in sorted(reading.bad.items()))
    return f"{reasons} such as {print_subject(reading.example)}"


def _share(services: Services, before: Published | None) -> Services:
    """Return services in which what is equal to the known is the known object: 100,000 copies cost memory."""
    if before is None:
        return services
    return {name: known if (known := before.services.get(name)) == each else each for name, each in services.items()}
