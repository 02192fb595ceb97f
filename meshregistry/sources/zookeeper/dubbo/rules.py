"""Rules that change providers for everybody: `override://` nodes and what they have in common with rule nodes.

A consumer would apply these itself (Dubbo AbstractConfigurator, OverrideConfigurator). A mesh has one view for all
consumers, so what holds only for some of them is counted and left out. Running providers apply most rules to their
own URL; ours are needed where they do not: rule nodes under Dubbo 2.7, `tri` nodes, registrations of dead processes.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from meshregistry.model.dubbo_key import DubboKey, find_param, make_key
from meshregistry.model.instance import Pairs
from meshregistry.sources.zookeeper.dubbo.url import (
    MAX_NAME_CHARS,
    BadUrl,
    Head,
    read_head,
    read_params,
    split_name,
    split_params,
)

ANYHOST = "0.0.0.0"
_CONDITIONS = ("category", "check", "dynamic", "enabled", "group", "version", "application", "side", "configVersion")
_NO_VALUES = frozenset((*_CONDITIONS, "compatible_config", "interfaces", "providerAddresses", "priority", "anyhost"))
"""Parameters of a rule that say where it applies, not what it sets."""


class TextMatch(NamedTuple):
    """One condition on a text; `kind` is `exact`, `prefix`, `wildcard`, `noempty`, `empty` or `cidr`."""

    kind: str
    value: str

    def holds(self, text: str) -> bool:
        """Whether the text meets the condition; a network that is none is never met."""
        match self.kind:
            case "exact":
                return text == self.value
            case "prefix":
                return text.startswith(self.value)
            case "wildcard":
                return fnmatchcase(text, self.value.replace("[", "[[]"))
            case "noempty":
                return bool(text)
            case "empty":
                return not text
            case _:
                return _is_within(text, self.value)


class Rule(NamedTuple):
    """What one rule sets on which providers; an empty condition holds for all."""

    values: Pairs
    is_absent: bool = False
    """Whether it sets only what is missing."""

    host: str = ANYHOST
    port: int = 0
    key: DubboKey | None = None
    """The one service it is for; None is every service."""

    application: str = ""
    provider_addresses: tuple[str, ...] = ()
    conditions: Pairs = ()
    addresses: tuple[TextMatch, ...] = ()
    params: tuple[tuple[str, TextMatch], ...] = ()

    def holds(self, key: DubboKey, host: str, port: int, params: Mapping[str, str]) -> bool:
        """Whether it applies to a provider."""
        return (
            self.key in (None, key)
            and self.host in (ANYHOST, host)
            and self.port in (0, port)
            and self.application in ("", find_param(params, "application"))
            and self._holds_for_address(host, port)
            and all(value in ("*", params.get(name, "")) for name, value in self.conditions)
            and all(match.holds(params.get(name, "")) for name, match in self.params)
        )

    def _holds_for_address(self, host: str, port: int) -> bool:
        listed = self.provider_addresses
        if listed and not _list_spellings(host, port).intersection(listed):
            return False
        return all(any(match.holds(text) for text in _spell(match, host, port)) for match in self.addresses)


class RuleSet(NamedTuple):
    """Rules in the order in which they apply, and how many were left out, by reason.

    Reasons: `url`, `malformed`, `size` (not understood), `consumer` (holds only for some consumers), `match` (a kind
    of condition that is not evaluated).
    """

    rules: tuple[Rule, ...] = ()
    ignored: Mapping[str, int] = {}


NO_RULES = RuleSet()


def join_rules(*sets: RuleSet) -> RuleSet:
    """Return several rule sets as one; the later ones win. Dubbo's order: override nodes, application, service."""
    if not any(each.rules or each.ignored for each in sets):
        return NO_RULES  # nearly all interfaces
    ignored: Counter[str] = Counter()
    for each in sets:
        ignored.update(each.ignored)
    return RuleSet(tuple(rule for each in sets for rule in each.rules), dict(ignored))


def apply_rules(
    rules: Iterable[Rule], key: DubboKey, address: tuple[str, int], params: Mapping[str, str]
) -> Mapping[str, str]:
    """Return a provider's parameters after the rules; the same object when none applies."""
    changed: dict[str, str] | None = None
    for rule in rules:
        if rule.holds(key, *address, params):
            changed = dict(params) if changed is None else changed
            values = dict(rule.values)
            changed = {**values, **changed} if rule.is_absent else {**changed, **values}
    return params if changed is None else changed


def read_overrides(interface: str, names: Iterable[str]) -> RuleSet:
    """Return the rules of an interface's `configurators` node; `empty://` among them means there are none."""
    ordered = sorted(names)
    if not ordered:
        return NO_RULES
    found: list[tuple[tuple[str, int, str], Rule]] = []
    ignored: Counter[str] = Counter()
    for name in ordered:
        try:
            if len(name) > MAX_NAME_CHARS:
                raise BadUrl("size")
            encoded_head, encoded_params = split_name(name)
            head, params = read_head(encoded_head), split_params(encoded_params)
            if head.scheme == "empty":
                return RuleSet()
            rule = read_override(interface, head, params)
        except BadUrl as error:
            ignored["url" if error.reason in ("scheme", "port") else error.reason] += 1
            continue
        if rule is not None:
            found.append(((head.host, _read_priority(params), name), rule))
    found.sort(key=_order)
    return RuleSet(tuple(rule for _, rule in found), dict(ignored))


def read_override(interface: str, head: Head, params: Mapping[str, str]) -> Rule | None:
    """Return the rule of one `override://` or `absent://` URL, None for one that is off or sets nothing.

    Raises BadUrl: `scheme` for another URL, `consumer` for a rule that does not hold for everybody.
    """
    if head.scheme not in ("override", "absent"):
        raise BadUrl("scheme")
    values = tuple(sorted((name, value) for name, value in params.items() if _is_value(name)))
    if not values or params.get("enabled", "true") == "false":
        return None
    side, application = params.get("side", ""), params.get("application", "")
    is_new = bool(params.get("configVersion"))
    if side not in ("", "*", "both", "provider") or (application not in ("", "*") and side != "provider"):
        raise BadUrl("consumer")
    if not is_new and not head.port and head.host != ANYHOST:
        raise BadUrl("consumer")  # a host without a port is a consumer's
    return Rule(
        values,
        head.scheme == "absent",
        head.host,
        head.port,
        make_key(interface, params.get("group", ""), params.get("version", "")),
        "" if application == "*" else application,
        tuple(filter(None, params.get("providerAddresses", "").split(","))),
        tuple(sorted((name[1:], value) for name, value in params.items() if name.startswith("~"))),
    )


def read_override_text(text: str) -> Rule | None:
    """Return the rule of an override URL that is not encoded, for the interface that is its path.

    Raises BadUrl as `read_override` does.
    """
    head = read_head(text.partition("?")[0])
    return read_override(head.path, head, read_params(text))


def _order(item: tuple[tuple[str, int, str], Rule]) -> tuple[str, int, str]:
    return item[0]


def _is_value(name: str) -> bool:
    return name not in _NO_VALUES and not name.startswith("~")


def _read_priority(params: Mapping[str, str]) -> int:
    text = params.get("priority", "")
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else 0


def _list_spellings(host: str, port: int) -> set[str]:
    """Return what a list can name a provider by: its own address, with or without port, or everybody's."""
    hosts = [host, ANYHOST, *([f"[{host}]"] if ":" in host else [])]
    return {*hosts, *(f"{each}:{port}" for each in hosts), f"{ANYHOST}:*"}


def _spell(match: TextMatch, host: str, port: int) -> tuple[str, ...]:
    """Return a provider's address in the forms in which a condition may mean it."""
    if match.kind == "cidr":
        return (host,)
    if ":" not in host:
        return (f"{host}:{port}" if ":" in match.value else host,)
    if match.value.startswith("["):
        return (f"[{host}]:{port}" if "]:" in match.value else f"[{host}]",)
    return host, f"{host}:{port}"


def _is_within(text: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
