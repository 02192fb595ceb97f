"""Decisions of operators in several replicas: each is done once everywhere, the newest on a matter wins."""

import msgspec
import pytest

from meshregistry.model.instance import Scope
from meshregistry.store.decisions import DecisionBook
from meshregistry.store.holds import HoldReport
from meshregistry.store.operator import Accept, Freeze, OperatorDecision, ReadAgain, Reject, ServeAnyway, Thaw

NACOS = Scope("nacos", "", "", "")
NOW = 1_700_000_000.0


def held(number: int, age_s: float = 5.0, scope: str = "nacos/public", content: str = "aa", **more: bool) -> HoldReport:
    rejected = more.get("rejected", False)
    return HoldReport(f"{number}-{content}", scope, "mass", age_s, 0.0, 100, 50, 50, (), rejected, content)


def told(decision: OperatorDecision, *holds: HoldReport, at: float = NOW) -> dict[str, bytes]:
    """What a replica tells after its operator has decided."""
    book = DecisionBook()
    book.note(decision, holds, at)
    return book.encode()


def test_an_accepted_hold_is_accepted_under_its_number_here_once() -> None:
    book = DecisionBook()

    assert book.merge(told(Accept("7-aa", "ann"), held(7)))

    assert [Accept("2-aa", "ann")] == book.take_due([held(2), held(3, scope="nacos/other")], (), NOW + 1)
    assert [] == book.take_due([held(2)], (), NOW + 2)


def test_a_shrink_that_is_seen_later_here_is_accepted_when_it_is() -> None:
    book = DecisionBook()
    book.merge(told(Accept("7-aa", "ann"), held(7)))

    assert [] == book.take_due([], (), NOW + 1)
    assert [Accept("1-aa", "ann")] == book.take_due([held(1, age_s=0.0)], (), NOW + 30)


def test_another_shrink_later_is_another_matter() -> None:
    book = DecisionBook()
    book.merge(told(Accept("7-aa", "ann"), held(7)))

    assert [] == book.take_due([held(1, age_s=0.0)], (), NOW + 61)


@pytest.mark.parametrize(
    "other", [held(1, content="ab"), held(1, content=""), held(1, scope="nacos"), held(1, age_s=-100.0)]
)
def test_nothing_is_accepted_but_what_the_operator_saw(other: HoldReport) -> None:
    book = DecisionBook()
    book.merge(told(Accept("7-aa", "ann"), held(7)))

    assert [] == book.take_due([other], (), NOW + 1)


def test_an_accept_of_an_older_release_says_too_little() -> None:
    book = DecisionBook()
    book.merge({"hold": b'{"at":1.7e9,"verb":"accept","by":"ann","scope":"nacos/public","cause":"mass"}'})

    assert [] == book.take_due([held(7), held(8, content="")], (), NOW + 1)


def test_a_hold_that_grows_to_what_was_accepted_is_accepted_then() -> None:
    book = DecisionBook()
    book.merge(told(Accept("7-aa", "ann"), held(7)))

    assert [] == book.take_due([held(1, content="01")], (), NOW + 1)
    assert book.is_waiting(NOW + 60)
    assert [Accept("1-aa", "ann")] == book.take_due([held(1, age_s=30.0)], (), NOW + 60)
    assert not book.is_waiting(NOW + 121)


def test_two_accepted_holds_of_one_scope_are_two_matters() -> None:
    book = DecisionBook()
    for number, content in ((7, "aa"), (8, "bb")):
        book.merge(told(Accept(f"{number}-{content}", "ann"), held(number, content=content), at=NOW + number))

    due = book.take_due([held(1, content="bb"), held(2)], (), NOW + 9)

    assert [Accept("2-aa", "ann"), Accept("1-bb", "ann")] == due


def test_a_reject_keeps_what_a_replica_has_seen_otherwise_too() -> None:
    book = DecisionBook()
    book.merge(told(Reject("7-aa", "ann"), held(7)))

    holds = [held(1, content="ab"), held(2, rejected=True), held(3, scope="nacos/other")]
    assert [Reject("1-ab", "ann")] == book.take_due(holds, (), NOW + 1)
    assert [] == book.take_due([held(1, content="abc")], (), NOW + 2)


@pytest.mark.parametrize(("known_at", "due"), [(NOW - 1, [Accept("1-aa", "ann")]), (NOW + 1, [])])
def test_an_accept_that_the_restored_world_does_not_know_counts_for_the_hold_that_begins_again(
    known_at: float, due: list[OperatorDecision]
) -> None:
    book, restarted_at = DecisionBook(), NOW + 3600
    book.restore(told(Accept("7-aa", "ann"), held(7)).values(), known_at, restarted_at)

    assert bool(due) is book.is_waiting(restarted_at)
    assert [] == book.take_due([held(1, age_s=0.0, content="ab")], (), restarted_at + 30)
    assert due == book.take_due([held(1, age_s=0.0)], (), restarted_at + 30)
    assert [] == book.take_due([held(2, age_s=0.0)], (), restarted_at + 61)


def test_a_rejected_hold_is_rejected() -> None:
    book = DecisionBook()
    book.merge(told(Reject("7-aa", "ann"), held(7)))

    assert [Reject("2-aa", "ann")] == book.take_due([held(2)], (), NOW)


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
    book.note(Accept("7-aa", "ann"), [held(7)], NOW)
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
    assert {} == told(Accept("7-aa"))


def test_nonsense_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        DecisionBook().merge({"x": b"{}"})


LONG = "x" * 2049


@pytest.mark.parametrize(
    "decision",
    [
        Freeze(Scope("nacos", "", LONG, ""), "ann"),
        Freeze(NACOS, LONG),
        Reject("7-aa", "ann"),
        ReadAgain("nacos\n", "ann"),
        ServeAnyway(("",), "ann"),
        ServeAnyway(("nacos",) * 101, "ann"),
    ],
)
def test_what_no_operator_says_is_no_decision(decision: OperatorDecision) -> None:
    """The file of a thousand of them would be refused by the next start, with all others in it."""
    with pytest.raises(msgspec.ValidationError):
        DecisionBook().merge(told(decision, held(7, content=LONG)))


@pytest.mark.parametrize(("by", "shown"), [("ann\nforged", "ann\\nforged"), ("a" * 301, "a" * 199 + "…")])
def test_who_decided_is_told_in_one_short_line(by: str, shown: str) -> None:
    book = DecisionBook()
    book.merge(told(Freeze(NACOS, by)))

    assert [Freeze(NACOS, shown)] == book.take_due((), (), NOW)


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


@pytest.mark.parametrize("first", [Freeze(NACOS, "ann"), Thaw(NACOS, "bob")])
def test_of_two_decisions_at_one_instant_every_replica_takes_the_same(first: OperatorDecision) -> None:
    book = DecisionBook()
    book.note(first, (), NOW)
    for decision in (Freeze(NACOS, "ann"), Thaw(NACOS, "bob")):
        book.merge(told(decision))

    assert told(Thaw(NACOS, "bob")) == book.encode()
    due = [Thaw(NACOS, "bob")] if isinstance(first, Freeze) else []
    assert due == book.take_due((), (NACOS,), NOW)


@pytest.mark.parametrize(
    ("known_at", "is_due"), [(NOW - 1, True), (NOW + 1, False), (0.0, False)], ids=["before", "after", "no world"]
)
def test_what_was_decided_while_a_process_was_down_counts_though_a_sibling_tells_it_later(
    known_at: float, is_due: bool
) -> None:
    """Its hold begins anew with the first reading, as the world that was restored is older than the shrink."""
    book, began_at = DecisionBook(), NOW + 3600
    book.restore((), known_at, began_at)
    book.merge(told(Reject("7-aa", "ann"), held(7)))

    assert [Reject("1-ab", "ann")] * is_due == book.take_due([held(1, age_s=0.0, content="ab")], (), began_at + 30)
    assert [] == book.take_due([held(2, age_s=0.0)], (), began_at + 61)


def test_what_is_decided_while_a_process_runs_is_about_the_holds_of_that_time() -> None:
    book = DecisionBook()
    book.restore((), NOW - 100, NOW - 90)
    book.merge(told(Reject("7-aa", "ann"), held(7)))

    assert [] == book.take_due([held(1, age_s=0.0)], (), NOW + 61)
