"""A minimal protobuf writer for the hot messages.

Fields are written in number order and maps sorted by key, so the bytes equal upb's deterministic
output and can be hashed as content (protobuf encoding guide: varints, tags, length-delimited fields).
"""

_SHORT = tuple(bytes((value,)) for value in range(0x80))


def varint(value: int) -> bytes:
    """Encode a non-negative integer below 2^64 as a base-128 varint."""
    if value < 0x80:
        return _SHORT[value]
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def frame(tag: bytes, payload: bytes) -> bytes:
    """Encode a length-delimited field: `tag` is the encoded field tag."""
    size = len(payload)
    return tag + (_SHORT[size] if size < 0x80 else varint(size)) + payload


def text(tag: bytes, value: str) -> bytes:
    """Encode a string field; the empty string, proto3's default, is left out.

    Lone surrogates (JSON allows them, protobuf does not) are replaced, so the bytes are always valid UTF-8.
    """
    return frame(tag, value.encode("utf-8", "replace")) if value else b""


def text_first(tag: bytes, text_tag: bytes, value: str, rest: bytes) -> bytes:
    """Encode a length-delimited field that begins with a string field, in front of the encoded `rest`."""
    data = value.encode("utf-8", "replace")
    size = len(data)
    if not 0 < size < 0x80:
        return frame(tag, text(text_tag, value) + rest)
    return b"".join((tag, varint(size + 2 + len(rest)), text_tag, _SHORT[size], data, rest))


def number(tag: bytes, value: int) -> bytes:
    """Encode an unsigned integer or enum field; 0, proto3's default, is left out."""
    return tag + varint(value) if value else b""


def string_map(tag: bytes, pairs: tuple[tuple[str, str], ...]) -> bytes:
    """Encode a `map<string, string>` field from sorted pairs; map entries keep empty keys and values explicit."""
    return b"".join(
        [_map_entry(tag, key.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for key, value in pairs]
    )


def _map_entry(tag: bytes, key: bytes, value: bytes) -> bytes:
    key_size, value_size = len(key), len(value)
    size = key_size + value_size + 4
    if size < 0x80:  # so is every size in it: nearly all labels
        return tag + _SHORT[size] + b"\x0a" + _SHORT[key_size] + key + b"\x12" + _SHORT[value_size] + value
    return frame(tag, frame(b"\x0a", key) + frame(b"\x12", value))
