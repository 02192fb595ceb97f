"""Rule nodes of Dubbo 2.7 and 3."""

import json

import pytest

from meshregistry.model.dubbo_key import DubboKey
from meshregistry.sources.zookeeper.dubbo.rule_nodes import RuleKey, read_rule_key, read_rule_node
from meshregistry.sources.zookeeper.dubbo.rules import RuleSet, apply_rules

GREET = DubboKey("lab.api.GreetService", "g1", "1.0.0")
SERVICE = RuleKey(GREET, "")
APPLICATION = RuleKey(None, "demo-provider3")
HERE = ("10.20.30.40", 20880)

# Both documents were accepted by running providers (Dubbo 3.3.6).
SERVICE_RULE = b"""configVersion: v2.7
scope: service
key: g1/lab.api.GreetService:1.0.0
enabled: true
configs:
- side: provider
  addresses: ["10.20.30.40:20880"]
  parameters:
    weight: 10
- side: provider
  addresses: ["0.0.0.0"]
  type: disabled
  enabled: false
  parameters:
    disabled: true
"""
APPLICATION_RULE = b"""configVersion: v3.0
scope: application
key: demo-provider3
enabled: true
configs:
- side: provider
  match:
    address: {wildcard: "10.20.30.*:*"}
    param: [{key: zone, value: {exact: z1}}]
  parameters:
    weight: 40
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lab.api.GreetService:1.0.0:g1.configurators", SERVICE),
        ("com.a.B::.configurators", RuleKey(DubboKey("com.a.B"), "")),
        ("com.a.B:0.0.0:.configurators", RuleKey(DubboKey("com.a.B"), "")),
        ("demo-provider3.configurators", APPLICATION),
        ("demo-provider3.tag-router", None),
        ("a:b.configurators", None),
        (".configurators", None),
        ("mapping", None),
    ],
)
def test_a_node_name_says_whom_the_rule_is_for(name: str, expected: RuleKey | None) -> None:
    assert expected == read_rule_key(name)


def test_a_service_rule_sets_values_on_the_providers_it_names() -> None:
    rules = read_rule_node(SERVICE, SERVICE_RULE)
    assert {} == rules.ignored
    assert {"weight": "10"} == apply_rules(rules.rules, GREET, HERE, {"weight": "50"})
    assert {"weight": "50"} == apply_rules(rules.rules, GREET, ("10.20.30.41", 20880), {"weight": "50"})
    assert {"weight": "50"} == apply_rules(rules.rules, GREET._replace(group=""), HERE, {"weight": "50"})


def test_an_item_with_a_type_has_its_own_switch() -> None:
    rules = read_rule_node(SERVICE, SERVICE_RULE.replace(b"enabled: false", b"enabled: true"))
    assert {"weight": "10", "disabled": "true"} == apply_rules(rules.rules, GREET, HERE, {})
    switched_off = read_rule_node(SERVICE, SERVICE_RULE.replace(b"enabled: true", b"enabled: false"))
    assert RuleSet() == switched_off


def test_an_application_rule_holds_for_its_providers_by_address_and_parameter() -> None:
    rules = read_rule_node(APPLICATION, APPLICATION_RULE).rules
    params = {"application": "demo-provider3", "zone": "z1"}
    assert {**params, "weight": "40"} == apply_rules(rules, GREET, HERE, params)
    assert params is apply_rules(rules, GREET, ("10.20.31.40", 20880), params)
    assert {"zone": "z1"} == apply_rules(rules, GREET, HERE, {"zone": "z1"})
    other_zone = {**params, "zone": "z2"}
    assert other_zone is apply_rules(rules, GREET, HERE, other_zone)


def test_an_application_rule_may_name_its_services() -> None:
    body = b"{configs: [{services: ['g1/lab.api.GreetService:1.0.0', com.a.B], parameters: {weight: 1}}]}"
    rules = read_rule_node(APPLICATION, body).rules
    params = {"application": "demo-provider3"}
    assert {**params, "weight": "1"} == apply_rules(rules, GREET, HERE, params)
    assert {**params, "weight": "1"} == apply_rules(rules, DubboKey("com.a.B"), HERE, params)
    assert params is apply_rules(rules, DubboKey("com.a.C"), HERE, params)


def test_a_list_of_override_urls_is_a_rule_too() -> None:
    urls = [
        "override://0.0.0.0/lab.api.GreetService?category=configurators&weight=7",
        "override://10.0.0.9/lab.api.GreetService?weight=1",
        "nonsense",
    ]
    rules = read_rule_node(SERVICE, json.dumps(urls).encode())
    assert {"weight": "7"} == apply_rules(rules.rules, GREET, HERE, {})
    assert {"consumer": 1, "url": 1} == rules.ignored


def test_a_url_in_a_list_holds_for_the_service_that_it_names() -> None:
    urls = [
        "override://0.0.0.0/com.a.C?category=configurators&weight=1",
        "override://0.0.0.0/com.a.B?category=configurators&group=g&weight=2",
        "override://0.0.0.0/*?category=configurators&zone=z",
    ]
    body = json.dumps(urls).encode()
    of_application = read_rule_node(APPLICATION, body).rules
    params = {"application": "demo-provider3"}

    def changed(key: DubboKey) -> dict[str, str]:
        return dict(apply_rules(of_application, key, HERE, params))

    assert {**params, "zone": "z", "weight": "1"} == changed(DubboKey("com.a.C"))
    assert {**params, "zone": "z", "weight": "2"} == changed(DubboKey("com.a.B", "g"))
    assert {**params, "zone": "z"} == changed(DubboKey("com.a.B"))
    of_service = read_rule_node(RuleKey(DubboKey("com.a.C"), ""), body)
    assert {"zone": "z", "weight": "1"} == apply_rules(of_service.rules, DubboKey("com.a.C"), HERE, {})
    assert {} == of_service.ignored


@pytest.mark.parametrize(
    ("match", "host", "expected"),
    [
        ("{address: {wildcard: '10.20.30.*'}, providerAddress: {exact: '10.20.30.40:20880'}}", "10.20.30.40", True),
        ("{address: {exact: 10.20.30.41}, providerAddress: {wildcard: '*'}}", "10.20.30.40", False),
        ("{address: {wildcard: '*'}, providerAddress: {exact: '10.20.30.40:1'}}", "10.20.30.40", False),
        ("{address: {exact: '[2001:db8::5]:20880'}}", "2001:db8::5", True),
        ("{address: {exact: '[2001:db8::5]'}}", "2001:db8::5", True),
        ("{address: {exact: '2001:db8::5'}}", "2001:db8::5", True),
        ("{address: {exact: '[2001:db8::5]:1'}}", "2001:db8::5", False),
        ("{address: {cidr: '2001:db8::/32'}}", "2001:db8::5", True),
        ("{address: {cidr: '2001:db9::/32'}}", "2001:db8::5", False),
    ],
)
def test_all_conditions_on_addresses_must_hold(match: str, host: str, expected: bool) -> None:
    rules = read_rule_node(APPLICATION, f"configs: [{{match: {match}, parameters: {{weight: 1}}}}]".encode()).rules
    params = {"application": "demo-provider3"}
    assert ({**params, "weight": "1"} if expected else params) == apply_rules(rules, GREET, (host, 20880), params)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("{side: consumer, parameters: {timeout: 1}}", "consumer"),
        ("{parameters: {}, match: {app: {oneof: []}}}", ""),
        ("{parameters: {weight: 1}, match: {app: {oneof: []}}}", "match"),
        ("{parameters: {weight: 1}, match: {service: {oneof: []}}}", "match"),
        ("{parameters: {weight: 1}, match: {address: {regex: x}}}", "match"),
        ("{parameters: {weight: 1}, match: {param: [{key: a, value: {regex: x}}]}}", "match"),
        ("{parameters: {weight: 1}, match: {param: x}}", "malformed"),
        ("{side: provider}", "malformed"),
        (f"{{parameters: {{weight: 0x{'f' * 4000}}}}}", "malformed"),
        (f"{{parameters: {{weight: 1}}, applications: [{'a,' * 5000}], addresses: [{'h,' * 5000}]}}", "size"),
        ("x", "malformed"),
        ("{parameters: {weight: 1}, addresses: ['10.0.0.1:x']}", "url"),
    ],
)
def test_an_item_that_cannot_hold_for_everybody_is_left_out_alone(item: str, reason: str) -> None:
    body = f"{{configs: [{item}, {{parameters: {{x: true, y: 1.5}}}}]}}".encode()
    rules = read_rule_node(SERVICE, body)
    assert ({reason: 1} if reason else {}) == rules.ignored
    assert {"x": "true", "y": "1.5"} == apply_rules(rules.rules, GREET, HERE, {})


@pytest.mark.parametrize(
    ("body", "ignored"),
    [
        (b"", {}),
        (b"  \n", {}),
        (b"x", {"malformed": 1}),
        (b"a: [", {"malformed": 1}),
        (b"configs: 1", {"malformed": 1}),
        (b"configs: [{enabled: !!bool x}]", {"malformed": 1}),
        (b"\xff\xfe", {"malformed": 1}),
        (b"[1]", {"malformed": 1}),
        (b"{a: " + b"[" * 30_000, {"malformed": 1}),
        (b"a: &x [1]\nconfigs: [*x, *x]", {"malformed": 1}),
        (b"#" * 70_000, {"size": 1}),
    ],
)
def test_what_is_no_rule_changes_nothing(body: bytes, ignored: dict[str, int]) -> None:
    assert RuleSet(ignored=ignored) == read_rule_node(SERVICE, body)
