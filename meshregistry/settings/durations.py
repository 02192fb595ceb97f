"""Durations as Go writes them (`1m30s`, `1.5h`, `100ms`) or as plain seconds, kept as float seconds.

Both directions count whole nanoseconds, as Go does, so that a printed duration reads back as the same number.
Source of the rules: Go `time.ParseDuration` and `Duration.String`.
"""

import re
from fractions import Fraction

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SECOND = _NANOSECONDS["s"]
_LONGEST = 2**63 - 1
_PLAIN = re.compile(r"[0-9]{1,20}(\.[0-9]{0,20})?")
_PART = re.compile(r"([0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(value: object) -> float:
    """Return seconds for a Go duration or for a number of seconds (as a number or as text).

    Raises ValueError for anything else, for negative values and beyond Go's 292 years.
    """
    text = _as_text(value)
    nanoseconds = _nanoseconds(text)
    if nanoseconds > _LONGEST:
        raise ValueError(f"{text!r} is longer than a duration can be")
    return nanoseconds / _SECOND


def _as_text(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.9f}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return value.strip()
    raise ValueError("expected a duration such as 30s or 1m30s")


def _nanoseconds(text: str) -> int:
    if _PLAIN.fullmatch(text):
        return round(Fraction(text) * _SECOND)
    parts = list(_PART.finditer(text))
    if not parts or sum(len(part[0]) for part in parts) != len(text):
        raise ValueError("expected a duration such as 30s or 1m30s, or a number of seconds")
    return round(sum(Fraction(_digits(part[1])) * _NANOSECONDS[part[2]] for part in parts))


def _digits(text: str) -> str:
    return f"0{text}" if text.startswith(".") else text


def format_duration(seconds: float) -> str:
    """Return seconds as Go's `Duration.String` does: `1m30s`, `24h0m0s`, `120ms`, `0s`."""
    nanoseconds = round(Fraction(seconds) * _SECOND)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < _SECOND:
        unit = next(name for name in ("ms", "us", "ns") if nanoseconds >= _NANOSECONDS[name])
        return f"{_decimal(nanoseconds, _NANOSECONDS[unit])}{'µs' if unit == 'us' else unit}"
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{lead}{_decimal(rest, _SECOND)}s"


def _decimal(nanoseconds: int, unit: int) -> str:
    whole, rest = divmod(nanoseconds, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if unit > 1 else ""
    return f"{whole}.{digits}" if digits else str(whole)
