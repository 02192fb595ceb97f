"""Endpoint selectors: which instances of a service are taken.

Rules: Slime pkg/source/selector.go (elements ORed, their parts ANDed), pkg/source/nacos/source.go (which list counts
for a service), Kubernetes label selectors (what the label part means).
"""

import ipaddress
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from meshregistry.model.instance import Pairs

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Predicate = Callable[[Mapping[str, str], str], bool]
"""Judges an instance by its metadata and its address."""


class Operator(StrEnum):
    """What must hold for the value of a label."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(msgspec.Struct, frozen=True):
    """One expression of a Kubernetes label selector; `values` are for In and NotIn."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def accepts(self, metadata: Mapping[str, str]) -> bool:
        """Whether the metadata satisfies the expression; NotIn is satisfied by a missing key."""
        value = metadata.get(self.key)
        if self.operator is Operator.IN:
            return value in self.values
        if self.operator is Operator.NOT_IN:
            return value not in self.values
        return (value is not None) is (self.operator is Operator.EXISTS)


class EndpointSelector(msgspec.Struct, frozen=True):
    """Accepts instances whose metadata satisfies all of its label part and whose address it does not exclude."""

    match_labels: Pairs = ()
    match_expressions: tuple[LabelRequirement, ...] = ()
    has_label_part: bool = False
    """Whether the label part is there even when it is empty; an empty one accepts every instance."""

    exclude_ips: tuple[str, ...] = ()
    exclude_cidrs: tuple[str, ...] = ()

    def is_empty(self) -> bool:
        """Whether it says nothing: such an element does not count."""
        has_labels = self.has_label_part or self.match_labels or self.match_expressions
        return not (has_labels or self.exclude_ips or self.exclude_cidrs)


class Selection(msgspec.Struct, frozen=True):
    """The endpoint selectors of one source."""

    source: tuple[EndpointSelector, ...] = ()
    serviced: tuple[tuple[str, tuple[EndpointSelector, ...]], ...] = ()
    """Service → the selectors that count for it in place of the source's."""

    empty_excludes_all: bool = False
    """What an empty list means: False takes every instance, True none."""

    always_source: bool = False
    """Whether a service with selectors of its own must pass the source's, too."""

    by_address: bool = True
    """Whether excluded addresses count; Slime ignores them for Nacos."""


class InstanceSelector:
    """A selection made ready: one predicate for the source, one per named service."""

    def __init__(self, selection: Selection) -> None:
        self._always_source = selection.always_source
        self.is_idle = not (selection.source or selection.serviced or selection.empty_excludes_all)
        """Whether it takes every instance."""

        self._source = _build_list(selection.source, selection)
        self._serviced = {service: _build_list(each, selection) for service, each in selection.serviced}

    def choose(self, services: tuple[str, ...]) -> Predicate:
        """Return the predicate for a service by the first of its names that has selectors."""
        own = next((self._serviced[service] for service in services if service in self._serviced), None)
        source = self._source
        if own is None:
            return source
        if not self._always_source:
            return own
        return lambda metadata, address: source(metadata, address) and own(metadata, address)


def _build_list(selectors: tuple[EndpointSelector, ...], selection: Selection) -> Predicate:
    elements = [_build(each, by_address=selection.by_address) for each in selectors if not each.is_empty()]
    if not elements:
        return lambda _metadata, _address: not selection.empty_excludes_all
    return lambda metadata, address: any(element(metadata, address) for element in elements)


def _build(selector: EndpointSelector, *, by_address: bool) -> Predicate:
    is_excluded = _exclude(selector) if by_address and (selector.exclude_ips or selector.exclude_cidrs) else None

    def accepts(metadata: Mapping[str, str], address: str) -> bool:
        return (
            all(metadata.get(key) == value for key, value in selector.match_labels)
            and all(requirement.accepts(metadata) for requirement in selector.match_expressions)
            and not (is_excluded and is_excluded(address))
        )

    return accepts


def _exclude(selector: EndpointSelector) -> Callable[[str], bool]:
    single = {ipaddress.ip_address(each) for each in selector.exclude_ips}
    ranges = [ipaddress.ip_network(each, strict=False) for each in selector.exclude_cidrs]

    def is_excluded(address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and (parsed in single or any(parsed in each for each in ranges))

    return is_excluded


def _parse(address: str) -> _Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
