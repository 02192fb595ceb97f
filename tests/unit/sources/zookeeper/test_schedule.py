"""Cron lines as Slime takes them."""

from datetime import UTC, datetime

import pytest

from meshregistry.sources.zookeeper.schedule import next_time, split_lines

NOW = datetime(2026, 3, 4, 10, 20, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ()),
        ("*/5 * * * *", ("*/5 * * * *",)),
        ("0 */5 * * * *", ("0 */5 * * * *",)),
        ("@every 5m, @daily", ("@every 5m", "@daily")),
        ("0 0,12 * * *,@hourly", ("0 0,12 * * *", "@hourly")),
        ("@every 1h30m", ("@every 1h30m",)),
    ],
)
def test_lines_are_told_apart_by_commas(text: str, lines: tuple[str, ...]) -> None:
    assert lines == split_lines(text)


@pytest.mark.parametrize("text", ["* *", "@every", "@every five", "@sometimes", "0 0 * * *, x", "99 * * * *"])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cron line"):
        split_lines(text)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("* * * * *", 30), ("45 * * * * *", 15), ("@hourly", 39 * 60 + 30), ("@every 90s", 60), ("@every 10ms", 1)],
)
def test_the_next_time_is_after_now(line: str, seconds: float) -> None:
    assert seconds == next_time(line, NOW, NOW - 30) - NOW
