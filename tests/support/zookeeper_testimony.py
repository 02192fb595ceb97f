"""What stands in a ZooKeeper, read from its raw nodes by rules of its own: nothing of the product's is used.

Only what `zookeeper_turmoil` writes is understood; the rules are Dubbo's and Spring Cloud's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import yaml

ROOT, APPLICATIONS = "/dubbo", "/services"
_RULES = f"{ROOT}/config/dubbo"
_ANY = "0.0.0.0"
_SUFFIX = ".configurators"


class Row(NamedTuple):
    """One endpoint of one service; Spring Cloud's have no interface, and their application as the group."""

    interface: str
    group: str
    version: str
    scheme: str
    host: str
    port: int
    weight: float
    is_enabled: bool


class _Rule(NamedTuple):
    """What is set for whom; empty is for all."""

    values: Mapping[str, str]
    service: tuple[str, str, str] | None = None
    application: str = ""
    host: str = _ANY
    port: int = 0


def list_rows(tree: Mapping[str, bytes]) -> list[Row]:
    """Return every endpoint that nodes (path to data) stand for, sorted; one that is doubled would be there twice."""
    return sorted([*_list_providers(tree), *_list_instances(tree)])


def _list_providers(tree: Mapping[str, bytes]) -> Iterator[Row]:
    """Of several nodes of one place the newest counts."""
    newest: dict[tuple[str, str, str, str, str, int], dict[str, str]] = {}
    for interface, name in _names(tree, "providers"):
        url = urlsplit(unquote_plus(name))
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        service = (interface, params.get("group", ""), params.get("version", ""))
        place = (*service, url.scheme, url.hostname or "", url.port or 0)
        if place not in newest or newest[place]["timestamp"] < params["timestamp"]:
            newest[place] = params
    rules = [*_overrides(tree), *_rule_nodes(tree)]
    for place, params in newest.items():
        ruled = dict(params)
        for rule in rules:
            if _holds(rule, place[:3], params["application"], place[4:]):
                ruled.update(rule.values)
        yield Row(*place, float(ruled.get("weight", 100)), ruled.get("disabled") != "true")


def _holds(rule: _Rule, service: tuple[str, str, str], application: str, address: tuple[str, int]) -> bool:
    return (
        rule.service in (None, service)
        and rule.application in ("", application)
        and rule.host in (_ANY, address[0])
        and rule.port in (0, address[1])
    )


def _overrides(tree: Mapping[str, bytes]) -> list[_Rule]:
    """What is said for any host comes before what is said for one: the later wins."""
    rules = []
    for interface, name in _names(tree, "configurators"):
        url = urlsplit(unquote_plus(name))
        params = dict(parse_qsl(url.query))
        values = {key: value for key, value in params.items() if key in ("weight", "disabled")}
        service = (interface, params.get("group", ""), params.get("version", ""))
        rules.append(_Rule(values, service, "", url.hostname or "", url.port or 0))
    return sorted(rules, key=lambda rule: rule.host)


def _rule_nodes(tree: Mapping[str, bytes]) -> Iterator[_Rule]:
    """Those of applications come before those of services."""
    paths = [path for path in tree if path.startswith(f"{_RULES}/") and path.endswith(_SUFFIX)]
    for path in sorted(paths, key=lambda path: (path.count(":"), path)):
        key = path.removeprefix(f"{_RULES}/").removesuffix(_SUFFIX)
        rule = yaml.safe_load(tree[path])
        if rule["enabled"]:
            values = {name: str(value).lower() for name, value in rule["configs"][0]["parameters"].items()}
            interface, _, rest = key.partition(":")
            version, _, group = rest.partition(":")
            yield _Rule(values, (interface, group, version)) if ":" in key else _Rule(values, None, key)


def _list_instances(tree: Mapping[str, bytes]) -> Iterator[Row]:
    for path, data in tree.items():
        if path.startswith(f"{APPLICATIONS}/") and data.startswith(b"{"):
            node = json.loads(data)
            application = ".".join(path.split("/")[2:-1])
            is_up = node["payload"]["metadata"].get("instance_status", "UP") == "UP"
            yield Row("", application, "", "", node["address"], node["port"], 1.0, is_up)


def _names(tree: Iterable[str], category: str) -> Iterator[tuple[str, str]]:
    """Yield interface and node name of a category's nodes."""
    for path in tree:
        parts = path.split("/")
        if len(parts) == 5 and parts[1] == ROOT[1:] and parts[3] == category:
            yield unquote_plus(parts[2]), parts[4]
