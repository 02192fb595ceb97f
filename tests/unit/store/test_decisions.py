"""Decisions of operators in several replicas: each is done once everywhere, the newest on a matter wins."""

import msgspec
import pytest

from meshregistry.model.instance import Scope
from meshregistry.store.decisions import DecisionBook
from meshregistry.store.holds import HoldReport
from meshregistry.store.operator import Accept, Freeze, OperatorDecision, ReadAgain, Reject, ServeAnyway, Thaw

NACOS = Scope("nacos", "", "", "")
NOW = 1_700_000_000.0


def held(number: int, age_s: float = 5.0, scope: str = "nacos/public") -> HoldReport:
    return HoldReport(str(number), scope, "mass", age_s, 0.0, 100, 50, 50, (), rejected=False)


def told(decision: OperatorDecision, *holds: HoldReport, at: float = NOW) -> dict[str, bytes]:
    """What a replica tells after its operator has decided."""
    book = DecisionBook()
    book.note(decision, holds, at)
    return book.encode()


def test_an_accepted_hold_is_accepted_under_its_number_here_once() -> None:
    book = DecisionBook()

    assert book.merge(told(Accept("7", "ann"), held(7)))

    assert [Accept("2", "ann")] == book.take_due([held(2), held(3, scope="nacos/other")], (), NOW + 1)
    assert [] == book.take_due([held(2)], (), NOW + 2)


def test_a_shrink_that_is_seen_later_here_is_accepted_when_it_is() -> None:
    book = DecisionBook()
    book.merge(told(Accept("7", "ann"), held(7)))

    assert [] == book.take_due([], (), NOW + 1)
    assert [Accept("1", "ann")] == book.take_due([held(1, age_s=0.0)], (), NOW + 30)


def test_another_shrink_later_is_another_matter() -> None:
    book = DecisionBook()
    book.merge(told(Accept("7", "ann"), held(7)))

    assert [] == book.take_due([held(1, age_s=0.0)], (), NOW + 61)


def test_a_rejected_hold_is_rejected() -> None:
    book = DecisionBook()
    book.merge(told(Reject("7", "ann"), held(7)))

    assert [Reject("2", "ann")] == book.take_due([held(2)], (), NOW)


def test_a_freeze_is_done_unless_it_is_so_already() -> None:
    frozen, thawed = told(Freeze(NACOS, "ann")), told(Thaw(NACOS, "bob"), at=NOW + 5)
    book, other = DecisionBook(), DecisionBook()

    book.merge(frozen)
    assert [Freeze(NACOS, "ann")] == book.take_due([], (), NOW)
    assert [] == book.take_due([], (), NOW)
    book.merge(thawed)
    assert [Thaw(NACOS, "bob")] == book.take_due([], (NACOS,), NOW)

    other.merge(frozen)
    assert [] == other.take_due([], (NACOS,), NOW)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_wins_in_any_order_and_any_number_of_times(order: tuple[int, int]) -> None:
    bodies = [told(Freeze(NACOS, "ann"), at=NOW), told(Thaw(NACOS, "bob"), at=NOW + 1)]
    book = DecisionBook()

    for index in (*order, *order):
        book.merge(bodies[index])

    assert bodies[1] == book.encode()
    assert not book.merge(bodies[0])
    assert not book.merge(bodies[1])


def test_what_this_replica_decided_is_told_and_not_done_again() -> None:
    book = DecisionBook()
    book.note(Accept("7", "ann"), [held(7)], NOW)
    book.note(Freeze(NACOS, "ann"), [], NOW)

    assert 2 == len(book.encode())
    assert [] == book.take_due([held(7)], (), NOW)


@pytest.mark.parametrize("decision", [ServeAnyway(("nacos",), "ann"), ReadAgain("nacos", "ann")])
def test_what_is_to_be_done_now_is_done_once_and_never_later(decision: OperatorDecision) -> None:
    book, late = DecisionBook(), DecisionBook()
    book.merge(told(decision))
    late.merge(told(decision))

    assert [decision] == book.take_due([], (), NOW + 1)
    assert [] == book.take_due([], (), NOW + 2)
    assert [] == late.take_due([], (), NOW + 61)


def test_a_decision_about_no_hold_is_not_told() -> None:
    assert {} == told(Accept("7"))


def test_nonsense_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        DecisionBook().merge({"x": b"{}"})


def test_the_oldest_are_forgotten() -> None:
    book = DecisionBook()
    for number in range(1005):
        book.note(Freeze(Scope("nacos", "", str(number), ""), "ann"), [], NOW + number)

    assert 1000 == len(book.encode())
    assert "freeze/nacos//4/" not in book.encode()
    assert "freeze/nacos//5/" in book.encode()


def test_a_later_decision_wins_over_one_of_a_replica_whose_clock_is_ahead() -> None:
    """Otherwise the freeze would come back with each new stream, and stay where it was decided."""
    ahead, book = DecisionBook(), DecisionBook()
    ahead.note(Freeze(NACOS, "ann"), (), NOW + 300)
    assert book.merge(ahead.encode())
    assert [Freeze(NACOS, "ann")] == book.take_due((), (), NOW)

    book.note(Thaw(NACOS, "bob"), (), NOW + 60)

    assert ahead.merge(book.encode())
    assert [Thaw(NACOS, "bob")] == ahead.take_due((), (NACOS,), NOW + 360)
    assert not book.merge(ahead.encode())
    assert [] == book.take_due((), (), NOW + 61)
