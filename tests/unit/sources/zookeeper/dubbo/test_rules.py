"""Rules in `configurators` nodes: which hold for everybody, and what they change."""

import pytest

from meshregistry.model.dubbo_key import DubboKey
from meshregistry.sources.zookeeper.dubbo.rules import RuleSet, TextMatch, apply_rules, join_rules, read_overrides
from tests.support.dubbo_names import encode

ORDERS = "com.acme.Orders"
KEY = DubboKey(ORDERS)
HERE = ("10.0.0.1", 20880)


def override(query: str, host: str = "0.0.0.0", scheme: str = "override") -> str:
    return encode(f"{scheme}://{host}/{ORDERS}?category=configurators&dynamic=false&{query}")


def changed(*names: str, key: DubboKey = KEY, **params: str) -> dict[str, str]:
    """What the rules make of a provider at 10.0.0.1:20880."""
    return dict(apply_rules(read_overrides(ORDERS, names).rules, key, HERE, params))


def test_a_rule_for_all_sets_values_and_nothing_else() -> None:
    assert {"weight": "200", "x": "1"} == changed(override("enabled=true&weight=200"), weight="50", x="1")


def test_an_absent_rule_sets_only_what_is_missing() -> None:
    rule = override("a=new&b=new", scheme="absent")
    assert {"a": "old", "b": "new"} == changed(rule, a="old")


@pytest.mark.parametrize(
    "name",
    [
        override("enabled=false&weight=1"),
        override("weight=1&group=g1"),
        override("weight=1&version=2"),
        override("weight=1", "10.0.0.2:20880"),
        override("weight=1", "10.0.0.1:20881"),
        override("weight=1&side=provider&application=other"),
        override("weight=1&~zone=b"),
        override("weight=1&configVersion=v2.7&providerAddresses=10.0.0.9:20880", "0.0.0.0"),
        override("enabled=true"),
    ],
)
def test_a_rule_for_others_changes_nothing(name: str) -> None:
    params = {"application": "shop", "zone": "a"}
    rules = read_overrides(ORDERS, [name])
    assert params is apply_rules(rules.rules, KEY, HERE, params)
    assert {} == rules.ignored


@pytest.mark.parametrize(
    "name",
    [
        override("weight=1", "10.0.0.1:20880"),
        override("weight=1", "0.0.0.0:20880"),
        override("weight=1&application=*&side=both"),
        override("weight=1&side=provider&application=shop"),
        override("weight=1&configVersion=v2.7&side=provider", "10.0.0.1"),
        override("weight=1&~zone=a"),
        override("weight=1&configVersion=v2.7&providerAddresses=10.0.0.9:20880,10.0.0.1:20880"),
    ],
)
def test_a_rule_for_this_provider_applies(name: str) -> None:
    assert {"application": "shop", "zone": "a", "weight": "1"} == changed(name, application="shop", zone="a")


def test_group_and_version_must_be_those_of_the_service() -> None:
    name = override("weight=1&group=g1&version=1.0.0")
    assert {"weight": "1"} == changed(name, key=DubboKey(ORDERS, "g1", "1.0.0"))
    assert {} == changed(name, key=DubboKey(ORDERS, "g1"))


def test_the_version_0_0_0_is_none_for_rules_as_for_providers() -> None:
    assert {"weight": "1"} == changed(override("weight=1&version=0.0.0"))
    assert {} == changed(override("weight=1&version=0.0.0"), key=DubboKey(ORDERS, "", "1.0.0"))


@pytest.mark.parametrize(
    ("listed", "host", "expected"),
    [
        ("0.0.0.0", "10.0.0.1", True),
        ("0.0.0.0:*", "10.0.0.1", True),
        ("0.0.0.0:20880", "10.0.0.1", True),
        ("0.0.0.0:20881", "10.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("[2001:db8::5]:20880", "2001:db8::5", True),
        ("[2001:db8::5]", "2001:db8::5", True),
        ("2001:db8::5:20880", "2001:db8::5", True),
        ("[2001:db8::5]:20881", "2001:db8::5", False),
        ("[2001:db8::6]:20880", "2001:db8::5", False),
    ],
)
def test_a_list_of_addresses_names_providers_in_every_way_of_dubbo(listed: str, host: str, expected: bool) -> None:
    rules = read_overrides(ORDERS, [override(f"weight=1&configVersion=v2.7&providerAddresses={listed}")]).rules
    assert ({"weight": "1"} if expected else {}) == apply_rules(rules, KEY, (host, 20880), {})


def test_specific_hosts_come_after_all_and_later_priorities_win() -> None:
    names = [
        override("weight=3", "10.0.0.1:20880"),
        override("weight=2&priority=9&a=9"),
        override("weight=1&priority=10&b=10"),
    ]
    assert {"weight": "3", "a": "9", "b": "10"} == changed(*names)
    assert {"weight": "3", "a": "9", "b": "10"} == changed(*reversed(names))
    assert {"weight": "1", "a": "9", "b": "10"} == changed(*names[1:])


@pytest.mark.parametrize(
    "name",
    [
        override("timeout=777&application=demo-consumer", "10.20.30.41"),
        override("weight=1", "10.0.0.1"),
        override("weight=1&side=consumer"),
        override("weight=1&application=demo-consumer"),
    ],
)
def test_a_rule_for_some_consumers_is_left_out_and_counted(name: str) -> None:
    assert RuleSet(ignored={"consumer": 1}) == read_overrides(ORDERS, [name])


def test_what_is_no_rule_is_counted() -> None:
    names = ["nonsense", encode("route://0.0.0.0/x?rule=y"), override("a=1", "10.0.0.1:x"), "x" * 70_000]
    assert RuleSet(ignored={"url": 3, "size": 1}) == read_overrides(ORDERS, names)


def test_the_empty_url_means_no_rules() -> None:
    assert RuleSet() == read_overrides(ORDERS, [override("weight=1"), encode(f"empty://0.0.0.0/{ORDERS}")])


def test_joined_rules_apply_in_the_order_given() -> None:
    first = read_overrides(ORDERS, [override("weight=200"), "nonsense"])
    second = read_overrides(ORDERS, [override("weight=10"), "nonsense", override("weight=1", "10.0.0.1")])
    joined = join_rules(first, second)
    assert {"weight": "10"} == apply_rules(joined.rules, KEY, HERE, {})
    assert {"url": 2, "consumer": 1} == joined.ignored


@pytest.mark.parametrize(
    ("match", "text", "expected"),
    [
        (TextMatch("exact", "a"), "a", True),
        (TextMatch("exact", "a"), "ab", False),
        (TextMatch("prefix", "a"), "ab", True),
        (TextMatch("wildcard", "10.20.30.*:*"), "10.20.30.7:20880", True),
        (TextMatch("wildcard", "10.20.30.*:*"), "10.20.31.7:20880", False),
        (TextMatch("wildcard", "[a]*"), "a", False),
        (TextMatch("noempty", ""), "x", True),
        (TextMatch("noempty", ""), "", False),
        (TextMatch("empty", ""), "", True),
        (TextMatch("cidr", "10.20.0.0/16"), "10.20.3.4", True),
        (TextMatch("cidr", "10.20.0.0/16"), "10.21.3.4", False),
        (TextMatch("cidr", "nonsense"), "10.21.3.4", False),
        (TextMatch("cidr", "10.20.0.0/16"), "host", False),
    ],
)
def test_conditions_on_texts(match: TextMatch, text: str, expected: bool) -> None:
    assert expected is match.holds(text)
