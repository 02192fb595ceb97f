"""A state in pieces: whole or nothing, in any order."""

import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.replica.state import HEAD, PIECE_BYTES, Assembly, TooLarge, cut_state
from meshregistry.store.decisions import DecisionBook

DATA = os.urandom(2 * PIECE_BYTES + 17)


@given(st.permutations(sorted(cut_state(DATA, 5.0))))
def test_pieces_in_any_order_make_the_state_with_the_last_of_them(names: list[str]) -> None:
    pieces = cut_state(DATA, 5.0)
    assembly = Assembly(1 << 30)

    for name in names[:-1]:
        assembly.add({name: pieces[name]})
        assert assembly.join() is None
    assembly.add({names[-1]: pieces[names[-1]]})

    assert DATA == assembly.join()
    assert assembly.head is not None
    assert 5.0 == assembly.head.as_of


def test_pieces_of_two_states_make_none() -> None:
    assembly = Assembly(1 << 30)
    assembly.add(cut_state(DATA, 5.0))
    assembly.add({"piece-000001": b"of another"})

    assert assembly.join() is None


def test_a_state_that_is_replaced_on_the_way_is_the_new_one() -> None:
    assembly = Assembly(1 << 30)
    assembly.add(cut_state(DATA, 5.0))

    assembly.add(cut_state(b"smaller", 6.0), removed=("piece-000001", "piece-000002"))

    assert b"smaller" == assembly.join()


@given(st.dictionaries(st.sampled_from([HEAD, "piece-000000", "x"]), st.binary(max_size=40), max_size=3))
def test_whatever_a_sibling_sends_is_a_state_or_a_value_error(pieces: dict[str, bytes]) -> None:
    assembly = Assembly(1 << 30)
    with suppress(ValueError):
        assembly.add(pieces)
        assembly.join()
    with suppress(ValueError):
        DecisionBook().merge(pieces)


def test_an_unreadable_head_and_endless_pieces_are_refused() -> None:
    assembly = Assembly(1 << 30)
    assembly.add({HEAD: b"\xc1"})
    with pytest.raises(ValueError, match=r"malformed|invalid"):
        assembly.join()
    with pytest.raises(TooLarge, match="more than 4096 pieces"):
        Assembly(1 << 30).add({str(number): b"" for number in range(5000)})


def test_a_state_beyond_the_limit_is_refused_by_its_name_and_what_is_replaced_does_not_count() -> None:
    assembly = Assembly(20)
    for _ in range(5):
        assembly.add({"a": b"123456789", "b": b"123456789"})
        assembly.add({}, removed=("b", "c"))
    assembly.add({"b": b"123456789"})

    with pytest.raises(TooLarge, match=r"a state of more than 20 bytes \(replicas.max_state_bytes\)"):
        assembly.add({"c": b""})
