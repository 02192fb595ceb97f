"""The page of metrics and log events."""

import re
import subprocess
import sys
from pathlib import Path

from meshregistry.telemetry.metrics import Metrics
from meshregistry.telemetry.reference import render_reference

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_is_printed_by_running_the_module() -> None:
    command = [sys.executable, "-m", "meshregistry.telemetry.reference"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=DOCS.parent)
    assert (render_reference(), b"") == (done.stdout.decode("utf-8"), done.stderr)


def test_every_metric_has_a_row_with_its_labels() -> None:
    rows = dict(re.findall(r"^\| `(meshregistry_\w+)` \| \w+ \| (.*?) \|", render_reference(), re.MULTILINE))
    labels = {name.removesuffix("_total"): tuple(re.findall(r"`(\w+)`", cell)) for name, cell in rows.items()}
    declared = {name.removesuffix("_total"): names for name, names in Metrics().labels.items()}

    assert declared == labels
