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
        ("0 0/5 * * * ?, CRON_TZ=Asia/Shanghai 0 3 * * ?", ("0 0/5 * * * ?", "CRON_TZ=Asia/Shanghai 0 3 * * ?")),
        ("TZ=UTC @daily,TZ= 0 0 1,15 * mon", ("TZ=UTC @daily", "TZ= 0 0 1,15 * mon")),
    ],
)
def test_lines_are_told_apart_by_commas(text: str, lines: tuple[str, ...]) -> None:
    assert lines == split_lines(text)


@pytest.mark.parametrize(
    "text",
    [
        "* *",
        "@every",
        "@every five",
        "@sometimes",
        "0 0 * * *, x",
        "99 * * * *",
        "TZ=UTC",
        "TZ=Mars/Base * * * * *",
        "TZ=../etc * * * * *",
        "CRON_TZ=UTC",
        "? ?",
        "0 0 0 * * 1/0",
    ],
)
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cron line"):
        split_lines(text)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("* * * * *", 30), ("45 * * * * *", 15), ("@hourly", 39 * 60 + 30), ("@every 90s", 60), ("@every 10ms", 1)],
)
def test_the_next_time_is_after_now(line: str, seconds: float) -> None:
    assert seconds == next_time(line, NOW, NOW - 30) - NOW


@pytest.mark.parametrize(
    ("line", "when"),
    [
        ("0 0/5 * * * ?", "2026-03-04 10:25:00"),
        ("?/20 ? ? ? ? ?", "2026-03-04 10:20:40"),
        ("CRON_TZ=Asia/Shanghai 0 3 * * ?", "2026-03-04 19:00:00"),
        ("TZ=America/New_York @daily", "2026-03-05 05:00:00"),
        ("TZ=America/New_York 0 30 2 * * *", "2026-03-05 07:30:00"),
        ("TZ= 0 3 * * *", "2026-03-05 03:00:00"),
        ("TZ=UTC @every 90s", "2026-03-04 10:21:30"),
        ("@every 1.5s", "2026-03-04 10:20:31"),
        ("@every 1500000us500ns", "2026-03-04 10:20:31"),
    ],
)
def test_lines_are_read_as_slime_reads_them(line: str, when: str) -> None:
    assert when == f"{datetime.fromtimestamp(next_time(line, NOW, NOW - 30), UTC):%F %T}"


@pytest.mark.parametrize(
    ("days", "when"),
    [
        ("15 * MON", "09"),
        ("15 * ?", "15"),
        ("*/14 * MON", "09"),
        ("? * MON", "09"),
        ("1,* * FRI", "06"),
        ("15 * */6", "07"),
        ("*/1 * */6", "07"),
        ("31 * 4/3", "05"),
        ("31 * 1/6", "09"),
    ],
)
def test_one_field_of_days_matches_unless_the_other_is_every_day(days: str, when: str) -> None:
    """The 4th of March 2026 is a Wednesday. `*/14` is the 1st, the 15th and the 29th, and no star any more."""
    assert f"2026-03-{when}" == f"{datetime.fromtimestamp(next_time(f'TZ=UTC 0 0 {days}', NOW, NOW), UTC):%F}"
