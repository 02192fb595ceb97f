"""Slime's metrics under the other names that dashboards may have for them, beside our own: its present ones.

Slime's instruments are OpenTelemetry's (pkg/monitoring); what they are called in Prometheus depends on its version and
on its exporter: older ones have the prefix `slime_meshregistry_`, and an exporter that adds units ends times with
`_seconds`.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

PRESENT = "meshregistry_"
FORMER = "slime_meshregistry_"

SLIME_NAMES = (
    "enabled_source",
    "ready_time",
    "mcp_push_count",
    "polling_time",
    "pollings_count",
    "service_entry_total",
    "service_entry_creation",
    "service_entry_deletion",
    "service_entry_update",
    "sidecar_total",
    "sidecar_creation",
    "sidecar_deletion",
    "sidecar_update",
    "source_event_count",
    "source_client_request_count",
    "source_connection_status",
)
"""Every instrument of Slime's, without its prefix."""

_TIMES = ("ready_time", "polling_time")


def other_names(name: str) -> tuple[str, ...]:
    """Return the further names of one of Slime's metrics, in full."""
    with_unit = (f"{PRESENT}{name}_seconds", f"{FORMER}{name}_seconds") if name in _TIMES else ()
    return (f"{FORMER}{name}", *with_unit)


class SlimeAliases(Collector):
    """Tells Slime's metrics once more under their other names; keeps nothing."""

    def __init__(self, own: Iterable[Collector]) -> None:
        """`own` are the metrics that bear Slime's present names."""
        self._own = tuple(own)

    def collect(self) -> Iterator[Metric]:
        """Yield a copy of each metric for each of its other names."""
        for own in self._own:
            for metric in own.collect():
                for name in other_names(metric.name.removeprefix(PRESENT)):
                    yield _renamed(metric, name)


def _renamed(metric: Metric, name: str) -> Metric:
    copy = Metric(name, metric.documentation, metric.type)
    for sample in metric.samples:
        copy.samples.append(sample._replace(name=name + sample.name.removeprefix(metric.name)))
    return copy
