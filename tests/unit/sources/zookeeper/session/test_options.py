"""Defaults that depend on each other, and secrets that are not shown."""

import pytest

from meshregistry.sources.zookeeper.session.options import SessionOptions


@pytest.mark.parametrize(
    ("session_timeout_s", "connect_timeout_s", "expected"),
    [(30.0, 0.0, 5.0), (6.0, 0.0, 2.0), (1.0, 0.0, 0.5), (30.0, 7.0, 7.0)],
)
def test_the_connect_timeout_follows_the_session_timeout(
    session_timeout_s: float, connect_timeout_s: float, expected: float
) -> None:
    options = SessionOptions(hosts=(), session_timeout_s=session_timeout_s, connect_timeout_s=connect_timeout_s)
    assert expected == options.greeting_timeout_s


def test_passwords_are_not_shown() -> None:
    options = SessionOptions(hosts=("zk",), digest_auth=(("u", "hunter2"),), sasl=("u", "hunter2"))
    assert "hunter2" not in repr(options)
