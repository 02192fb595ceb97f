"""Provider URLs as records, fast: the 100,000 names of a large registry repeat each other but for a few parameters.

What differs between the registrations of one service by one application (start time, process) is cut out before the
rest is looked up, so most names cost one look-up and one small record.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from meshregistry.model.bounded import remember
from meshregistry.model.dubbo_key import DEFAULT_PREFIX, DEFAULT_WEIGHT, PROTOCOL, DubboKey, find_param, key_of
from meshregistry.model.grammar import is_ip
from meshregistry.model.instance import Instance, Pairs
from meshregistry.sources.interning import Interner
from meshregistry.sources.zookeeper.dubbo.layouts import Layout
from meshregistry.sources.zookeeper.dubbo.url import (
    LONGEST_POOLED,
    MAX_NAME_CHARS,
    BadUrl,
    check_address,
    has_odd_separators,
    read_address,
    read_pair,
    split_pairs,
)

_POOL_LIMIT = 16_384
_KNOWN_LIMIT = 2_048
_LONGEST_KNOWN = 4_096
_TIMESTAMP = "timestamp"
_SWITCHES = {"enabled", "disabled"}
_DECISIVE = frozenset(
    [f"{prefix}{name}" for name in ("group", "version", "application", "weight") for prefix in ("", DEFAULT_PREFIX)]
    + [*_SWITCHES]
)
"""What `Traits` say beside the metadata comes from these."""

_MOST_LAYOUTS = 4
"""Of one interface: applications and schemes. Where every provider has its own, looking for it would be in vain."""

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
        self._decisive = self._left_out | _DECISIVE
        self._volatile = ParamCutter({_TIMESTAMP, "pid", "token"} & self._ignored)
        self._known: dict[tuple[str, str, str], Traits] = {}
        self._decoded: dict[str, tuple[str, str]] = {}
        self._layouts: list[Layout[Traits]] = []
        self._layouts_of = ""
        """The interface whose names are laid out so."""

        self._pair = Interner[tuple[str, str]](_POOL_LIMIT)
        self._traits = Interner[Traits](_POOL_LIMIT)

    def read(self, interface: str, name: str) -> Provider | None:
        """Return the provider of a node name, None for `empty://`; raises BadUrl.

        Reasons: `size`, `scheme` (no URL of a provider), `address`, `port`.
        """
        if len(name) > MAX_NAME_CHARS:
            raise BadUrl("size")
        if interface != self._layouts_of:
            self._layouts_of = interface
            self._layouts.clear()
        for layout in self._layouts:
            located = layout.locate(name)
            if located is not None and is_ip(located.host):
                traits = layout.find(located.end) or self._vary(layout, located.end)
                if traits is not None:
                    return _provide(traits, located.host, layout.port, located.cut)
        return self._read_anew(interface, name)

    def _read_anew(self, interface: str, name: str) -> Provider | None:
        scheme, host, port, encoded_params = read_address(name)
        if scheme == "empty":
            return None
        if scheme in _OTHER_KINDS:
            raise BadUrl("scheme")
        check_address(host, port)
        lasting_params, volatile = self._volatile.cut(encoded_params)
        provider = _provide(self._find(interface, scheme, lasting_params), host, port, volatile)
        if len(self._layouts) < _MOST_LAYOUTS and is_ip(host):
            self._learn(name, encoded_params, lasting_params, provider)
        return provider

    def _learn(self, name: str, encoded_params: str, lasting_params: str, provider: Provider) -> None:
        """Take a name for the layout of those that follow, unless it is an odd one."""
        start = f"{provider.traits.scheme}%3A%2F%2F{provider.address}%3A"
        if not name.startswith(start) or has_odd_separators(encoded_params):
            return
        if len(split_pairs(lasting_params, self._pool())) <= lasting_params.count("%26"):
            return  # a parameter is there twice, or has no name
        rest = name[len(start) - len("%3A") : len(name) - len(encoded_params)]
        pieces = self._volatile.split(encoded_params)
        layout: Layout[Traits] = Layout(provider.traits.scheme, provider.port, rest, pieces)
        located = layout.locate(name)
        if located is not None:
            layout.learn(located.end, provider.traits)
            self._layouts.append(layout)

    def _vary(self, layout: Layout[Traits], end: str) -> Traits | None:
        """Return what a name says that differs from one before in the values of a few parameters at its end.

        None where it differs in more, or in what decides about more than the metadata: machines have a zone of their
        own, and little else.
        """
        if layout.known is None:
            return None
        known_end, known = layout.known
        known_parts, parts = known_end.split("%26"), end.split("%26")
        if len(parts) != len(known_parts) or has_odd_separators(end):
            return None
        metadata = list(known.metadata)
        for known_part, part in zip(known_parts, parts, strict=True):
            if known_part != part:
                before, after = read_pair(known_part, self._pool()), read_pair(part, self._pool())
                if before[0] != after[0] or before[0] in self._decisive or before not in metadata:
                    return None
                metadata[metadata.index(before)] = after
        varied = Traits(*known[:3], tuple(metadata), *known[4:])
        layout.learn(end, varied)
        return varied

    def describe(self, interface: str, scheme: str, params: Mapping[str, str]) -> Traits:
        """Return what decoded parameters say."""
        traits = self._describe(interface, scheme, [self._share(pair) for pair in params.items()])
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

    def _pool(self) -> dict[str, tuple[str, str]]:
        """Return the decoded parameters by their encoded form."""
        if len(self._decoded) >= _POOL_LIMIT:
            self._decoded.clear()
        return self._decoded

    def _share(self, pair: tuple[str, str]) -> tuple[str, str]:
        return self._pair.share(pair) if len(pair[0]) + len(pair[1]) <= LONGEST_POOLED else pair

    def _find(self, interface: str, scheme: str, encoded_params: str) -> Traits:
        place = (interface, scheme, encoded_params)
        known = self._known.get(place)
        if known is None:
            known = self._describe(interface, scheme, split_pairs(encoded_params, self._pool()))
            if len(encoded_params) <= _LONGEST_KNOWN:
                remember(self._known, place, known, _KNOWN_LIMIT)
        return known

    def _describe(self, interface: str, scheme: str, pairs: Iterable[tuple[str, str]]) -> Traits:
        """Return what parameters say, each of which is there once."""
        params = dict(pairs)
        left_out = self._left_out
        kept = [pair for pair in pairs if pair[0] not in left_out]
        kept.append(self._share((PROTOCOL, scheme)))
        kept.sort()
        metadata = tuple(kept)
        key = key_of(interface, params)
        application = find_param(params, "application")
        return Traits(key, str(key), scheme, metadata, application, read_weight(params), is_enabled(params))


def _provide(traits: Traits, host: str, port: int, volatile: Mapping[str, str]) -> Provider:
    return Provider(traits, host, port, volatile.get(_TIMESTAMP) or dict(traits.metadata).get(_TIMESTAMP, ""))


class ParamCutter:
    """Cuts parameters out of encoded ones. A parameter that is written in an odd way stays."""

    def __init__(self, names: Iterable[str]) -> None:
        found = "|".join(sorted(map(re.escape, names)))
        self._split = re.compile(rf"%26({found})%3D([^%]*(?:%(?!26)[^%]*)*)").split if found else None

    def cut(self, encoded: str) -> tuple[str, dict[str, str]]:
        """Return the other parameters, and the encoded values of those that were cut out."""
        pieces = self.split(encoded)
        return "".join(pieces[::3])[3:], dict(zip(pieces[1::3], pieces[2::3], strict=True))

    def split(self, encoded: str) -> list[str]:
        """Return the parameters, a separator in front, in pieces: what stays, name, value, what stays, and so on."""
        return self._split(f"%26{encoded}") if self._split is not None else [f"%26{encoded}"]


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
