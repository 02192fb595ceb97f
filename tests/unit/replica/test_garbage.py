"""Whatever a sibling sends: it is taken, or refused with the one error that is documented, and costs nothing else."""

import json
import math
from contextlib import suppress

import msgspec
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.instance import Scope
from meshregistry.replica.link import Delivery, read_delivery
from meshregistry.replica.state import HEAD, Assembly, cut_state
from meshregistry.store.decisions import DecisionBook
from meshregistry.store.holds import HoldReport
from meshregistry.wire.fields import Fields
from meshregistry.wire.protobuf import frame
from tests.support.garbage import bodies, spoilt, values

SCOPE = Scope("nacos", "r", "public", "G")
HOLD = HoldReport("1", "nacos/r/public/G", "mass", 1.0, 1.0, 9, 3, 6, ("a.example",), False)
DECISIONS = [
    {"at": 1000.0, "verb": "freeze", "by": "root", "target": ["nacos", "r", "public", "G"]},
    {"at": 1000.0, "verb": "accept", "by": "root", "scope": "nacos/r/public/G", "cause": "mass"},
    {"at": 1000.0, "verb": "serve_anyway", "by": "root", "sources": ["nacos"]},
    {"at": 1000.0, "verb": "read_again", "by": "root"},
]
KEYS = ("at", "verb", "by", "scope", "cause", "target", "sources")
decisions = (
    st.sampled_from(DECISIONS).map(json.dumps).map(str.encode)
    | st.sampled_from(DECISIONS).map(json.dumps).map(str.encode).flatmap(spoilt)
    | st.fixed_dictionaries(
        {
            "at": st.floats() | st.integers(),
            "verb": st.sampled_from(["freeze", "thaw", "accept", "x"]),
            "by": st.text(),
        },
        optional={"target": values(), "scope": st.text(), "sources": values()},
    ).map(msgspec.json.encode)
    | bodies(*KEYS)
)


@given(st.lists(st.dictionaries(st.text(max_size=3), decisions, max_size=4), max_size=4), st.floats(0, 2e9))
def test_decisions_are_taken_or_refused_and_what_is_taken_can_be_told_on(
    told: list[dict[str, bytes]], wall: float
) -> None:
    """A book that has taken whatever it was told is read by the next replica, and leads to the same there."""
    book = DecisionBook()
    for each in told:
        with suppress(ValueError):
            book.merge(each)
    next_book = DecisionBook()
    next_book.merge(book.encode())

    assert book.encode() == next_book.encode()
    assert book.take_due([HOLD], {SCOPE}, wall) == next_book.take_due([HOLD], {SCOPE}, wall)
    assert [] == book.take_due([HOLD], {SCOPE}, wall)


@given(decisions)
def test_a_decision_that_is_none_hides_none_that_came_before(body: bytes) -> None:
    book = DecisionBook()
    book.merge({"a": json.dumps(DECISIONS[0]).encode()})
    with suppress(ValueError):
        book.merge({"b": body})

    assert any(matter.startswith("freeze/") for matter in book.encode())


def test_an_instant_that_no_clock_shows_is_no_decision() -> None:
    """It would win for ever, and the next after it is no number in JSON."""
    for at in ("-1e308", "1e308", "1e12"):
        with pytest.raises(ValueError, match="at"):
            DecisionBook().merge({"a": b'{"at":%s,"verb":"freeze","by":"x","target":["a","b","c","d"]}' % at.encode()})


STATE = cut_state(b"state" * 100, 5.0)
heads = (
    st.builds(
        lambda pieces, digest, as_of: msgspec.msgpack.encode({"pieces": pieces, "digest": digest, "as_of": as_of}),
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.text(max_size=32) | st.just("99aa06d3014798d86001c324468d497f"),
        st.floats() | st.integers(-9, 9),
    )
    | st.binary(max_size=40)
    | st.sampled_from([b"\x91" * 5000, b"\x81\xa1x" * 5000, b"\xc1", b"", STATE[HEAD]])
)


@given(st.lists(st.tuples(st.sampled_from([HEAD, "piece-000000", "piece-000001", "x"]), heads), max_size=8))
def test_pieces_make_the_state_or_none_or_a_value_error(pieces: list[tuple[str, bytes]]) -> None:
    assembly = Assembly(1 << 30)
    for name, data in [*STATE.items(), *pieces]:
        with suppress(ValueError):
            assembly.add({name: data})
            state, head = assembly.join(), assembly.head
            assert state is None or (head is not None and head.digest == xxhash.xxh3_128_hexdigest(state))
            assert head is None or math.isfinite(head.as_of)


@given(st.binary(max_size=200))
def test_a_response_is_a_delivery_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(read_delivery(Fields(data)), Delivery)


@given(st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=20))), st.lists(st.text(max_size=5)), st.binary())
def test_a_good_response_is_read_and_a_damaged_one_breaks_nothing(
    payloads: list[tuple[str, bytes]], removed: list[str], junk: bytes
) -> None:
    wrapped = [frame(b"\x1a", name.encode()) + frame(b"\x12", frame(b"\x12", body)) for name, body in payloads]
    data = b"".join([frame(b"\x12", each) for each in wrapped] + [frame(b"\x32", name.encode()) for name in removed])

    assert Delivery(dict(payloads), tuple(removed)) == read_delivery(Fields(data))
    with suppress(ValueError):
        read_delivery(Fields(data[: len(data) // 2] + junk + data[len(data) // 2 :]))
