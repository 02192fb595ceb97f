"""Field types: addresses, URLs, instants, and what printing a section shows."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from meshregistry.settings.fields import (
    AdsUrl,
    Cidr,
    HostPort,
    Instant,
    Ip,
    ListenAddress,
    OptionalIpv4Range,
    OptionalListen,
    Url,
    mask_credentials,
    parse_listen,
    spec_of,
)
from meshregistry.settings.nacos import NacosServer


def validated(kind: object, text: str) -> object:
    """Return what a field of a type makes of a text."""
    adapter: TypeAdapter[object] = TypeAdapter(kind)  # type: ignore[arg-type] # the type is a parameter of the test
    return adapter.validate_python(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8081", ListenAddress("", 8081)),
        ("127.0.0.1:0", ListenAddress("127.0.0.1", 0)),
        ("[::1]:16010", ListenAddress("::1", 16010)),
        ("localhost:80", ListenAddress("localhost", 80)),
    ],
)
def test_listen_addresses_are_host_and_port(text: str, address: ListenAddress) -> None:
    assert address == parse_listen(text)


@pytest.mark.parametrize("text", ["", "8081", "host", "host:", ":65536", ":-1", "::1:80", "[x]:80", "a/b:80", ":٣"])
def test_other_listen_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_listen(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Url, "http://nacos:8848"),
        (Url, "https://user:secret@[::1]:8848/context"),
        (HostPort, "zk.example:2181"),
        (AdsUrl, "xds://0.0.0.0:16010"),
        (AdsUrl, "xds://[::]:0/"),
        (OptionalListen, ""),
        (Cidr, "10.0.0.1/8"),
        (Ip, "fe80::1"),
        (OptionalIpv4Range, "241.0.0.0/8"),
        (OptionalIpv4Range, ""),
    ],
)
def test_well_formed_addresses_stay_as_they_are(kind: object, text: str) -> None:
    assert text == validated(kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (Url, "nacos:8848", "such as http://nacos:8848"),
        (Url, "ftp://nacos", "with its scheme"),
        (Url, "http://", "no usable host"),
        (Url, "http://nacos:99999", "no usable host and port"),
        (Url, "http://nacos :80", "no usable host and port"),
        (Url, "http://[::1", "no usable host and port"),
        (Url, "http://nacos..svc:8848", "no usable host"),
        (Url, f"http://{'n' * 64}.svc", "no usable host"),
        (HostPort, "zk..svc:2181", "no name that can be looked up"),
        (AdsUrl, "xds://a..b:16010", "no name that can be looked up"),
        (HostPort, "http://zk:2181", "without a scheme"),
        (HostPort, "zk", "host:port"),
        (HostPort, ":2181", "host:port"),
        (AdsUrl, "xds://0.0.0.0", "host:port"),
        (AdsUrl, "http://0.0.0.0:1", "long-poll"),
        (AdsUrl, ":16010", "xds://"),
        (OptionalIpv4Range, "fd00::/8", "IPv4"),
    ],
)
def test_malformed_addresses_are_refused_with_the_reason(kind: object, text: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        validated(kind, text)


def test_a_base_url_loses_its_trailing_slash() -> None:
    assert "http://nacos:8848" == TypeAdapter[str](Url).validate_python("http://nacos:8848/")


def test_a_url_without_scheme_is_not_quoted_when_it_holds_credentials() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter[str](Url).validate_python("user:hunter2@nacos")
    assert "hunter2" not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2100-01-01T00:00:00Z", datetime(2100, 1, 1, tzinfo=UTC)),
        ("2024-02-29T12:00:00+08:00", datetime(2024, 2, 29, 4, tzinfo=UTC)),
        (datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2024, 1, 1, tzinfo=UTC)),
    ],
)
def test_instants_are_kept_in_utc(text: object, instant: datetime) -> None:
    assert instant == TypeAdapter[datetime](Instant).validate_python(text)


@pytest.mark.parametrize("text", ["2100-01-01", "2100-01-01T00:00:00", "tomorrow", "", 5])
def test_an_instant_needs_a_date_and_a_zone(text: object) -> None:
    with pytest.raises(ValidationError, match="such as 2100-01-01T00:00:00Z"):
        TypeAdapter[datetime](Instant).validate_python(text)


def test_user_parts_of_urls_are_masked_in_any_text() -> None:
    assert "http://***@host/eureka" == mask_credentials("http://user:pass@host/eureka")
    assert "http://***@host" == mask_credentials("http://user:p@ss/word@host")
    assert "user@example" == mask_credentials("user@example")
    assert "http://***@host/x?***" == mask_credentials("http://user:pass@host/x?token=hunter2")


@pytest.mark.parametrize("text", ["http://nacos:8848?token=hunter2", "http://nacos/nacos#hunter2"])
def test_a_base_url_has_no_query_and_the_fault_does_not_quote_it(text: str) -> None:
    with pytest.raises(ValidationError, match="neither query nor fragment") as caught:
        TypeAdapter[str](Url).validate_python(text)
    assert "hunter2" not in caught.value.errors()[0]["msg"]


def test_neither_repr_nor_str_of_a_section_shows_a_secret() -> None:
    server = NacosServer.model_validate({"address": ("http://u:hunter2@nacos",), "password": "hunter3"})
    assert "hunter" not in f"{server!r} {server}"
    assert "http://***@nacos" in repr(server)
    assert ("http://u:hunter2@nacos",) == server.address


def test_a_field_declared_by_other_means_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="setting"):
        spec_of(FieldInfo(default=1))
