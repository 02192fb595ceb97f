"""Pings after a third of the session timeout, the end after two thirds."""

import pytest

from meshregistry.sources.zookeeper.session.liveness import Limits, Traffic, fault, is_ping_due, next_look

LIMITS = Limits(session_timeout_s=30.0, request_timeout_s=12.0)


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        (Traffic(100.0, 80.1, None), ""),
        (Traffic(100.0, 80.0, None), "nothing received for 20.0 s"),
        (Traffic(100.0, 100.0, 88.1), ""),
        (Traffic(100.0, 100.0, 88.0), "a request has no answer after 12.0 s though the server sends"),
    ],
)
def test_a_silent_or_half_dead_server_is_given_up(traffic: Traffic, expected: str) -> None:
    assert expected == fault(LIMITS, traffic, 100.0)


@pytest.mark.parametrize(("sent_at", "due"), [(90.1, False), (90.0, True)])
def test_a_ping_is_due_after_silence_of_ours(sent_at: float, due: bool) -> None:
    assert due is is_ping_due(LIMITS, Traffic(sent_at, 0.0, None), 100.0)


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        (Traffic(100.0, 100.0, None), 10.0),
        (Traffic(100.0, 85.0, None), 5.0),
        (Traffic(100.0, 100.0, 90.0), 2.0),
        (Traffic(0.0, 0.0, None), 0.3),
    ],
    ids=["ping", "silence", "request", "overdue: without haste"],
)
def test_the_next_look_is_when_something_may_be_due(traffic: Traffic, expected: float) -> None:
    assert expected == pytest.approx(next_look(LIMITS, traffic, 100.0))
