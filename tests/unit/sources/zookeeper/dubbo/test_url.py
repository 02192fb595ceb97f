"""Node names as URLs, by Dubbo's own reading of them."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshregistry.sources.zookeeper.dubbo.url import (
    BadUrl,
    Head,
    check_address,
    read_address,
    read_head,
    read_params,
    split_authority,
    split_name,
    split_params,
)
from tests.support.dubbo_names import encode


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("dubbo://10.0.0.1:20880/com.a.B?x=1", Head("dubbo", "10.0.0.1", 20880, "com.a.B")),
        ("tri://[2001:db8::1]:50051/com.a.B?x=1", Head("tri", "2001:db8::1", 50051, "com.a.B")),
        ("dubbo://2001:db8::6:20990/com.a.B", Head("dubbo", "2001:db8::6", 20990, "com.a.B")),
        ("dubbo://[fe80::1%25eth0]:20880/com.a.B", Head("dubbo", "fe80::1", 20880, "com.a.B")),
        ("REST://10.0.0.1:8080/ctx/com.a.B?interface=com.a.B", Head("rest", "10.0.0.1", 8080, "ctx/com.a.B")),
        ("dubbo://u:p%40x@10.0.0.1:20880/com.a.B", Head("dubbo", "10.0.0.1", 20880, "com.a.B")),
        ("dubbo://svc.ns:20880/com.a.Outer$Inner", Head("dubbo", "svc.ns", 20880, "com.a.Outer$Inner")),
        ("consumer://10.0.0.9/com.a.B?side=consumer", Head("consumer", "10.0.0.9", 0, "com.a.B")),
    ],
)
def test_the_head_of_every_kind_of_url_is_read(url: str, expected: Head) -> None:
    assert expected == read_head(split_name(encode(url))[0])
    assert expected == read_head(split_name(encode(url).replace("%3F", "%3f"))[0])
    assert expected == read_head(split_name(encode(url).replace("%3A", "%3a"))[0])


def test_a_name_that_is_not_encoded_is_read_alike() -> None:
    head, params = split_name("dubbo://10.0.0.1:20880/com.a.B?a=b%3Fc&d=e")
    assert (Head("dubbo", "10.0.0.1", 20880, "com.a.B"), {"a": "b?c", "d": "e"}) == (
        read_head(head),
        split_params(params),
    )


@pytest.mark.parametrize("name", ["", "nothing", "%3A%2F%2F10.0.0.1", "10.0.0.1:20880"])
def test_what_is_no_url_is_refused(name: str) -> None:
    with pytest.raises(BadUrl) as caught:
        read_head(split_name(name)[0])
    assert "scheme" == caught.value.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("fe80::1%eth0", ("fe80::1", 0)),
        ("host", ("host", 0)),
        ("host:", ("host", 0)),
        ("[::1]", ("::1", 0)),
    ],
)
def test_an_authority_may_lack_the_port(text: str, expected: tuple[str, int]) -> None:
    assert expected == split_authority(text)


@pytest.mark.parametrize("port", ["x", "-1", "123456", "٣"])
def test_a_port_is_a_number(port: str) -> None:
    with pytest.raises(BadUrl) as caught:
        split_authority(f"10.0.0.1:{port}")
    assert "port" == caught.value.reason


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [("10.0.0.1", 0, "port"), ("10.0.0.1", 65536, "port"), ("2130706433", 1, "address"), ("a_b", 1, "address")],
)
def test_an_endpoint_needs_a_place_to_connect_to(host: str, port: int, reason: str) -> None:
    with pytest.raises(BadUrl) as caught:
        check_address(host, port)
    assert reason == caught.value.reason


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("flag&x=1", {"flag": "", "x": "1"}),
        ("a=k=v&b=what?", {"a": "k=v", "b": "what?"}),
        ("a=1&a=2", {"a": "2"}),
        (
            "a=two words&b=100%&c=1+1&d=hé-测试&e=*",
            {"a": "two words", "b": "100%", "c": "1+1", "d": "hé-测试", "e": "*"},
        ),
        ("a=a;b", {"a": "a", "b": ""}),
        ("a=&=x&&", {"a": ""}),
        ("", {}),
    ],
)
def test_parameters_are_split_before_they_are_decoded(query: str, expected: dict[str, str]) -> None:
    assert expected == split_params(encode(query))


def test_a_value_is_decoded_once() -> None:
    assert {"a": "x%26y"} == split_params("a%3Dx%2526y")
    assert {"a": "x%26y", "b": "1"} == read_params("override://0.0.0.0/x?a=x%26y&b=1")


@given(
    st.dictionaries(
        st.text("abcXYZ.-_测", min_size=1), st.text(st.characters(blacklist_characters=";&", codec="utf-8")), max_size=8
    )
)
def test_whatever_stands_in_values_comes_back(params: dict[str, str]) -> None:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    assert params == split_params(encode(query))


@given(st.text("ab1.:/?%3AF2=@", max_size=40))
@example("dubbo%3A%2F%2F10.0.0.1%3A20880%2Fa.B%3Fx%3D1%3F")
@example("dubbo%3A%2F%2F10.0.0.1%3A20880%3Fx%3D1")
@example("dubbo%3A%2F%2F10.0.0.1%3A20880%2Fa.B%3Fx%3D://?y")
@example("dubbo%3A%2F%2F10.0.0.1%3A20880%2Fa.B%3fx%3D1%3Fy")
@example("dubbo%3A%2F%2F10.0.0.1%3A20880")
def test_an_address_is_read_at_once_as_it_is_in_steps(name: str) -> None:
    head, params = split_name(name)
    try:
        expected = read_head(head)
    except BadUrl as error:
        with pytest.raises(BadUrl, match=error.reason):
            read_address(name)
    else:
        assert (expected.scheme, expected.host, expected.port, params) == read_address(name)


@given(st.text())
def test_no_name_breaks_the_reader(name: str) -> None:
    head, params = split_name(name)
    split_params(params)
    with suppress(BadUrl):
        read_head(head)
