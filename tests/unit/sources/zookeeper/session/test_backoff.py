"""Pauses grow, are shortened by chance, and start over only after a long life."""

import pytest

from meshregistry.sources.zookeeper.session.backoff import Backoff


def test_pauses_grow_to_the_longest() -> None:
    backoff = Backoff(0.05, 2.0, 0.3)
    assert [0.05, 0.1, 0.2, 0.3, 0.3] == pytest.approx([backoff.failed(0.0) for _ in range(5)])


def test_chance_shortens_a_pause_by_up_to_half() -> None:
    assert 0.025 == pytest.approx(Backoff(0.05, 2.0, 1.0).failed(1.0))


def test_a_thousand_failures_overflow_nothing() -> None:
    backoff = Backoff(0.05, 1.6, 1.0)
    assert 1.0 == [backoff.failed(0.0) for _ in range(1000)][-1]


def test_a_long_life_is_followed_by_no_pause_and_starts_over() -> None:
    backoff = Backoff(0.05, 2.0, 1.0)
    backoff.failed(0.0)
    assert 0.0 == backoff.lost(30.0, 30.0, 0.0)
    assert 0.05 == backoff.failed(0.0)


def test_a_server_that_accepts_and_drops_is_called_less_and_less() -> None:
    backoff = Backoff(0.05, 2.0, 1.0)
    assert [0.05, 0.1, 0.2] == pytest.approx([backoff.lost(0.1, 30.0, 0.0) for _ in range(3)])
