"""Generates `docs/telemetry.md` from what is declared: `python -m meshregistry.telemetry.reference`."""

import sys
from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import Metric

from meshregistry.telemetry.events import EVENTS
from meshregistry.telemetry.metrics import Metrics

_INTRODUCTION = """\
# Metrics and log events

Generated from the package by `python -m meshregistry.telemetry.reference`; change the declarations, not this page.

`/metrics` on `aux_addr` has all metrics; `deploy/monitoring/` has alerts and a Grafana dashboard made of them. Labels
are bounded: kinds of sources, scopes, closed sets of words. A scope that is not read any more has none; where all
groups of a Nacos namespace are read, 1,000 of them have their own.
"""
_EVENTS = """\
## Log events

Logs go to stderr, one line per event, as text or JSON (`log.format`). A line begins with the name of its event;
`name=value` parts follow. Events are transitions: a registry that stays away is told of once, not at every reading.
"""


def render_reference() -> str:
    """Return the reference as Markdown: a table of the metrics, a table of the log events."""
    events = [(f"`{event.name}`", event.levels, event.meaning) for event in sorted(EVENTS)]
    metrics = _table(("metric", "kind", "labels", "meaning"), sorted(_metrics()))
    listed = _table(("event", "level", "meaning"), events)
    return "\n".join([_INTRODUCTION, "## Metrics\n", *metrics, "", _EVENTS, *listed, ""])


def _metrics() -> Iterator[tuple[str, ...]]:
    metrics = Metrics()
    for family in metrics.registry.collect():
        names = ", ".join(f"`{label}`" for label in metrics.labels.get(family.name, ()))
        yield f"`{_exposed(family)}`", family.type, names, family.documentation


def _exposed(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [_row(head), _row(("---",) * len(head)), *(_row(row) for row in rows)]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
