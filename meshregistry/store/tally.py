"""Count what a commit did, by registry, and tell the metrics once per commit."""

from collections import Counter
from collections.abc import Mapping

from meshregistry.store.snapshot import Change
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource

_REGISTRY_LABEL = "registry"


def count_commit(
    metrics: Metrics, change: Change, before: Mapping[str, Resource], after: Mapping[str, Resource]
) -> None:
    """Add one commit to the metrics; `before` and `after` are all resources of the change's kind."""
    created, updated, removed = Counter[str](), Counter[str](), Counter[str]()
    endpoints = 0
    for name in change.changed:
        old, new = before.get(name), after[name]
        (updated if old else created)[_registry(new)] += 1
        endpoints += new.endpoint_count - (old.endpoint_count if old else 0)
    for name in change.removed:
        removed[_registry(before[name])] += 1
        endpoints -= before[name].endpoint_count
    metrics.commits.labels(change.kind.value).inc()
    metrics.mcp_push_count.inc()
    metrics.resources.labels(change.kind.value).set(len(after))
    metrics.endpoints.inc(endpoints)
    for counted, gauge, event_type in (
        (created, metrics.service_entry_creation, "Added"),
        (updated, metrics.service_entry_update, "Updated"),
        (removed, metrics.service_entry_deletion, "Deleted"),
    ):
        for registry, number in counted.items():
            gauge.labels(registry).inc(number)
            metrics.count_events(registry, change.kind.value, event_type, number)
    for registry in created.keys() | removed.keys():
        metrics.service_entry_total.labels(registry).inc(created[registry] - removed[registry])


def _registry(resource: Resource) -> str:
    return next((value for key, value in resource.record.labels if key == _REGISTRY_LABEL), "")
