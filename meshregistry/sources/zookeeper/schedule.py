"""When to read everything again by the clock: cron lines as Slime takes them. Pure.

Rules: Slime pkg/source/zookeeper, which uses robfig/cron v3 (parser.go, spec.go): five fields, six with seconds first,
descriptors, `?` for `*`, and a time zone in front. What only we take: names in any case, Sunday as 7, `L` and `#`.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_DAYS = {-3: "1-31", -1: "0-6"}
"""Days of the month and of the week, by their place from the end."""

_match_duration = re.compile(r"(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|us|µs|μs|ns|m|s))+").fullmatch
_find_parts = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|us|µs|μs|ns|m|s)").findall
_match_zone = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.*)").fullmatch


class _Line(NamedTuple):
    text: str
    zone: tzinfo | None
    """None is local time."""


def split_lines(text: str) -> tuple[str, ...]:
    """Return the cron lines of a comma list; raises ValueError for what is none.

    Commas also stand inside of fields: what is no line by itself is one together with what follows.
    """
    lines: list[str] = []
    rest = ""
    for piece in text.split(","):
        rest = f"{rest},{piece}" if rest else piece
        if _is_line(rest.strip()):
            lines.append(rest.strip())
            rest = ""
    if rest.strip():
        raise ValueError(f"{rest.strip()!r} is no cron line")
    return tuple(lines)


def next_time(line: str, unix_now: float, started: float) -> float:
    """Return when a line is due next, Unix seconds; `@every` counts from `started`. Fields are local time."""
    read = _read(line)
    if read.text.startswith(_EVERY):
        period_s = _read_duration(read.text)
        return started + period_s * (int((unix_now - started) / period_s) + 1)
    now = datetime.fromtimestamp(unix_now, UTC).astimezone(read.zone)
    found = next(CronSim(read.text, now), None)
    return (found or now + timedelta(days=365)).timestamp()


def _is_line(text: str) -> bool:
    try:
        read = _read(text)
        if read.text.startswith(_EVERY):
            return _read_duration(read.text) > 0
        CronSim(read.text, datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError):
        return False
    return True


def _read(line: str) -> _Line:
    """Return a line without its time zone and as CronSim takes it. Raises ValueError for a zone that is none."""
    found = _match_zone(line)
    zone, text = (_find_zone(found[1]), found[2].strip()) if found else (None, line)
    if text.startswith("@"):
        return _Line(_DESCRIPTORS.get(text, text), zone)
    fields = text.split()
    for place, days in _DAYS.items():
        if len(fields) >= -place:
            fields[place] = _translate_days(fields[place], days)
    return _Line(" ".join(fields).replace("?", "*"), zone)


def _translate_days(field: str, days: str) -> str:
    """Return a field of days as CronSim has to read it.

    Where neither field of days stands for every day, one of them has to match, else both: CronSim goes by a star in
    front, robfig/cron by whether a star without a step is among the ranges. A day with a step runs to Saturday, in
    CronSim to the Sunday after.
    """
    ranges = []
    for part in field.replace("?", "*").split(","):
        days_from, slash, step = part.partition("/")
        if days_from.startswith("*"):
            if step in ("", "1"):
                return "*"
            days_from = days
        elif slash and "-" not in days_from:
            days_from = f"{days_from}-{days.partition('-')[2]}"
        ranges.append(f"{days_from}{slash}{step}")
    return ",".join(ranges)


def _find_zone(name: str) -> tzinfo | None:
    if name == "Local":
        return None
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError(f"{name!r} is no time zone") from None


def _read_duration(line: str) -> float:
    text = line.removeprefix(_EVERY).strip()
    if not _match_duration(text):
        raise ValueError(f"{line!r}: expected a duration such as 1m30s")
    return float(max(1, int(sum(float(number) * _UNITS[unit] for number, unit in _find_parts(text)))))
