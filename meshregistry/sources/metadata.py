"""Metadata of instances from JSON to sorted pairs; equal metadata is decoded and held once."""

from collections.abc import Collection

import msgspec

from meshregistry.model.instance import Pairs
from meshregistry.sources.decoding import DECODE_ERRORS
from meshregistry.sources.interning import Interner

_POOL_LIMIT = 8192
_POOLED_BYTES = 4096

_TEXTS = msgspec.json.Decoder(dict[str, str | None])
_VALUES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class MetadataPool:
    """Turns metadata objects into pairs. Owner of the pools that let equal metadata share memory."""

    def __init__(self, without: Collection[str] = ()) -> None:
        self._without = frozenset(without)
        self._pairs: dict[bytes, Pairs] = {}
        self._pair = Interner[tuple[str, str]](_POOL_LIMIT)

    def read(self, raw: bytes | msgspec.Raw) -> Pairs:
        """Return the pairs of a JSON object without the unwanted keys.

        Nulls are left out, other values that are not text keep their JSON form. Raises ValueError for what is no
        object.
        """
        key = bytes(raw)
        pairs = self._pairs.get(key)
        if pairs is None:
            texts = decode_texts(key)
            pairs = tuple(self._pair.share(pair) for pair in sorted(texts.items()) if pair[0] not in self._without)
            if len(key) <= _POOLED_BYTES:
                if len(self._pairs) >= _POOL_LIMIT:
                    self._pairs.clear()
                self._pairs[key] = pairs
        return pairs


def decode_texts(raw: bytes) -> dict[str, str]:
    """Return a JSON object as texts, as `MetadataPool.read` does; null is an empty one. Raises ValueError."""
    if raw == b"null":
        return {}
    try:
        return {key: value for key, value in _TEXTS.decode(raw).items() if value is not None}
    except DECODE_ERRORS:
        return _decode_loosely(raw)


def _decode_loosely(raw: bytes) -> dict[str, str]:
    try:
        values = {key: bytes(value) for key, value in _VALUES.decode(raw).items()}
        return {
            key: _TEXT.decode(value) if value.startswith(b'"') else value.decode()
            for key, value in values.items()
            if value != b"null"
        }
    except DECODE_ERRORS as error:
        raise ValueError("not an object of texts") from error
