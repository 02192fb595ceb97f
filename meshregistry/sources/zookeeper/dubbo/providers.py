"""Provider URLs as records, fast: the 100,000 names of a large registry repeat each other but for a few parameters.

What differs between the registrations of one service by one application (start time, process) is cut out before the
rest is looked up, so most names cost one look-up and one small record.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from meshregistry.model.bounded import remember
from meshregistry.model.dubbo_key import DEFAULT_WEIGHT, PROTOCOL, DubboKey, find_param, key_of
from meshregistry.model.instance import Instance, Pairs
from meshregistry.sources.interning import Interner
from meshregistry.sources.zookeeper.dubbo.url import (
    LONGEST_POOLED,
    MAX_NAME_CHARS,
    BadUrl,
    check_address,
    read_head,
    split_name,
    split_pairs,
)

_POOL_LIMIT = 16_384
_KNOWN_LIMIT = 2_048
_LONGEST_KNOWN = 4_096
_TIMESTAMP = "timestamp"
_SWITCHES = {"enabled", "disabled"}
_OTHER_KINDS = frozenset(("consumer", "override", "absent", "route", "script", "condition", "admin"))


class Traits(NamedTuple):
    """What a provider's parameters say; shared by all providers with equal parameters."""

    key: DubboKey
    service: str
    """The text of the key."""

    scheme: str
    metadata: Pairs
    """Parameters without the ignored ones, and the scheme under `PROTOCOL`."""

    application: str
    weight: float
    is_enabled: bool


class Provider(NamedTuple):
    """One registration of one service on one address and port."""

    traits: Traits
    address: str
    port: int
    timestamp: str = ""
    """Start of the process in milliseconds, as registered: digits of one length for the next 200 years."""

    def instance(self) -> Instance:
        """Return the provider as a model record."""
        traits = self.traits
        return Instance(self.address, self.port, "", True, traits.is_enabled, traits.weight, traits.metadata)


class ProviderReader:
    """Reads provider names. Owner of the pools that let equal parameters share memory; bounded.

    `ignored` are the parameters that are left out of the metadata (Slime's `IgnoreLabel`).
    """

    def __init__(self, ignored: Iterable[str]) -> None:
        self._ignored = frozenset(ignored)
        self._left_out = self._ignored | {PROTOCOL}
        self._volatile = ParamCutter({_TIMESTAMP, "pid", "token"} & self._ignored)
        self._known: dict[tuple[str, str, str], Traits] = {}
        self._decoded: dict[str, tuple[str, str]] = {}
        self._pair = Interner[tuple[str, str]](_POOL_LIMIT)
        self._traits = Interner[Traits](_POOL_LIMIT)

    def read(self, interface: str, name: str) -> Provider | None:
        """Return the provider of a node name, None for `empty://`; raises BadUrl.

        Reasons: `size`, `scheme` (no URL of a provider), `address`, `port`.
        """
        if len(name) > MAX_NAME_CHARS:
            raise BadUrl("size")
        encoded_head, encoded_params = split_name(name)
        head = read_head(encoded_head)
        if head.scheme == "empty":
            return None
        if head.scheme in _OTHER_KINDS:
            raise BadUrl("scheme")
        check_address(head.host, head.port)
        lasting_params, volatile = self._volatile.cut(encoded_params)
        traits = self._find(interface, head.scheme, lasting_params)
        timestamp = volatile.get(_TIMESTAMP) or dict(traits.metadata).get(_TIMESTAMP, "")
        return Provider(traits, head.host, head.port, timestamp)

    def describe(self, interface: str, scheme: str, params: Mapping[str, str]) -> Traits:
        """Return what decoded parameters say."""
        traits = self._describe(interface, scheme, {pair[0]: self._share(pair) for pair in params.items()})
        return self._traits.share(traits) if sum(map(len, params.values())) <= _LONGEST_KNOWN else traits

    def amend(self, traits: Traits, metadata: Mapping[str, str]) -> Traits:
        """Return traits with other metadata; the service stays, and what ignored parameters said."""
        amended = self.describe(traits.key.interface, traits.scheme, metadata)
        return amended._replace(
            key=traits.key,
            service=traits.service,
            application=traits.application,
            weight=amended.weight if "weight" in metadata else traits.weight,
            is_enabled=amended.is_enabled if _SWITCHES & metadata.keys() else traits.is_enabled,
        )

    def _share(self, pair: tuple[str, str]) -> tuple[str, str]:
        return self._pair.share(pair) if len(pair[0]) + len(pair[1]) <= LONGEST_POOLED else pair

    def _find(self, interface: str, scheme: str, encoded_params: str) -> Traits:
        place = (interface, scheme, encoded_params)
        known = self._known.get(place)
        if known is None:
            if len(self._decoded) >= _POOL_LIMIT:
                self._decoded.clear()
            known = self._describe(interface, scheme, split_pairs(encoded_params, self._decoded))
            if len(encoded_params) <= _LONGEST_KNOWN:
                remember(self._known, place, known, _KNOWN_LIMIT)
        return known

    def _describe(self, interface: str, scheme: str, pairs: Mapping[str, tuple[str, str]]) -> Traits:
        params = dict(pairs.values())
        left_out = self._left_out
        kept = [pair for name, pair in pairs.items() if name not in left_out]
        metadata = tuple(sorted((*kept, self._share((PROTOCOL, scheme)))))
        key = key_of(interface, params)
        application = find_param(params, "application")
        return Traits(key, str(key), scheme, metadata, application, read_weight(params), is_enabled(params))


class ParamCutter:
    """Cuts parameters out of encoded ones. A parameter that is written in an odd way stays."""

    def __init__(self, names: Iterable[str]) -> None:
        found = "|".join(sorted(map(re.escape, names)))
        self._split = re.compile(rf"%26({found})%3D([^%]*(?:%(?!26)[^%]*)*)").split if found else None

    def cut(self, encoded: str) -> tuple[str, dict[str, str]]:
        """Return the other parameters, and the encoded values of those that were cut out."""
        if self._split is None:
            return encoded, {}
        pieces = self._split(f"%26{encoded}")
        return "".join(pieces[::3])[3:], dict(zip(pieces[1::3], pieces[2::3], strict=True))


def read_weight(params: Mapping[str, str]) -> float:
    """Return the weight, at least 0; what is no number is the default, as Dubbo has it."""
    text = find_param(params, "weight")
    if not text:
        return DEFAULT_WEIGHT  # nearly all of them
    try:
        return float(max(0, int(text))) if len(text) <= 9 else DEFAULT_WEIGHT
    except ValueError:
        return DEFAULT_WEIGHT


def is_enabled(params: Mapping[str, str]) -> bool:
    """Whether a provider takes calls: `disabled` decides where it is given, `enabled` otherwise.

    Source: Dubbo RegistryDirectory.
    """
    disabled = params.get("disabled", "")
    return disabled != "true" if disabled else params.get("enabled", "true") != "false"
