"""Bytes come in any portions; frames come out whole or not at all."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.zookeeper.session.errors import ProtocolFault
from meshregistry.sources.zookeeper.session.frames import FrameReader, framed

LIMIT = 100


def portions(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.binary(max_size=LIMIT)), st.lists(st.integers(0, 10_000)))
def test_frames_survive_any_cutting(bodies: list[bytes], cuts: list[int]) -> None:
    reader = FrameReader(LIMIT)
    stream = b"".join(map(framed, bodies))
    assert bodies == [frame for portion in portions(stream, cuts) for frame in reader.feed(portion)]
    assert not reader.within_frame


@given(st.binary(min_size=1, max_size=LIMIT), st.integers(1, 10_000))
def test_a_frame_cut_short_is_held_and_known(body: bytes, cut: int) -> None:
    reader = FrameReader(LIMIT)
    frame = framed(body)
    begun = frame[: 1 + cut % (len(frame) - 1)]
    assert [] == list(reader.feed(begun))
    assert reader.within_frame


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (-1, "negative length"),
        (LIMIT + 1, "101 bytes, more than the allowed 100"),
        (2**31 - 1, "more than the allowed"),
    ],
)
def test_an_impossible_length_is_an_error_before_its_bytes_come(length: int, message: str) -> None:
    reader = FrameReader(LIMIT)
    received = []
    with pytest.raises(ProtocolFault, match=message):
        received.extend(list(reader.feed(struct.pack(">i", length))))
    assert [] == received


def test_frames_before_an_impossible_length_are_delivered() -> None:
    frames = FrameReader(LIMIT).feed(framed(b"good") + b"\xff\xff\xff\xff")
    assert b"good" == next(frames)
    with pytest.raises(ProtocolFault):
        next(frames)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_raises_only_protocol_faults(chunks: list[bytes]) -> None:
    reader = FrameReader(LIMIT)
    try:
        for chunk in chunks:
            assert all(len(frame) <= LIMIT for frame in reader.feed(chunk))
    except ProtocolFault:
        pass
