"""What a measurement was made of: the commit, the day, the machine."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_JUDGED = ("meshregistry", "tests/campaign", "tests/support")


def name_commit() -> str:
    """Return the short id of the commit, with a plus behind it where what is measured, or measures, differs from it."""
    is_changed = _git("status", "--porcelain", "--", *_JUDGED) != ""
    return _git("rev-parse", "--short=7", "HEAD") + "+" * is_changed


def name_run() -> str:
    """Return day, commit and cores of a measurement that is made now."""
    return f"{datetime.now(UTC):%Y-%m-%d} {name_commit()}, {len(os.sched_getaffinity(0))} cores"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
