"""The writer's primitives against Google's own runtime."""

from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]
from hypothesis import example, given
from hypothesis import strategies as st

from meshregistry.wire.protobuf import frame, number, string_map, text, varint


@given(value=st.integers(0, (1 << 64) - 1))
@example(value=0x7F)
@example(value=0x80)
@example(value=(1 << 64) - 1)
def test_varint_equals_the_reference(value: int) -> None:
    assert _VarintBytes(value) == varint(value)


@given(payload=st.binary(max_size=300))
def test_a_frame_is_tag_length_and_payload(payload: bytes) -> None:
    assert b"\x0a" + _VarintBytes(len(payload)) + payload == frame(b"\x0a", payload)


def test_default_values_are_left_out() -> None:
    assert (b"", b"") == (text(b"\x0a", ""), number(b"\x08", 0))


def test_map_entries_keep_empty_keys_and_values() -> None:
    assert b"\x0a\x04\x0a\x00\x12\x00" == string_map(b"\x0a", (("", ""),))
