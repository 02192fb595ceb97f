"""Rule nodes of Dubbo 2.7 and later: `/dubbo/config/dubbo/<key>.configurators`, YAML or a JSON list of override URLs.

Rules: Dubbo ConfigParser (expansion of a document into override URLs), ConditionMatch (conditions of v3.0).
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from meshregistry.model.dubbo_key import DubboKey, make_key
from meshregistry.sources.yaml_text import BadYaml, load_documents
from meshregistry.sources.zookeeper.dubbo.rules import ANYHOST, Rule, RuleSet, TextMatch, read_override_text
from meshregistry.sources.zookeeper.dubbo.url import BadUrl, split_authority

SUFFIX = ".configurators"
MAX_RULE_BYTES = 65_536
_MAX_DEPTH = 20
_MAX_RULES = 1_000
_TEXT_KINDS = ("exact", "prefix", "wildcard", "noempty", "empty")
_ADDRESS_KINDS = ("cidr", "wildcard", "exact")

Tree = dict[str, Any]


class RuleKey(NamedTuple):
    """Whom a rule node is for: one service, or the providers of one application."""

    service: DubboKey | None
    application: str


def read_rule_key(name: str) -> RuleKey | None:
    """Return whom the node of this name under `/dubbo/config/dubbo` is for, None when it is no configurators node.

    A service key is `interface:version:group` with both colons; an application's is its name.
    """
    if not name.endswith(SUFFIX):
        return None
    key = name.removesuffix(SUFFIX)
    parts = key.split(":")
    if len(parts) == 3:
        return RuleKey(make_key(parts[0], parts[2], parts[1]), "")
    return RuleKey(None, key) if len(parts) == 1 and key else None


def read_rule_node(key: RuleKey, body: bytes) -> RuleSet:
    """Return the rules of a node; what is not understood is none, and counted."""
    if not body.strip():
        return RuleSet()
    if len(body) > MAX_RULE_BYTES:
        return RuleSet(ignored={"size": 1})
    if body.lstrip().startswith(b"["):
        return _read_url_list(key, body)
    try:
        documents = load_documents(body, _MAX_DEPTH, with_aliases=False)
    except BadYaml:
        return RuleSet(ignored={"malformed": 1})
    document = documents[0] if len(documents) == 1 else None
    if not isinstance(document, dict) or not isinstance(document.get("configs"), list):
        return RuleSet(ignored={"malformed": 1})
    return _read_document(key, document)


def _read_url_list(key: RuleKey, body: bytes) -> RuleSet:
    try:
        urls = msgspec.json.decode(body, type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return RuleSet(ignored={"malformed": 1})
    rules: list[Rule] = []
    ignored: Counter[str] = Counter()
    for url in urls[:_MAX_RULES]:
        try:
            rule = read_override_text(url)
        except BadUrl as error:
            ignored["consumer" if error.reason == "consumer" else "url"] += 1
            continue
        if rule is not None and (narrowed := _narrow(rule, key)) is not None:
            rules.append(narrowed)
    return RuleSet(tuple(rules), dict(ignored))


def _narrow(rule: Rule, key: RuleKey) -> Rule | None:
    """Return what a rule says to those whom its node is for; None if it names another service."""
    named = None if rule.key is None or rule.key.interface in ("", "*") else rule.key
    if key.service is None:
        return rule._replace(key=named, application=key.application)
    return rule._replace(key=key.service) if named is None or named.interface == key.service.interface else None


def _read_document(key: RuleKey, document: Tree) -> RuleSet:
    rules: list[Rule] = []
    ignored: Counter[str] = Counter()
    for item in document["configs"][:_MAX_RULES]:
        try:
            if not isinstance(item, dict):
                raise BadUrl("malformed")
            if _is_on(item, document):
                # Services, applications and addresses multiply: a node of 64 KB can ask for milliards of rules.
                made = list(islice(_read_item(key, item), _MAX_RULES + 1 - len(rules)))
                if len(rules) + len(made) > _MAX_RULES:
                    raise BadUrl("size")
                rules += made
        except BadUrl as error:
            ignored["url" if error.reason == "port" else error.reason] += 1
    return RuleSet(tuple(rules), dict(ignored))


def _is_on(item: Tree, document: Tree) -> bool:
    """Whether an item is enabled: the document decides for general items, the item itself for the others."""
    holder = document if item.get("type") in (None, "", "general") else item
    return _text(holder.get("enabled", True)) != "false"


def _read_item(key: RuleKey, item: Tree) -> Iterator[Rule]:
    if _text(item.get("side")) not in ("", "provider"):
        raise BadUrl("consumer")
    parameters = item.get("parameters")
    if not isinstance(parameters, dict):
        raise BadUrl("malformed")
    values = tuple(sorted((_text(name), _text(value)) for name, value in parameters.items() if name != "enabled"))
    if not values:
        return
    addresses, params = _read_match(item.get("match"))
    for service in [key.service] if key.service else _read_services(item):
        for application in [key.application] if key.application else _texts(item.get("applications")) or [""]:
            for place in _texts(item.get("addresses")) or [ANYHOST]:
                host, port = split_authority(place)
                yield Rule(
                    values,
                    False,
                    host,
                    port,
                    service,
                    "" if application == "*" else application,
                    tuple(_texts(item.get("providerAddresses"))),
                    (),
                    addresses,
                    params,
                )


def _read_services(item: Tree) -> list[DubboKey | None]:
    """Return the services an application's rule is for; None is all of them."""
    names = _texts(item.get("services")) or ["*"]
    return [None if name == "*" else _read_service(name) for name in names]


def _read_service(name: str) -> DubboKey:
    """Return the service of `[group/]interface[:version]`."""
    rest, _, version = name.partition(":")
    group, _, interface = rest.rpartition("/")
    return make_key(interface, group, version)


def _read_match(match: object) -> tuple[tuple[TextMatch, ...], tuple[tuple[str, TextMatch], ...]]:
    """Return the conditions on addresses and parameters; raises BadUrl `match` for those on anything else."""
    if match is None:
        return (), ()
    if not isinstance(match, dict) or not match.keys() <= {"address", "providerAddress", "param"}:
        raise BadUrl("match")
    addresses = [match[name] for name in ("address", "providerAddress") if match.get(name) is not None]
    params = match.get("param") or []
    if not isinstance(params, list) or not all(isinstance(each, dict) for each in params):
        raise BadUrl("malformed")
    return (
        tuple(_read_text_match(each, _ADDRESS_KINDS) for each in addresses),
        tuple((_text(each.get("key")), _read_text_match(each.get("value"), _TEXT_KINDS)) for each in params),
    )


def _read_text_match(condition: object, kinds: tuple[str, ...]) -> TextMatch:
    if isinstance(condition, dict):
        for kind in kinds:
            if condition.get(kind) is not None:
                value = _text(condition[kind])
                is_any = kinds is _ADDRESS_KINDS and value in (ANYHOST, "*")
                return TextMatch("wildcard", "*") if is_any else TextMatch(kind, value)
    raise BadUrl("match")


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    return [_text(each) for each in value] if isinstance(value, list) else [_text(value)]


def _text(value: object) -> str:
    """Return a YAML value as Java prints it. Raises BadUrl."""
    if value is None:
        return ""
    try:
        return str(value).lower() if isinstance(value, bool) else str(value)
    except ValueError:  # a number of more digits than Python writes, such as 0xfff…
        raise BadUrl("malformed") from None
