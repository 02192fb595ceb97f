"""Decoding for every source: what is understood, and what an error may say."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SourceDataError
from meshregistry.sources.decoding import fingerprint, mend, understood

DECODE = msgspec.json.Decoder(dict[str, str]).decode


@pytest.mark.parametrize(
    ("body", "text"),
    [(b"", "empty body"), (b'{"a":', "not understood"), (b'{"a":1}', "not understood"), (b"\xff", "not understood")],
)
def test_what_is_not_understood_is_one_kind_of_error(body: bytes, text: str) -> None:
    with pytest.raises(SourceDataError, match=text):
        understood(DECODE, body)


def test_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    assert {"a": "x\N{REPLACEMENT CHARACTER}y"} == understood(DECODE, b'{"a":"x\\ud83dy"}')
    assert {"a": "\N{GRINNING FACE}\\ud83d"} == understood(DECODE, b'{"a":"\\ud83d\\ude00\\\\ud83d"}')
    assert b'{"a":"\\\\u0041"}' == mend(b'{"a":"\\\\u0041"}')


def test_equal_bytes_have_equal_fingerprints() -> None:
    assert fingerprint(b"a") == fingerprint(msgspec.Raw(b"a"))
    assert fingerprint(b"a") != fingerprint(b"b")


escapes = ["a", "\\\\", "\\n", "\\u0041", "\\ud83d\\ude00", "\\ud83d", "\\uDE00", "\\uD83D", "ud83d", "\\/"]


@given(st.lists(st.sampled_from(escapes), max_size=12).map("".join))
def test_a_mended_text_is_what_was_meant_but_for_its_halves(text: str) -> None:
    meant = re.sub("[\ud800-\udfff]", "\ufffd", json.loads(f'"{text}"'))

    assert meant == msgspec.json.decode(mend(f'"{text}"'.encode()))


def test_a_text_of_nothing_but_halves_is_mended_up_to_a_bound_only() -> None:
    body = b"\\ud83da" * 100_000

    assert (50_000, 50_000) == (mend(body).count(b"ufffd"), mend(body).count(b"ud83d"))
    assert 100_000 == mend(body.replace(b"a", b"")).count(b"ufffd")
