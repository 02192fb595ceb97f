"""When to read everything again by the clock: cron lines as Slime takes them. Pure.

Rules: Slime pkg/source/zookeeper, which uses robfig/cron: five fields, six with seconds first, and descriptors.
"""

import re
from datetime import UTC, datetime, timedelta

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
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_match_duration = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s))+").fullmatch
_find_parts = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)").findall


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
    if line.startswith(_EVERY):
        period_s = _read_duration(line)
        return started + period_s * (int((unix_now - started) / period_s) + 1)
    now = datetime.fromtimestamp(unix_now, UTC).astimezone()
    found = next(CronSim(_DESCRIPTORS.get(line, line), now), None)
    return (found or now + timedelta(days=365)).timestamp()


def _is_line(text: str) -> bool:
    try:
        if text.startswith(_EVERY):
            return _read_duration(text) > 0
        CronSim(_DESCRIPTORS.get(text, text), datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError):
        return False
    return True


def _read_duration(line: str) -> float:
    text = line.removeprefix(_EVERY).strip()
    if not _match_duration(text):
        raise ValueError(f"{line!r}: expected a duration such as 1m30s")
    return max(1.0, sum(float(number) * _UNITS[unit] for number, unit in _find_parts(text)))
