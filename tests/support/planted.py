"""Secrets that a test plants in settings, and the search for them afterwards, in whatever form."""

import base64
import re
from collections.abc import Iterable, Iterator

_MARK = "PLANTED-"
TAIL = '/+"\\&%=~'
"""Each program escapes some of these in a way of its own, which leaves the mark as it is."""


def planted(place: str) -> str:
    """Return the secret of a place."""
    return f"{_MARK}{place}{TAIL}"


def secrets_in(text: str) -> set[str]:
    """Return what is found: marks, and marks in base64 or hexadecimal digits, wherever they begin."""
    plain = set(re.findall(_MARK + r"[\w-]*", text, re.IGNORECASE))
    return plain | {form for form in _ENCODED if form in text}


def _encoded_forms(data: bytes) -> Iterator[str]:
    for offset in range(3):
        first, end = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            yield alphabet(bytes(offset) + data + b"\0\0").decode()[first:end]
    yield data.hex()
    yield data.hex().upper()


_ENCODED = frozenset(_encoded_forms(_MARK.encode()))


def found_in(texts: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return where something was found, and what."""
    return {where: found for where, text in texts if (found := secrets_in(text))}
