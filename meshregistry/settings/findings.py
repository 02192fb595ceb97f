"""What loading finds wrong or worth saying, each with its path and where it was written."""

import re
from collections.abc import Iterable
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Canonical field names, map keys and list indexes from the root to a value."""


class Origin(NamedTuple):
    """Where a value was written; `line` is 1-based, 0 outside the file."""

    line: int
    text: str


def line_origin(line: int) -> Origin:
    """Return the origin of something in the settings file."""
    return Origin(line, f"line {line}")


class Finding(NamedTuple):
    """One fault or warning."""

    path: Path
    origin: Origin | None
    message: str

    def __str__(self) -> str:
        where = f" ({self.origin.text})" if self.origin else ""
        return f"{join_path(self.path)}{where}: {self.message}"


def join_path(path: Path) -> str:
    """Return a path as text: `nacos_source.servers[1].address[0]`; the root is `settings`."""
    if not path:
        return "settings"
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}"
        else:
            text += f"[{part!r}]"
    return text.removeprefix(".")


def sorted_lines(findings: Iterable[Finding]) -> list[str]:
    """Return findings as text in the order of the file, each once."""
    ordered = sorted(findings, key=lambda finding: finding.origin.line if finding.origin else 0)
    return list(dict.fromkeys(str(finding) for finding in ordered))
