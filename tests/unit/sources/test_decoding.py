"""Decoding for every source: what is understood, and what an error may say."""

import msgspec
import pytest

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
