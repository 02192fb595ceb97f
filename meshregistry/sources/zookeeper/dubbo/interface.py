"""One interface as the store hears of it: its services and their instances, from every way to register.

Order of trust: what is registered for the interface itself, then what an application's metadata says exactly, then
what can only be guessed from the mapping of interfaces to applications.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import xxhash

from meshregistry.errors import SourceDataError
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.events import ScopeListing
from meshregistry.model.instance import Instance
from meshregistry.model.rejects import print_subject
from meshregistry.sources.steps import Steps
from meshregistry.sources.zookeeper.dubbo.applications import Offer, Registrant
from meshregistry.sources.zookeeper.dubbo.providers import Provider, ProviderReader
from meshregistry.sources.zookeeper.dubbo.rules import Rule, apply_rules
from meshregistry.sources.zookeeper.dubbo.url import BadUrl

_STEP = 64
"""Providers that are read, or put under rules, in one step: a millisecond, or two."""

Spot = tuple[str, str, str, int]
"""Service, scheme, address, port."""


class Known(NamedTuple):
    """What earlier readings showed of those that register for an interface although their nodes may be missing now."""

    registrants: frozenset[Registrant] = frozenset()
    covered: frozenset[Spot] = frozenset()
    elsewhere: frozenset[Registrant] = frozenset()
    """Those that offer the interface by mapping and register for others."""


NOTHING_KNOWN = Known()


class InterfaceReading(NamedTuple):
    """What the nodes of one interface say."""

    services: Mapping[str, tuple[Instance, ...]]
    """By the text of their `DubboKey`; instances in canonical order, each scheme, address and port once."""

    bad: Mapping[str, int]
    """Names dropped alone, by reason: `size`, `scheme`, `address`, `port`; `duplicate` for older registrations."""

    registrants: frozenset[Registrant] = frozenset()
    """Those that offer the interface by mapping, too, and register for it or did so before: nothing is guessed."""

    covered: frozenset[Spot] = frozenset()
    """Where a registration hides what its application's metadata offers."""

    uncovered: frozenset[Spot] = frozenset()
    """Where one did so before: nothing is there now."""

    older: frozenset[Registrant] = frozenset()
    """Those for whom nothing is guessed because they register for other interfaces only."""

    example: str = ""
    """One of the names that are no provider's, whole."""

    is_doubtful: bool = False
    """Whether something is guessed for an application of which other processes register for the interface."""

    def listing(self, registry: str, interface: str, observed_at: float = 0.0) -> ScopeListing:
        """Return it as the complete content of the interface's scope."""
        return ScopeListing(
            dubbo_scope(registry, interface), frozenset(self.services), self.services, observed_at=observed_at
        )


_NOTHING_OFFERED = InterfaceReading({}, {})


def read_interface(
    reader: ProviderReader,
    interface: str,
    names: Sequence[str],
    rules: Sequence[Rule] = (),
    offers: Collection[Offer] = (),
    known: Known = NOTHING_KNOWN,
) -> Steps[InterfaceReading]:
    """Return an interface's services from the children of its `providers` node, the same for any order.

    `interface` is the decoded node name; `offers` are what applications registered by themselves for it. Raises
    SourceDataError when there are names and none can be used: what is known of the interface must stay.
    """
    bad: Counter[str] = Counter()
    providers: dict[Spot, Provider] = {}
    is_emptied, example = False, ""
    for count, name in enumerate(names, 1):
        if count % _STEP == 0:
            yield
        try:
            provider = reader.read(interface, name)
        except BadUrl as error:
            bad[error.reason] += 1
            example = min(example or name, name)
            continue
        if provider is None:
            is_emptied = True
        else:
            _add_newest(providers, provider, bad)
    if bad and not providers and not is_emptied:
        reasons = f"{dict(bad)}, such as {print_subject(example)}"
        raise SourceDataError(f"none of {bad.total()} provider names is usable: {reasons}")
    found = _add_offers(reader, interface, providers, offers, known)
    services = yield from _group(reader, providers.values(), rules)
    return found._replace(services=services, bad=dict(bad), example=example)


def fingerprint(names: Iterable[str]) -> int:
    """Return a hash of node names that is the same for any order: equal hashes need no reading (64 bits)."""
    # No name contains NUL: ZooKeeper has no such paths. One call for all of them takes a third of one for each.
    return xxhash.xxh3_64_intdigest("\0".join(sorted(names)).encode("utf-8", "surrogatepass"))


def _add_newest(providers: dict[Spot, Provider], provider: Provider, bad: Counter[str]) -> None:
    """Keep the newest of several registrations of one place: a killed static provider leaves its node behind."""
    spot = (provider.traits.service, provider.traits.scheme, provider.address, provider.port)
    other = providers.get(spot)
    if other is not None:
        bad["duplicate"] += 1
    if other is None or (other.timestamp, other.traits) < (provider.timestamp, provider.traits):
        providers[spot] = provider


def _add_offers(
    reader: ProviderReader, interface: str, providers: dict[Spot, Provider], offers: Collection[Offer], known: Known
) -> InterfaceReading:
    """Add what applications offer and do not register for the interface; return a reading but for its services.

    An application that registers the interface from an address itself says all about it; a guess would add groups,
    versions and protocols that it does not serve, and an exact offer knows nothing of what has been switched off or
    weighted since. Its nodes go for a moment whenever it rewrites them, and for seconds in a new session, in which
    Dubbo registers the application first. A process that registers for other interfaces only, while others of its
    application register for this one, is of a release that did not have it: the mapping knows applications only.
    """
    if not offers:
        return _NOTHING_OFFERED
    registered = {(each.traits.application, each.address) for each in providers.values()}
    applications = {application for application, _ in registered}
    registrants, older, covered, uncovered, is_doubtful = set(), set(), set(), set(), False
    for offer in sorted(offers):
        if not offer.is_exact:
            registrant = offer.registrant
            if registrant in known.registrants or (offer.application, offer.address) in registered:
                registrants.add(registrant)
                continue
            if offer.application in applications:
                if registrant in known.elsewhere:
                    older.add(registrant)
                    continue
                is_doubtful = True
        traits = reader.describe(interface, offer.scheme, dict(offer.params))
        spot = (traits.service, offer.scheme, offer.address, offer.port)
        if spot in providers:
            covered.add(spot)
        elif spot in known.covered:
            uncovered.add(spot)
        else:
            providers[spot] = Provider(traits, offer.address, offer.port, offer.timestamp)
    sets = (frozenset(registrants), frozenset(covered), frozenset(uncovered), frozenset(older))
    return InterfaceReading({}, {}, *sets, is_doubtful=is_doubtful)


def _group(
    reader: ProviderReader, providers: Iterable[Provider], rules: Sequence[Rule]
) -> Steps[dict[str, tuple[Instance, ...]]]:
    services: dict[str, list[Instance]] = {}
    for count, provider in enumerate(providers, 1):
        if count % _STEP == 0:
            yield
        ruled = _apply(reader, provider, rules) if rules else provider
        services.setdefault(provider.traits.service, []).append(ruled.instance())
    return {name: tuple(sorted(instances)) for name, instances in services.items()}


def _apply(reader: ProviderReader, provider: Provider, rules: Sequence[Rule]) -> Provider:
    traits = provider.traits
    params = dict(traits.metadata)
    changed = apply_rules(rules, traits.key, (provider.address, provider.port), params)
    return provider if changed is params else provider._replace(traits=reader.amend(traits, changed))
