"""Provider names as records."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshregistry.model.dubbo_key import DubboKey
from meshregistry.model.instance import Instance
from meshregistry.sources.zookeeper.dubbo.providers import (
    ParamCutter,
    Provider,
    ProviderReader,
    is_enabled,
    read_weight,
)
from meshregistry.sources.zookeeper.dubbo.url import BadUrl
from tests.support.dubbo_names import encode, provider

IGNORED = ("pid", "timestamp", "dubbo")


def read(name: str, interface: str = "com.acme.Orders") -> Provider:
    found = ProviderReader(IGNORED).read(interface, name)
    assert found is not None
    return found


def test_a_provider_keeps_what_its_url_says() -> None:
    name = provider(application="shop", timestamp="1795368531336", pid="1", weight="50", group="g1", version="1.0.0")
    found = read(name)

    assert DubboKey("com.acme.Orders", "g1", "1.0.0") == found.traits.key
    assert ("shop", "1795368531336", "dubbo") == (found.traits.application, found.timestamp, found.traits.scheme)
    assert (
        Instance(
            "10.0.0.1",
            20880,
            weight=50.0,
            metadata=(
                ("application", "shop"),
                ("group", "g1"),
                ("interface", "com.acme.Orders"),
                ("protocol", "dubbo"),
                ("version", "1.0.0"),
                ("weight", "50"),
            ),
        )
        == found.instance()
    )


def test_parameters_that_are_not_ignored_stay() -> None:
    found = ProviderReader(()).read("com.acme.Orders", provider(timestamp="12", pid="7"))
    assert found is not None
    assert {"timestamp": "12", "pid": "7"}.items() <= dict(found.traits.metadata).items()
    assert "12" == found.timestamp


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, DubboKey("com.acme.Orders")),
        ({"version": "1.0"}, DubboKey("com.acme.Orders", "", "1.0")),
        ({"version": "0.0.0", "group": ""}, DubboKey("com.acme.Orders")),
        ({"default__version": "2", "default__group": "g"}, DubboKey("com.acme.Orders", "g", "2")),
        ({"default__version": "2", "version": "1"}, DubboKey("com.acme.Orders", "", "1")),
    ],
)
def test_group_and_version_name_the_service(params: dict[str, str], expected: DubboKey) -> None:
    assert expected == read(provider(**params)).traits.key


def test_the_key_does_not_depend_on_what_is_ignored() -> None:
    found = ProviderReader(("group", "weight")).read("com.acme.Orders", provider(group="g", weight="3"))
    assert found is not None
    assert (DubboKey("com.acme.Orders", "g"), 3.0) == (found.traits.key, found.traits.weight)


@pytest.mark.parametrize(
    ("text", "expected"), [("100", 100.0), ("0", 0.0), ("-5", 0.0), ("x", 100.0), ("", 100.0), ("9" * 5000, 100.0)]
)
def test_a_weight_that_is_none_is_the_default(text: str, expected: float) -> None:
    assert expected == read_weight({"weight": text})


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, True),
        ({"enabled": "false"}, False),
        ({"disabled": "true"}, False),
        ({"disabled": "false", "enabled": "false"}, True),
        ({"disabled": "true", "enabled": "true"}, False),
    ],
)
def test_disabled_decides_before_enabled(params: dict[str, str], expected: bool) -> None:
    assert expected is is_enabled(params)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (encode("override://0.0.0.0/com.acme.Orders?weight=1"), "scheme"),
        (encode("consumer://10.0.0.1/com.acme.Orders"), "scheme"),
        (provider("10.0.0.1:0"), "port"),
        (provider("10.0.0.1:99999"), "port"),
        (provider("2130706433:20880"), "address"),
        ("x" * 70_000, "size"),
    ],
)
def test_what_is_no_provider_is_refused_with_a_reason(name: str, reason: str) -> None:
    with pytest.raises(BadUrl) as caught:
        ProviderReader(IGNORED).read("com.acme.Orders", name)
    assert reason == caught.value.reason


def test_the_empty_url_is_no_provider() -> None:
    assert ProviderReader(IGNORED).read("com.acme.Orders", encode("empty://0.0.0.0/com.acme.Orders")) is None


@pytest.mark.parametrize(
    ("encoded", "lasting", "cut"),
    [
        ("", "", {}),
        ("timestamp%3D1", "", {"timestamp": "1"}),
        ("timestamp%3D1%26a%3D2", "a%3D2", {"timestamp": "1"}),
        ("a%3D2%26timestamp%3D1", "a%3D2", {"timestamp": "1"}),
        ("a%3D2%26timestamp%3D1%26b%3D3", "a%3D2%26b%3D3", {"timestamp": "1"}),
        ("pid%3D7%26a%3D2%2C4%26timestamp%3D1%2C2%26b%3D3", "a%3D2%2C4%26b%3D3", {"pid": "7", "timestamp": "1%2C2"}),
        ("timestamp%3D1%26timestamp%3D2", "", {"timestamp": "2"}),
        ("a.timestamp%3D1%26b%3D3", "a.timestamp%3D1%26b%3D3", {}),
        ("timestamp%26b%3D3", "timestamp%26b%3D3", {}),
    ],
)
def test_parameters_are_cut_out_whole(encoded: str, lasting: str, cut: dict[str, str]) -> None:
    assert (lasting, cut) == ParamCutter(("timestamp", "pid")).cut(encoded)
    assert (encoded, {}) == ParamCutter(()).cut(encoded)


_KEYS = ("timestamp", "pid", "token", "zone", "weight", "version", "enabled", "protocol", "dubbo", "", "interface")
_PARAMS = st.lists(st.tuples(st.sampled_from(_KEYS), st.sampled_from(("1", "2", "", "a%b", "tri"))), max_size=7)
_HEADS = st.tuples(
    st.sampled_from(("dubbo", "tri", "DUBBO", "empty", "route")),
    st.sampled_from(("10.0.0.1", "10.0.0.2", "u@10.0.0.1", "[2001:db8::1]", "zk.acme", "010.0.0.1")),
    st.sampled_from(("20880", "0", "x")),
    st.sampled_from(("/com.acme.Orders?", "/a/b?", "?", "")),
)
_SEPARATORS = st.sampled_from(("&", ";", "%3B"))


def _write(head: tuple[str, str, str, str], params: list[tuple[str, str]], separator: str) -> str:
    scheme, host, port, rest = head
    encoded = encode(f"{scheme}://{host}:{port}{rest}" + "&".join(f"{key}={value}" for key, value in params))
    return encoded if separator == "&" else encoded.replace("%26", separator, 1)


def _judge(reader: ProviderReader, interface: str, name: str) -> Provider | str | None:
    try:
        return reader.read(interface, name)
    except BadUrl as error:
        return error.reason


@given(
    st.lists(st.tuples(_HEADS, _PARAMS, _SEPARATORS), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(_KEYS), st.text("12%&;", max_size=2))),
)
@example([(("dubbo", "10.0.0.1", "20880", "?"), [("pid", "1"), ("zone", "1")], "&")], [(0, 1, "zone", "2")])
@example(
    [(("dubbo", "10.0.0.1", "20880", "?"), [("pid", "1"), ("zone", "1"), ("zone", "2"), ("zone", "1")], "&")],
    [(0, 1, "zone", "3")],
)
@example([(("dubbo", "10.0.0.1", "20880", "?"), [("pid", "1"), ("zone", "1")], "&")], [(0, 1, "timestamp", "2")])
@example([(("dubbo", "10.0.0.1", "20880", "?"), [("pid", "1"), ("protocol", "dubbo")], "&")], [(0, 1, "protocol", "x")])
@example([(("dubbo", "10.0.0.1", "20880", "?"), [("pid", "1"), ("weight", "1")], "&")], [(0, 1, "weight", "2")])
@example([(("dubbo", "10.0.0.1", "20880", "?"), [("pid", "1"), ("zone", "1")], "&")], [(0, 1, "zone", "1;weight=2")])
@example([(("dubbo", "10.0.0.1", "20880", "?"), [("pid", "1"), ("zone", "1")], "&")], [(0, 1, "interface", "2")])
@example(
    [
        (("dubbo", host, "20880", "?"), [("pid", "1"), ("zone", "1")], "&")
        for host in ("10.0.0.1", "u@10.0.0.2", "010.0.0.1")
    ],
    [],
)
def test_a_name_says_the_same_whatever_was_read_before(
    written: list[tuple[tuple[str, str, str, str], list[tuple[str, str]], str]],
    changes: list[tuple[int, int, str, str]],
) -> None:
    names = [_write(*each) for each in written]
    for which, place, key, value in changes:
        head, params, separator = written[which % len(written)]
        index = place % (len(params) + 1)
        names.append(_write(head, [*params[:index], (key, value), *params[index + 1 :]], separator))
    reader = ProviderReader(IGNORED)
    for name in [*names, *names]:
        assert _judge(ProviderReader(IGNORED), "com.acme.Orders", name) == _judge(reader, "com.acme.Orders", name)


def test_a_zone_of_its_own_makes_a_provider_share_all_but_that() -> None:
    reader = ProviderReader(IGNORED)
    params = {"application": "shop", "pid": "1", "timestamp": "1", "version": "1.0.0"}
    first, second, third = (reader.read("com.acme.Orders", provider(**params, zone=zone)) for zone in "aba")
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.traits is third.traits
    assert {("zone", "a"), ("zone", "b")} == {*first.traits.metadata} ^ {*second.traits.metadata}
    pairs = {id(pair) for pair in first.traits.metadata}
    assert 1 == sum(id(pair) not in pairs for pair in second.traits.metadata)


def test_a_registry_of_zones_without_end_is_remembered_only_in_part() -> None:
    reader = ProviderReader(IGNORED)
    for number in range(20_000):
        reader.read("com.acme.Orders", provider(pid="1", zone=f"z{number}"))
    assert len(reader._decoded) <= 16_384


def test_registrations_that_differ_in_start_time_share_their_traits() -> None:
    reader = ProviderReader(IGNORED)
    first = reader.read("com.acme.Orders", provider(timestamp="1", pid="1", x="y"))
    second = reader.read("com.acme.Orders", provider("10.0.0.2:20880", timestamp="2", pid="2", x="y"))
    assert first is not None
    assert second is not None
    assert first.traits is second.traits


def test_2_6_writes_no_release_and_is_read_alike() -> None:
    name = provider(dubbo="2.6.12", default__timeout="3000", anyhost="true", side="provider", generic="false")
    assert [
        ("anyhost", "true"),
        ("default.timeout", "3000"),
        ("generic", "false"),
        ("interface", "com.acme.Orders"),
        ("protocol", "dubbo"),
        ("side", "provider"),
    ] == list(read(name).traits.metadata)


CAPTURED = json.loads((Path(__file__).parent / "data" / "captured.json").read_text())


@pytest.mark.parametrize("case", CAPTURED, ids=lambda case: str(case["title"]))
def test_names_that_real_applications_wrote(case: dict[str, object]) -> None:
    """Registered by Dubbo 2.7.23 and 3.3.6 in a real ZooKeeper; what must come out is written by hand."""
    found = read(str(case["name"]), str(case["interface"]))
    assert case["expected"] == {
        "key": str(found.traits.key),
        "address": found.address,
        "port": found.port,
        "weight": found.traits.weight,
        "timestamp": found.timestamp,
        "metadata": dict(found.traits.metadata),
    }
