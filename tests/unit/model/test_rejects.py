import itertools

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.rejects import Reject, RejectNotes, print_subject


def test_one_reject_per_reason_and_subject_counts_the_rest() -> None:
    for additions in itertools.permutations([("b", "x", "2"), ("b", "x", "1"), ("a", "y", "3")]):
        notes = RejectNotes("nacos/orders")
        for addition in additions:
            notes.add(*addition)
        assert (Reject("nacos/orders", "a", "y", "3"), Reject("nacos/orders", "b", "x", "1 (and 1 more)")) == (
            notes.list_rejects()
        )


def test_no_notes_are_no_rejects() -> None:
    assert () == RejectNotes("nacos/orders").list_rejects()


def test_the_fifty_first_reject_is_summed_up() -> None:
    notes = RejectNotes("nacos/orders")
    for number in range(50):
        notes.add("label_key", f"{number:02}", "x")
    assert 50 == len(notes.list_rejects())
    assert "unlisted" not in {reject.reason for reject in notes.list_rejects()}
    notes.add("label_key", "50", "x")
    assert 50 == len(notes.list_rejects())
    assert Reject("nacos/orders", "unlisted", "", "2 more rejects of this resource") == notes.list_rejects()[-1]


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_printed_is_short_and_valid(text: str) -> None:
    shown = print_subject(text)
    assert shown.isprintable()
    assert 200 >= len(shown)
    assert shown == shown.encode().decode()


def test_ordinary_text_is_printed_as_it_is() -> None:
    assert "订单 a/b:1" == print_subject("订单 a/b:1")
    assert "a\\nb" == print_subject("a\nb")
