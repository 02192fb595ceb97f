"""When a round of single reads says something about the scope, and when only that the node is gone."""

import pytest

from meshregistry.errors import SourceDataError, SourceUnavailable
from meshregistry.sources.nacos.memory import Reading
from meshregistry.sources.nacos.services import Round

READING = Reading(None)


def test_a_service_that_fails_among_others_is_unread() -> None:
    round_ = Round(["a", "b", "c"], patience=2)
    round_.succeed("a", READING)
    round_.fail("b", SourceUnavailable("slow"))
    round_.succeed("c", None)

    round_.settle()

    assert ({"a": READING}, {"b": "slow"}) == (round_.fresh, round_.unread)
    assert not round_.hopeless


def test_nothing_but_failures_says_nothing_about_the_scope() -> None:
    round_ = Round(["a", "b"], patience=16)
    round_.fail("a", SourceDataError("garbage"))
    round_.fail("b", SourceUnavailable("slow"))

    with pytest.raises(SourceDataError, match="garbage"):
        round_.settle()


def test_a_round_of_no_services_is_no_failure() -> None:
    Round([], patience=16).settle()


def test_as_many_unanswered_calls_in_a_row_as_are_made_at_a_time_end_the_round() -> None:
    round_ = Round(["a", "b", "c", "d"], patience=2)
    hopeless = []
    round_.succeed("a", READING)
    for name, text in (("b", "first"), ("c", "second")):
        round_.fail(name, SourceUnavailable(text))
        hopeless.append(round_.hopeless)

    assert [False, True] == hopeless
    with pytest.raises(SourceUnavailable, match="first"):
        round_.settle()


def test_garbage_is_an_answer() -> None:
    round_ = Round(["a", "b", "c", "d"], patience=2)
    round_.succeed("a", READING)
    for name in "bcd":
        round_.fail(name, SourceDataError("garbage"))

    assert not round_.hopeless
    round_.settle()
