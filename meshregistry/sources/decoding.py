"""From bytes to records for every source that reads JSON: what a decoder raises, and texts no decoder takes."""

import re
from collections.abc import Callable
from typing import TypeVar

import xxhash
from msgspec import Raw

from meshregistry.errors import SourceDataError

T = TypeVar("T")

DECODE_ERRORS = (ValueError, RecursionError)
"""What msgspec raises for bad bytes: DecodeError and ValidationError, UnicodeDecodeError, RecursionError."""

_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PART = re.compile(
    rb"((?:(?!" + _PAIR + rb")" + _HALF + rb")++)|(?:[^\\]++|" + _PAIR + rb"|(?!" + _HALF + rb")\\.)++", re.DOTALL
)
"""A part of a JSON text: the group matches halves of surrogate pairs without their other half, the rest all else."""

_MOST_PARTS = 100_000
"""Are looked at: a text with more halves than that is nobody's name, and 256 MB of them would take half a minute."""

_REPLACEMENT = rb"\ufffd"


def understood(decode: Callable[[bytes], T], body: bytes) -> T:
    """Decode a whole answer; raises SourceDataError, whose text has no part of the body in it.

    Halves of surrogate pairs, which no decoder takes, become replacement characters: one text of one instance must
    not cost the whole listing.
    """
    if not body:
        raise SourceDataError("empty body")
    try:
        return decode(body)
    except DECODE_ERRORS as error:
        mended = mend(body)
        if mended == body:
            raise SourceDataError(f"not understood: {error}") from error
    try:
        return decode(mended)
    except DECODE_ERRORS as error:
        raise SourceDataError(f"not understood: {error}") from error


def mend(body: bytes) -> bytes:
    """Return JSON whose halves of surrogate pairs are replacement characters, but for those of an absurd many."""
    return _PART.sub(
        lambda part: _REPLACEMENT * (len(part[1]) // len(_REPLACEMENT)) if part[1] else part[0], body, _MOST_PARTS
    )


def fingerprint(body: bytes | Raw) -> int:
    """Return the 64-bit xxh3 of an answer or a part of one."""
    return xxhash.xxh3_64_intdigest(body)
