"""What may be said of an address, a body or an error."""

import base64
from contextlib import suppress

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.failures import authorization_in, cause, conceal, conceal_beginning, displayed, excerpt, worst


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://eureka:8761/eureka/", "http://eureka:8761/eureka"),
        ("https://u:p@eureka/base/", "https://eureka/base"),
        ("http://u:p@[::1]:8761?token=t", "http://[::1]:8761"),
        ("http://nacos:8848?token=t", "http://nacos:8848"),
    ],
)
def test_addresses_are_shown_without_secrets(address: str, shown: str) -> None:
    assert shown == displayed(address)


def test_an_excerpt_is_one_short_printable_line() -> None:
    assert "a b c" == excerpt(b"a\r\n\tb \x00\x1b c")
    assert "\N{REPLACEMENT CHARACTER}" == excerpt(b"\xff")
    assert 161 == len(excerpt(b"x" * 10_000))


def test_what_a_server_quotes_of_our_headers_and_forms_is_concealed() -> None:
    headers, form = {"Authorization": "Bearer s3cret", "X": "abc"}, {"password": "swordfish"}

    text = conceal("no: Bearer s3cret (s3cret) swordfish abc", headers, None, form)

    assert "no: *** (***) *** abc" == text


def test_what_a_server_reads_out_of_a_header_or_an_address_is_concealed_too() -> None:
    """Some decode what they quote; the header of an address is made by the HTTP client."""
    headers = authorization_in("http://reader:sword%2Ffish@nacos:8848")

    assert {"Authorization": "Basic cmVhZGVyOnN3b3JkL2Zpc2g="} == headers
    assert {} == authorization_in("http://nacos:8848")
    text = "no: Basic cmVhZGVyOnN3b3JkL2Zpc2g= (reader:sword/fish), sword/fish, sword%2Ffish"
    assert "no: *** (***), ***, ***" == conceal(text, headers)


def test_of_a_body_without_end_only_the_beginning_is_looked_at_and_concealed() -> None:
    told = conceal_beginning(b"swordfish " + "鱼".encode() * 1_000_000 + b"swordfish", {"password": "swordfish"})

    assert (True, 65_530) == (told.startswith("*** 鱼".encode()), len(told.decode()))
    assert b"*** is refused" == conceal_beginning(b"swordfish is refused", {"password": "swordfish"})


@given(
    st.text(), st.dictionaries(st.sampled_from("ab"), st.text() | st.binary().map(base64.b64encode).map(bytes.decode))
)
def test_whatever_was_sent_and_is_quoted_can_be_concealed(text: str, sent: dict[str, str]) -> None:
    quoted = conceal(f"{text} {' '.join(sent.values())}", sent)

    assert not [value for value in sent.values() if len(value) >= 8 and "*" not in value and value in quoted]
    assert "\n" not in cause(ValueError(quoted), sent)


@given(st.text(), st.binary())
def test_no_address_and_no_body_is_too_strange(address: str, body: bytes) -> None:
    with suppress(ValueError):  # what the settings refuse: half an address of IPv6
        assert set(authorization_in(f"http://{address}")) <= {"Authorization"}
    assert excerpt(body).isprintable()


def test_a_cause_is_concealed_before_it_is_cut() -> None:
    """The beginning of a secret is no known text."""
    text = cause(OSError("x" * 150 + " swordfish-and-more"), {"password": "swordfish-and-more"})

    assert f"OSError: {'x' * 150} ***" == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "no complete answer in time"),
        (aiohttp.InvalidURL("http://u:p@x"), "not a usable URL"),
        (aiohttp.ClientPayloadError("cut"), "ClientPayloadError: cut"),
    ],
)
def test_a_cause_is_one_line_without_urls(error: Exception, text: str) -> None:
    assert text == cause(error)


@pytest.mark.parametrize(
    ("errors", "kind", "text"),
    [
        ([], SourceUnavailable, "no address is configured"),
        ([SourceUnavailable("a"), SourceUnavailable("b")], SourceUnavailable, "a; b"),
        ([SourceUnavailable("a"), SourceDataError("b")], SourceDataError, "a; b"),
        ([SourceDataError("a"), SourceAuthError("b"), SourceUnavailable("c")], SourceAuthError, "a; b; c"),
    ],
)
def test_the_error_that_needs_a_human_soonest_stands_for_all(
    errors: list[SourceError], kind: type[SourceError], text: str
) -> None:
    error = worst(errors)

    assert (kind, text) == (type(error), str(error))
