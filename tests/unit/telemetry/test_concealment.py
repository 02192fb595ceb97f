"""Secrets are taken out of texts in whatever form they stand there."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.telemetry.concealment import Concealer

SECRET = 'pass word/+"\\&%é'
WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "utf-8 json": lambda text: json.dumps(text, ensure_ascii=False),
    "python": repr,
    "path": quote,
    "parameter": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "lower-case escapes": lambda text: quote(text, safe="").lower(),
    "html": html.escape,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_secret_goes_however_it_is_written(way: Callable[[str], str]) -> None:
    text = Concealer([SECRET], 4)(f"no: {way(SECRET)}.")

    assert "no: ***." == text.replace('"', "").replace("'", "")


@given(user=st.text("abc", max_size=7), rest=st.binary(max_size=7), alphabet=st.sampled_from([b"+/", b"-_"]))
def test_of_base64_no_more_than_the_edges_are_left(user: str, rest: bytes, alphabet: bytes) -> None:
    """Two characters at each end belong to the neighbours, too."""
    encoded = base64.b64encode(user.encode() + SECRET.encode() + rest, alphabet).decode()
    left = Concealer([SECRET], 4)(encoded).split("***")

    assert 2 == len(left)
    assert len(left[0]) + len(left[1]) <= 4 * (len(user) + len(rest)) / 3 + 6


def test_the_longest_secret_goes_first_and_short_ones_stay() -> None:
    assert "*** and *** abc" == Concealer(["secret", "secret-2", "abc", ""], 4)("secret-2 and secret abc")
    assert "nothing known" == Concealer([], 4)("nothing known")


@given(st.lists(st.text()), st.text())
def test_no_secret_is_too_strange(secrets: list[str], text: str) -> None:
    concealed = Concealer(secrets, 4)(text)

    assert concealed == text or "***" in concealed


@given(
    st.lists(st.sampled_from(["secret", "secret-2", "se", "x", "secre"]), max_size=12).map("".join), st.integers(0, 40)
)
def test_the_beginning_of_a_text_is_that_of_the_whole(text: str, length: int) -> None:
    """Nothing is left of a secret that the length cuts in two."""
    concealer = Concealer(["secret", "secret-2"], 4)
    beginning = concealer.beginning(text, length)

    assert concealer(text).startswith(beginning)
    assert len(text) > length or concealer(text) == beginning
    assert "abc" == Concealer([], 4).beginning("abcdef", 3)
