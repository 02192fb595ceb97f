"""Durations read and print as in Go; the expected texts were written from Go's documentation."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshregistry.settings.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        ("100ms", 0.1),
        ("24h0m0s", 86_400.0),
        ("1h2m3.5s", 3723.5),
        (".5s", 0.5),
        ("1us", 0.000_001),
        ("1µs", 0.000_001),
        ("1ns", 0.000_000_001),
        ("0", 0.0),
        ("45", 45.0),
        ("2.5", 2.5),
        (45, 45.0),
        (0.25, 0.25),
        (" 5s ", 5.0),
    ],
)
def test_go_durations_and_plain_seconds_are_read(text: object, seconds: float) -> None:
    assert seconds == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "5 minutes",
        "1d",
        "-5s",
        "+5s",
        "1m 30s",
        "1.2.3s",
        "５s",
        "true",
        True,
        None,
        [],
        float("inf"),
        -1,
        float("nan"),
        "1e3",
        "3000000h",
        "9" * 30 + "h",
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (30.0, "30s"),
        (90.0, "1m30s"),
        (600.0, "10m0s"),
        (86_400.0, "24h0m0s"),
        (0.12, "120ms"),
        (1.5, "1.5s"),
        (0.000_1, "100µs"),
        (0.000_001_5, "1.5µs"),
        (0.000_000_007, "7ns"),
        (3723.25, "1h2m3.25s"),
    ],
)
def test_durations_are_printed_as_go_prints_them(seconds: float, text: str) -> None:
    assert text == format_duration(seconds)


@given(st.integers(0, 10**16))
@example(4_503_599_627_370_491)
def test_a_printed_duration_reads_back_as_the_same_number(nanoseconds: int) -> None:
    seconds = nanoseconds / 1_000_000_000
    assert seconds == parse_duration(format_duration(seconds))
