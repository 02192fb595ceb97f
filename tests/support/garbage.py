"""Registry data that no honest server sends, as hypothesis strategies: JSON of any shape, and good bodies spoilt."""

import gzip
import json
import zlib
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

_ODD_BODIES = [
    b"",
    b"null",
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"1" * 5000,
    b"-1e999",
    b'"\\ud800"',
    b"\xff\xfe",
    b"{}\x00",
]
"""Nesting without an end, numbers without an end, halves of characters."""

_texts = st.text(max_size=12) | st.sampled_from(
    ["", "NaN", "-1", "true", "\x00", "订单", "a" * 5000, "[::1", "10.0.0.1"]
)
_numbers = st.integers() | st.floats() | st.sampled_from([0, -1, 65536, 1 << 63, 1 << 64, 10**30])
_scalars = st.none() | st.booleans() | _numbers | _texts


def values(*keys: str) -> st.SearchStrategy[Any]:
    """Return values of any shape that JSON can have, with these keys among those of its objects."""
    names = st.sampled_from(keys) | _texts if keys else _texts
    return st.recursive(
        _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=12
    )


def bodies(*keys: str) -> st.SearchStrategy[bytes]:
    """Return bodies: such values as JSON, random bytes, and what breaks parsers."""
    return values(*keys).map(_encode) | st.binary(max_size=60) | st.sampled_from(_ODD_BODIES)


@st.composite
def spoilt(draw: st.DrawFn, good: bytes) -> bytes:
    """Return a good body in JSON with one value replaced by another, or with some bytes cut, changed or added."""
    if draw(st.booleans()):
        tree = json.loads(good)
        for _ in range(draw(st.integers(1, 3))):
            tree = _replace(draw, tree)
        return _encode(tree)
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(start + 20, len(good))))
    return good[:start] + draw(st.binary(max_size=10)) + (good[end:] if draw(st.booleans()) else b"")


@st.composite
def packed(draw: st.DrawFn, content: bytes) -> bytes:
    """Return content as gzip, whole or with something cut, changed or added."""
    good = gzip.compress(content, mtime=0)
    if draw(st.booleans()):
        return good + draw(st.sampled_from([b"", b"\0" * 9, good, b"x"]))
    at = draw(st.integers(0, len(good)))
    return good[:at] + draw(st.binary(max_size=4)) + (good[at + 1 :] if draw(st.booleans()) else b"")


def bomb(megabytes: int) -> bytes:
    """Return a gzip of so many megabytes of blanks: a thousandth of them."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(megabytes)) + packer.flush()


def _replace(draw: st.DrawFn, tree: Any) -> Any:
    """Return a tree with something in it replaced, at any depth."""
    places: Sequence[Any] = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    if not places or draw(st.integers(0, 4)) == 0:
        return draw(values())
    place = draw(st.sampled_from(places))
    copied = dict(tree) if isinstance(tree, dict) else list(tree)
    copied[place] = _replace(draw, tree[place])
    return copied


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()
