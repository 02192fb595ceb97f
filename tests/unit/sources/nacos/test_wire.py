"""Answers of real servers become records; what cannot be understood is an error that keeps what is known."""

import json
from collections.abc import Callable

import pytest

from meshregistry.errors import SourceDataError
from meshregistry.sources.nacos import wire
from tests.unit.sources.nacos.bodies import captured

DECODERS: list[Callable[[bytes], object]] = [
    wire.decode_catalog_page,
    wire.decode_admin_page,
    wire.decode_catalogue,
    wire.unwrap_client_list,
    wire.decode_names,
    wire.decode_state_v1,
    wire.decode_state_v3,
    wire.decode_metrics,
]


def test_the_catalogue_of_2_x_is_cut_into_services_without_a_total() -> None:
    page = wire.decode_catalog_page(captured("catalog-2.3.1.json"))

    assert (8, None) == (len(page.items), page.total)


def test_the_admin_listing_of_3_x_tells_the_total() -> None:
    page = wire.decode_admin_page(captured("admin-3.1.0.json"))

    assert (9, 9) == (len(page.items), page.total)


def test_the_catalogue_without_instances_tells_the_group_of_every_service() -> None:
    page = wire.decode_catalogue(captured("counts-2.3.1.json"))

    rows = {(row.group_name, row.name) for row in page.service_list}
    assert (8, 8) == (page.count, len(rows))
    assert {("DEFAULT_GROUP", "catalogue"), ("G2", "catalogue"), ("G3", "catalogue")} <= rows


def test_the_instance_list_of_named_clusters_is_one_of_v1_without_what_wraps_it() -> None:
    wrapped = captured("clusters-3.1.0.json")

    assert {"hosts": json.loads(wrapped)["data"]} == json.loads(wire.unwrap_client_list(wrapped))
    assert b'{"hosts":[]}' == wire.unwrap_client_list(b'{"code":0,"message":"success","data":[]}')


@pytest.mark.parametrize("version", ["2.3.1", "3.1.0"])
def test_the_service_list_gives_names_without_groups(version: str) -> None:
    page = wire.decode_names(captured(f"names-{version}.json"))

    assert 6 == page.count
    assert ["beaten", "catalogue", "db", "hostname", "providers:com.acme.Demo:1.0:grp", "v6"] == sorted(page.doms)


def test_state_and_metrics_tell_version_and_status() -> None:
    assert "2.3.1" == wire.decode_state_v1(captured("state-2.3.1.json"))
    assert "3.1.0-bugfix" == wire.decode_state_v3(captured("state-3.1.0.json"))
    assert "UP" == wire.decode_metrics(captured("metrics-2.3.1.json"))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"{",
        b"[{]",
        b"<html><body>502</body></html>",
        b"upstream error",
        b"17",
        b'"ok"',
        b"null",
        b"[[" * 5000,
    ],
)
def test_what_is_no_answer_of_that_call_is_an_error(decode: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(SourceDataError):
        decode(body)


def test_an_error_page_of_3_x_is_no_listing() -> None:
    with pytest.raises(SourceDataError):
        wire.decode_admin_page(captured("gone-3.1.0.json"))


@pytest.mark.parametrize("cut", [1, 100, 1500, 3000])
def test_a_truncated_listing_is_an_error(cut: int) -> None:
    with pytest.raises(SourceDataError):
        wire.decode_catalog_page(captured("catalog-2.3.1.json")[:cut])


def test_wrong_types_are_an_error() -> None:
    with pytest.raises(SourceDataError):
        wire.decode_names(b'{"count":"2","doms":["a"]}')
    with pytest.raises(SourceDataError):
        wire.decode_names(b'{"count":2,"doms":[1,2]}')
    with pytest.raises(SourceDataError):
        wire.decode_admin_page(b'{"code":0,"data":{"totalCount":1,"pageItems":{}}}')


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb"a\ud800b", "a\ufffdb"),
        (rb"\uDFFF", "\ufffd"),
        (rb"\ud83d\ude00 \ud83d\ud83d\ude00", "\U0001f600 \ufffd\U0001f600"),
        (rb"\\ud800 \"\ud800", '\\ud800 "\ufffd'),
    ],
)
def test_half_a_surrogate_pair_costs_no_more_than_its_character(sent: bytes, read: str) -> None:
    page = wire.decode_names(b'{"count":2,"doms":["orders","' + sent + b'"]}')

    assert ["orders", read] == page.doms


def test_half_a_surrogate_pair_does_not_excuse_a_truncated_body() -> None:
    with pytest.raises(SourceDataError):
        wire.decode_names(rb'{"count":2,"doms":["orders","\ud800"')


def test_an_error_does_not_repeat_the_body() -> None:
    with pytest.raises(SourceDataError) as caught:
        wire.decode_names(b'{"count":1,"doms":"s3cret"}')

    assert "s3cret" not in str(caught.value)


def test_a_login_gives_token_and_lifetime() -> None:
    assert wire.LoginGrant("<token>", 18000.0) == wire.decode_login(captured("login-3.1.0.json"))


def test_a_login_without_a_lifetime_lasts_as_long_as_nacos_default() -> None:
    assert wire.LoginGrant("t", 18000.0) == wire.decode_login(b'{"accessToken":"t"}')


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"{}", b'{"accessToken":""}', b'{"accessToken":null}', b'{"accessToken":"a\\r\\nX-Evil: 1"}'],
)
def test_a_login_answer_without_a_usable_token_grants_nothing(body: bytes) -> None:
    assert wire.decode_login(body) is None


def test_the_time_an_instance_list_was_built_at_does_not_count() -> None:
    body = captured("instances-catalogue-2.3.1.json")
    later = body.replace(b'"lastRefTime":1795370342090', b'"lastRefTime":1795370999999')
    changed = body.replace(b'"weight":0.5', b'"weight":0.6')

    assert body != later
    assert wire.fingerprint_of_instance_list(body) == wire.fingerprint_of_instance_list(later)
    assert wire.fingerprint_of_instance_list(body) != wire.fingerprint_of_instance_list(changed)
