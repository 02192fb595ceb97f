"""Hosts of Dubbo services, and Slime's spelling of methods and tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.dubbo_key import DubboKey, find_param, key_of, parse_key, slime_key
from meshregistry.model.dubbo_naming import escape_methods, name_host, name_hosts, spread_tag
from meshregistry.model.grammar import is_host, is_label_value


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (DubboKey("com.acme.OrderService"), "com.acme.orderservice.dubbo"),
        (DubboKey("com.acme.Orders", "G1", "1.0.0"), "1-0-0.g1.com.acme.orders.dubbo"),
        (DubboKey("com.acme.Orders", "", "1.0.0"), "1-0-0.com.acme.orders.dubbo"),
        (DubboKey("a.Outer$Inner_X"), "a.outer-inner-x.dubbo"),
    ],
)
def test_a_host_is_version_group_and_interface_in_lower_case(key: DubboKey, expected: str) -> None:
    assert expected == name_host(key, "")


def test_what_cannot_be_a_host_gets_a_digest() -> None:
    hosts = {name_host(DubboKey("a.B", group), "") for group in ("x/y", "x y", "xy", "x" * 64, "x" * 65)}
    assert 5 == len(hosts)


_text = st.text(st.characters(codec="utf-8"), max_size=80)


@given(_text, _text, _text, st.sampled_from(["", ".rpc.internal"]))
def test_every_service_has_a_legal_host(interface: str, group: str, version: str, suffix: str) -> None:
    key = DubboKey(interface, group, version)
    hosts = name_hosts(key, frozenset(("dubbo", "tri", "weird$cheme")), suffix)
    assert [] == [host for host in hosts.values() if not is_host(host)]
    assert 3 == len(set(hosts.values()))


@pytest.mark.parametrize(
    ("schemes", "expected"),
    [
        ("dubbo", {"dubbo": "a.b.dubbo"}),
        ("tri", {"tri": "a.b.dubbo"}),
        ("rest tri dubbo", {"dubbo": "a.b.dubbo", "rest": "rest.a.b.dubbo", "tri": "tri.a.b.dubbo"}),
        ("thrift rest", {"rest": "a.b.dubbo", "thrift": "thrift.a.b.dubbo"}),
        ("", {}),
    ],
)
def test_the_preferred_scheme_has_the_host_of_the_service(schemes: str, expected: dict[str, str]) -> None:
    assert expected == name_hosts(DubboKey("a.B"), frozenset(schemes.split()), "")


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("$echo", "2-4echo"),
        ("printData2,printData1$", "printData12-4.printData2"),
        ("b,,a", "a.b"),
        ("测", "e-6b-58-b"),
        ("", ""),
    ],
)
def test_methods_are_sorted_and_escaped(methods: str, expected: str) -> None:
    assert expected == escape_methods(methods)
    assert is_label_value(escape_methods(methods))


def test_tags_are_one_label_or_many() -> None:
    assert {"dubboTag": "gray"} == spread_tag("gray")
    assert {"dubboTag": "a=b"} == spread_tag("a=b")
    assert {"a": "b", "c": "d=e"} == spread_tag("a=b,c=d=e,f")


@given(st.tuples(_text, _text, _text).filter(lambda parts: not any(":" in part for part in parts)))
def test_the_text_of_a_key_names_it(parts: tuple[str, str, str]) -> None:
    key = DubboKey(*parts)
    assert key == parse_key(key.interface, str(key))


def test_group_and_version_have_defaults_and_blanks() -> None:
    assert "x" == find_param({"group": "", "default.group": "x"}, "group")
    assert DubboKey("i") == key_of("i", {"group": "*", "version": "0.0.0"})
    assert DubboKey("i", "g", "0.0.0") == slime_key("i", {"group": "g", "version": "0.0.0"})
