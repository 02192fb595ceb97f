"""The wire format, case by case; agreement with Google's runtime is tested with the codec."""

import pytest

from meshregistry.watch.fields import DecodeError, Fields


def test_absent_fields_have_their_defaults() -> None:
    fields = Fields(b"")
    assert ("", (), b"", 0, 0, 0) == (
        fields.text(1),
        fields.texts(1),
        fields.data(1),
        fields.uint32(1),
        fields.int32(1),
        fields.int64(1),
    )
    assert ({}, {}) == (fields.text_map(1), fields.uint32_map(1))
    assert not fields.has(1)
    assert "" == fields.message(1).text(1)


def test_the_last_value_of_a_singular_field_wins() -> None:
    assert "b" == Fields(b"\x0a\x01a\x0a\x01b").text(1)
    assert 2 == Fields(b"\x08\x01\x08\x02").uint32(1)


def test_occurrences_of_a_message_merge() -> None:
    merged = Fields(b"\x0a\x03\x0a\x01a\x0a\x03\x12\x01b").message(1)
    assert ("a", "b") == (merged.text(1), merged.text(2))


def test_an_empty_message_is_present() -> None:
    assert Fields(b"\x0a\x00").has(1)


def test_a_field_of_another_wire_type_is_unknown() -> None:
    assert "" == Fields(b"\x08\x01").text(1)
    assert 0 == Fields(b"\x0a\x01a").uint32(1)


def test_long_lengths_and_large_field_numbers() -> None:
    assert "x" * 300 == Fields(b"\x0a\xac\x02" + b"x" * 300).text(1)
    assert "a" == Fields(b"\x82\x01\x01a").text(16)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x08\xff\xff\xff\xff\x0f", (2**32 - 1, -1, 2**32 - 1)),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", (2**32 - 1, -1, -1)),
        (b"\x08\x80\x80\x80\x80\x10", (0, 0, 2**32)),
    ],
)
def test_integers_are_cut_to_their_width(data: bytes, expected: tuple[int, int, int]) -> None:
    fields = Fields(data)
    assert expected == (fields.uint32(1), fields.int32(1), fields.int64(1))


@pytest.mark.parametrize(
    "unknown",
    [
        b"\x19" + b"\xff" * 8,
        b"\x1d" + b"\xff" * 4,
        b"\x1b\x1c",
        b"\x1b\x08\x01\x12\x01x\x19" + b"\xff" * 8 + b"\x23\x24\x1c",
    ],
)
def test_unknown_fields_are_passed_over(unknown: bytes) -> None:
    assert "a" == Fields(unknown + b"\x0a\x01a").text(1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x02a",
        b"\x0a\x80",
        b"\x08\x80",
        b"\x80",
        b"\x19\x00",
        b"\x1d\x00",
        b"\x1b",
        b"\x1b\x24",
        b"\x1c\x00",
        b"\x0e\x00",
        b"\x00\x00",
        b"\x02\x01a",
        b"\x08" + b"\x80" * 10 + b"\x01",
        b"\x8a\x80\x80\x80\x80\x01\x01a",
        b"\x1b" * 200,
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Fields(data)


def test_a_string_must_be_utf_8() -> None:
    fields = Fields(b"\x0a\x01\xff\x0a\x01a")
    with pytest.raises(DecodeError, match="UTF-8"):
        fields.text(1)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (b"\x0a\x01k\x12\x01v", {"k": "v"}),
        (b"\x12\x01v\x0a\x01k", {"k": "v"}),
        (b"\x0a\x01k", {"k": ""}),
        (b"", {"": ""}),
        (b"\x0a\x00\x12\x00", {"": ""}),
        (b"\x0a\x01k\x12\x01v\x1a\x01u", {"k": "v"}),
        (b"\x0a\x01k\x12\xc8\x01" + b"v" * 200, {"k": "v" * 200}),
        (b"\x0a\xc8\x01" + b"k" * 200 + b"\x12\x01v", {"k" * 200: "v"}),
        (b"\x0a\x01k\x10\x01", {"k": ""}),
    ],
)
def test_map_entries_in_every_form(entry: bytes, expected: dict[str, str]) -> None:
    data = b"\x0a" + (bytes([len(entry)]) if len(entry) < 128 else bytes([len(entry) & 127 | 128, 1])) + entry
    assert expected == Fields(data).text_map(1)


def test_of_two_entries_of_one_key_the_later_wins() -> None:
    assert {"k": "b"} == Fields(b"\x0a\x06\x0a\x01k\x12\x01a\x0a\x06\x0a\x01k\x12\x01b").text_map(1)


def test_a_map_to_integers() -> None:
    assert {"k": 5} == Fields(b"\x0a\x05\x0a\x01k\x10\x05").uint32_map(1)
