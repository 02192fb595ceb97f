"""Which URL parameters of a provider become labels of its endpoint.

Slime (pkg/source/zookeeper/conversion.go) takes every parameter that is a label. A stock istiod would push each change
of them to all proxies, so the istio profile takes what describes the provider, and what other settings name.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from meshregistry.model.bounded import remember
from meshregistry.model.dubbo_key import DEFAULT_PREFIX, DUBBO_SCHEME, PROTOCOL
from meshregistry.model.dubbo_naming import escape_methods, spread_tag
from meshregistry.model.grammar import is_label_value
from meshregistry.model.instance import Pairs, sort_pairs
from meshregistry.model.labels import EndpointLabels, LabelFilter
from meshregistry.model.locality import LOCALITY_LABEL, find_locality, list_locality_keys
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.relabel import relabel

METHOD_LABEL = "methods"
_TAG = "dubbo.tag"
_MOST_REMEMBERED = 4096
_DESCRIPTIVE = ("app", "application", "group", "interface", PROTOCOL, "revision", "version", "zone")


class Described(NamedTuple):
    """What the parameters of a provider say."""

    scheme: str
    pairs: Pairs
    """What selectors judge by: in the slime profile the labels."""

    labels: EndpointLabels
    without_methods: Pairs
    """The labels but for the one of methods."""

    @property
    def params(self) -> dict[str, str]:
        """The same as a map; made anew, as nearly nobody asks and 30,000 maps cost time and memory."""
        return dict(self.pairs)


class DubboLabels:
    """Converts parameters to labels for one policy; bounded caches, of which a full one is cleared."""

    def __init__(self, policy: ConversionPolicy, cache_size: int) -> None:
        self._policy = policy
        self._is_istio = policy.profile is Profile.ISTIO
        # What instances speak is their scheme, and their weight a parameter: labels need not be searched for either.
        self._filter = LabelFilter(msgspec.structs.replace(policy, instance_protocols=False, weight_key=""), cache_size)
        self._known: dict[int, tuple[Pairs, Described]] = {}
        """By the identity of the metadata, which sources share: to hash it twice costs a third of describing it."""

        self._most_known = min(cache_size, _MOST_REMEMBERED)
        self._kept_keys = frozenset(_list_kept_keys(policy))
        self._defaults = {f"{DEFAULT_PREFIX}{key}": key for key in self._kept_keys}
        self._uncommon = frozenset((_TAG, *self._defaults))
        self._told_keys = self._kept_keys | self._uncommon

    def convert(self, metadata: Pairs) -> Described:
        """Return what the metadata of a Dubbo instance says."""
        known = self._known.get(id(metadata))
        if known is not None and known[0] is metadata:
            return known[1]
        described = self._describe(metadata) if self._is_istio else self._repeat_slime(metadata)
        remember(self._known, id(metadata), (metadata, described), self._most_known)
        return described

    def _describe(self, metadata: Pairs) -> Described:
        told_keys = self._told_keys
        told = [pair for pair in metadata if pair[0] in told_keys]
        if self._policy.relabel or any(pair[0] in self._uncommon for pair in told):
            params = dict(metadata)
            relabel(params, self._policy.relabel)
            scheme, pairs, kept = params.get(PROTOCOL, DUBBO_SCHEME), tuple(params.items()), self._choose(params)
        else:
            # The same pairs as those of the metadata: copies of 100,000 cost memory.
            scheme, pairs = next((value for name, value in told if name == PROTOCOL), DUBBO_SCHEME), metadata
            kept = tuple([pair for pair in told if pair[1] and (pair[0] != "interface" or is_label_value(pair[1]))])
        converted = self._filter.convert_anew(kept)
        return Described(scheme, pairs, converted, converted.labels)

    def _choose(self, params: dict[str, str]) -> Pairs:
        labels = {name: value for name, value in params.items() if value and name in self._kept_keys}
        for default in () if self._defaults.keys().isdisjoint(params) else self._defaults.keys() & params.keys():
            labels.setdefault(self._defaults[default], params[default])
        if not is_label_value(labels.get("interface", "")):
            del labels["interface"]  # an inner class; the entry names it anyway
        wanted = {name: value for name, value in {**labels, **_spread(params)}.items() if value}
        return sort_pairs(wanted)

    def _repeat_slime(self, metadata: Pairs) -> Described:
        """Return the labels in Slime's order: escape, filter, relabel; what relabelling adds is not filtered."""
        params = dict(metadata)
        escaped = tuple([_escape(pair) for pair in metadata if pair[0] not in (PROTOCOL, _TAG)])
        spread = _spread(params)
        filtered = self._filter.convert_anew(sort_pairs({**dict(escaped), **spread}) if spread else escaped)
        labels = dict(filtered.labels)
        if self._policy.relabel:
            relabel(labels, self._policy.relabel)
            relabelled = sort_pairs(labels)
            filtered = EndpointLabels(relabelled, _read_locality(labels), filtered.service_ns, filtered.dropped)
        without = filtered.labels
        if METHOD_LABEL in labels:
            without = tuple([pair for pair in filtered.labels if pair[0] != METHOD_LABEL])
        return Described(params.get(PROTOCOL, DUBBO_SCHEME), filtered.labels, filtered, without)


def _escape(pair: tuple[str, str]) -> tuple[str, str]:
    """Return a parameter as Slime writes it; the same pair where that changes nothing."""
    name, value = pair
    if name == METHOD_LABEL:
        return name, escape_methods(value)
    return (name, value.replace(",", "_").replace(":", "_")) if "," in value or ":" in value else pair


def _read_locality(labels: Mapping[str, str]) -> str:
    """Return the locality that the labels state: Slime reads it from there, after relabelling."""
    stated = labels.get(LOCALITY_LABEL)
    return find_locality({LOCALITY_LABEL: stated}, (), Profile.SLIME).path if stated else ""


def _spread(params: Mapping[str, str]) -> dict[str, str]:
    return spread_tag(params[_TAG]) if params.get(_TAG) else {}


def _list_kept_keys(policy: ConversionPolicy) -> tuple[str, ...]:
    """Return the parameters that can become labels in the istio profile: also those that other settings name."""
    named = [key for keys in list_locality_keys(policy) for key in keys]
    named += [source for source, _ in policy.endpoint_relabel_items]
    named += [step.target_key for step in policy.relabel]
    named += [item.partition(":")[0] for item in policy.entry_label_keys if not item.startswith("$")]
    return tuple(dict.fromkeys((*_DESCRIPTIVE, "istio-locality", *filter(None, named))))
