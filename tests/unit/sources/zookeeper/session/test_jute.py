"""Strings, vectors and buffers read back as written; anything else is a malformed answer."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.zookeeper.session.errors import MalformedAnswer
from meshregistry.sources.zookeeper.session.jute import (
    pack_buffer,
    pack_text,
    pack_texts,
    read_buffer,
    read_int,
    read_text,
    read_texts,
)


@given(st.lists(st.text()))
def test_texts_are_read_back(texts: list[str]) -> None:
    assert tuple(texts) == read_texts(pack_texts(texts))


@given(st.text(), st.binary())
def test_a_text_and_a_buffer_are_read_back_with_their_ends(text: str, data: bytes) -> None:
    body = pack_text(text) + pack_buffer(data)
    assert text == read_text(body, 0)[0]
    assert (data, len(body)) == read_buffer(body, read_text(body, 0)[1])


def test_null_is_empty() -> None:
    null = b"\xff\xff\xff\xff"
    assert (b"", 4) == read_buffer(null, 0)
    assert () == read_texts(null)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        struct.pack(">i", 1),
        struct.pack(">i", -2),
        struct.pack(">i", 2**31 - 1) + bytes(100),
        struct.pack(">ii", 1, 5) + b"abcd",
        struct.pack(">ii", 1, -1),
        struct.pack(">ii", 1, 1) + b"\xff",
        struct.pack(">iii", 2, 0, 1000),
    ],
)
def test_a_broken_vector_is_a_malformed_answer(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        read_texts(body)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for read in (read_texts, lambda b: read_text(b, 0), lambda b: read_buffer(b, 0), lambda b: read_int(b, 0)):
        try:
            read(body)
        except MalformedAnswer:
            continue
