"""Labels: which metadata of an instance becomes endpoint labels, and which endpoint labels become entry labels.

Rules: Slime pkg/util/validation.go (endpoint labels), pkg/features/serviceentrylabel.go (entry labels). In the istio
profile, labels that steer the mesh are never taken from registry data, and sizes are bounded.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

import msgspec

from meshregistry.model.bounded import remember
from meshregistry.model.grammar import is_label_key, is_label_value, is_utf8
from meshregistry.model.instance import Pairs, sort_pairs
from meshregistry.model.locality import LOCALITY_LABEL, SUBZONE_LABEL, Locality, find_locality, list_locality_keys
from meshregistry.model.naming import name_service_namespace
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.protocols import ENDPOINTS_KEY, SILENT, Spoken, read_protocols
from meshregistry.model.service_entry import WorkloadEntry

REVISION_LABEL = "istio.io/rev"
_NAMESPACE_LABEL = "k8sNs"
_INSTANCE_ID = "instanceId"
_LONGEST_REMEMBERED = 256
_MOST_REMEMBERED = 4096
"""Whole label maps repeat among the instances of a service and its neighbours, seldom further apart."""

_HARMLESS = frozenset(
    {
        SUBZONE_LABEL,
        "topology.istio.io/locality",
        "service.istio.io/canonical-name",
        "service.istio.io/canonical-revision",
    }
)
"""Keys of Istio's that place or describe an endpoint, but do not change how traffic is secured or routed to it."""


class Dropped(msgspec.Struct, frozen=True, gc=False):
    """A metadata pair that did not become a label."""

    reason: str
    key: str
    value: str
    """At most its first 256 characters."""


class EndpointLabels(msgspec.Struct, frozen=True, gc=False):
    """What the metadata of an instance says about its endpoint."""

    labels: Pairs
    locality: str
    service_ns: str
    """The service namespace by the label `k8sNs` or by default; "" is none."""

    dropped: tuple[Dropped, ...] = ()
    spoken: Spoken = SILENT
    weight: float | None = None
    """The weight that the metadata states, None when it states none."""


class LabelFilter:
    """Converts metadata to labels for one policy; owns caches of at most `cache_size` entries each.

    A full cache is cleared, which costs time, never correctness.
    """

    def __init__(self, policy: ConversionPolicy, cache_size: int) -> None:
        self._policy = policy
        self._istio = policy.profile is Profile.ISTIO
        self._cache_size = cache_size
        self._locality_keys = list_locality_keys(policy)
        self._flat_locality_keys = (LOCALITY_LABEL, *itertools.chain.from_iterable(self._locality_keys))
        self._localities: dict[tuple[str | None, ...], Locality] = {}
        self._key_reasons: dict[str, str] = {}
        self._legal: set[tuple[str, str]] = set()
        self._most_known_legal = policy.max_labels_bytes // _LONGEST_REMEMBERED
        self._namespaces: dict[str | None, str] = {}
        self._known: dict[tuple[Pairs, Pairs], EndpointLabels] = {}

    def convert(self, metadata: Pairs, injected: Pairs) -> EndpointLabels:
        """Return the labels of metadata; `injected` overrides pairs of the same key."""
        known = self._known.get((metadata, injected))
        if known is not None:
            return known
        converted = self._convert(metadata, injected)
        if len(metadata) <= self._most_known_legal and self._legal.issuperset(metadata):
            remember(self._known, (metadata, injected), converted, _MOST_REMEMBERED)
        return converted

    def convert_anew(self, metadata: Pairs) -> EndpointLabels:
        """Return the labels of metadata that is not worth remembering whole."""
        return self._convert(metadata, ())

    def _convert(self, metadata: Pairs, injected: Pairs) -> EndpointLabels:
        dropped: list[Dropped] = []
        pairs = tuple({**dict(metadata), **dict(injected)}.items()) if injected else metadata
        is_legal = self._are_legal(pairs)
        labels = dict(pairs) if is_legal else self._filter(sorted(pairs), dropped)
        self._copy(labels, dropped)
        locality = self._locate(labels)
        if locality.label:
            labels[LOCALITY_LABEL] = locality.label
        # The usual metadata is its own labels: 100,000 copies of pairs cost memory.
        is_same = is_legal and not (injected or locality.label or self._policy.endpoint_relabel_items)
        return EndpointLabels(
            metadata if is_same else sort_pairs(labels),
            locality.path,
            self._name_namespace(labels.get(_NAMESPACE_LABEL)),
            tuple(dropped),
            read_protocols(labels, dict(pairs).get(ENDPOINTS_KEY, "")) if self._policy.instance_protocols else SILENT,
            _read_weight(labels.get(self._policy.weight_key)) if self._policy.weight_key else None,
        )

    def _are_legal(self, pairs: Pairs) -> bool:
        """Whether all pairs become labels as they are: the usual case."""
        if self._legal.issuperset(pairs):
            return len(pairs) <= self._most_known_legal
        if sum(len(key) + len(value) for key, value in pairs) > self._policy.max_labels_bytes:
            return False
        unknown = (pair for pair in pairs if pair not in self._legal)
        return not any(key == _INSTANCE_ID or self._judge(key, value) for key, value in unknown)

    def _filter(self, pairs: Iterable[tuple[str, str]], dropped: list[Dropped]) -> dict[str, str]:
        labels: dict[str, str] = {}
        room = self._policy.max_labels_bytes
        for key, raw in pairs:
            value = raw.replace(":", "_") if key == _INSTANCE_ID else raw
            size = len(key) + len(value)
            # What does not fit needs no judgement: metadata may have tens of thousands of keys.
            is_left_out = self._istio and size > room and len(value) <= self._policy.max_label_value_bytes
            reason = "labels_size" if is_left_out else self._judge(key, value)
            if not reason:
                labels[key] = value
                room -= size
            elif key != "@class":
                dropped.append(Dropped(reason, key, value[:_LONGEST_REMEMBERED]))
        return labels

    def _copy(self, labels: dict[str, str], dropped: list[Dropped]) -> None:
        """Copy what configuration wants under another name, too; no copy steers the mesh, as a registrant wrote it."""
        for source, target in self._policy.endpoint_relabel_items:
            if source not in labels:
                continue
            if self._istio and steers_mesh(target):
                dropped.append(Dropped("label_reserved", target, labels[source][:_LONGEST_REMEMBERED]))
            else:
                labels[target] = labels[source]

    def _locate(self, labels: dict[str, str]) -> Locality:
        values = tuple(map(labels.get, self._flat_locality_keys))
        known = self._localities.get(values)
        if known is None:
            known = find_locality(labels, self._locality_keys, self._policy.profile, self._policy.default_region)
            if sum(map(len, filter(None, values))) <= _LONGEST_REMEMBERED:
                remember(self._localities, values, known, self._cache_size)
        return known

    def _name_namespace(self, label: str | None) -> str:
        known = self._namespaces.get(label)
        if known is None:
            known = name_service_namespace(label, self._policy)
            remember(self._namespaces, label, known, self._cache_size)
        return known

    def _judge(self, key: str, value: str) -> str:
        """Return why a pair cannot be a label, or ""."""
        if (key, value) in self._legal:
            return ""
        reason = self._key_reasons.get(key)
        if reason is None:
            reason = self._judge_key(key)
            if len(key) <= _LONGEST_REMEMBERED:
                remember(self._key_reasons, key, reason, self._cache_size)
        reason = reason or self._judge_value(value)
        if not reason and len(key) + len(value) <= _LONGEST_REMEMBERED:
            if len(self._legal) >= self._cache_size:
                self._legal.clear()
            self._legal.add((key, value))
        return reason

    def _judge_key(self, key: str) -> str:
        if not is_label_key(key):
            return "label_key"
        return "label_reserved" if self._istio and steers_mesh(key) else ""

    def _judge_value(self, value: str) -> str:
        if self._istio:
            if len(value) > self._policy.max_label_value_bytes:
                return "label_size"
            return "" if is_label_value(value) else "label_value"
        if self._policy.skip_validate_label_value:
            return "" if is_utf8(value) else "label_value"
        return "" if is_label_value(value) else "label_value"


def steers_mesh(key: str) -> bool:
    """Whether a label changes how istiod secures, routes or scopes an endpoint (mTLS, network, tunnel, revision)."""
    prefix, slash, _ = key.partition("/")
    if not slash:
        return key == "service_account"
    return (prefix == "istio.io" or prefix.endswith(".istio.io")) and key not in _HARMLESS


def label_entry(
    endpoints: Sequence[WorkloadEntry], hosts: tuple[str, ...], policy: ConversionPolicy, extra: Pairs = ()
) -> Pairs:
    """Return the labels of an entry: its source, its revision and what its endpoints and its first host supply.

    `endpoints` are in canonical order; the first one that has a wanted label supplies it. `extra` is what
    configuration adds; in Slime what endpoints supply wins over it, in the istio profile it wins.
    """
    own = {"registry": policy.source}
    own.update(extra)
    if policy.revision:
        own[REVISION_LABEL] = policy.revision
    supplied = _supply_labels(endpoints, hosts, policy)
    if policy.profile is Profile.SLIME:
        return sort_pairs({**own, **supplied})
    return sort_pairs({**{key: value for key, value in supplied.items() if not steers_mesh(key)}, **own})


def _read_weight(text: str | None) -> float | None:
    try:
        weight = float(text) if text else -1.0
    except ValueError:
        return None
    return weight if 0 <= weight < math.inf else None


def _supply_labels(
    endpoints: Sequence[WorkloadEntry], hosts: tuple[str, ...], policy: ConversionPolicy
) -> dict[str, str]:
    supplied: dict[str, str] = {}
    for item in sorted(policy.entry_label_keys, key=lambda each: each.startswith("$")):
        key, target, mode = (*item.split(":", 2), "", "")[:3]
        value = hosts[0] if key == "$host" else _find_label(endpoints, key)
        if value is None:
            continue
        # Slime's `append` takes one value, too, and puts a comma before it.
        is_appended = mode == "append" and key != "$host" and policy.profile is Profile.SLIME
        supplied.setdefault(target or key.removeprefix("$"), f",{value}" if is_appended else value)
    return supplied


def _find_label(endpoints: Sequence[WorkloadEntry], key: str) -> str | None:
    seen: set[int] = set()
    for endpoint in endpoints:
        # Endpoints of one application share their labels, and mostly none has the key.
        if id(endpoint.labels) not in seen:
            seen.add(id(endpoint.labels))
            for name, value in endpoint.labels:
                if name == key:
                    return value
    return None
