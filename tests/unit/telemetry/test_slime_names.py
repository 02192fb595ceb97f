"""Every metric of Slime's by its name, and by its other names on request."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from meshregistry.telemetry.metrics import Metrics
from meshregistry.telemetry.slime_names import SLIME_NAMES

LABELS = {
    "enabled_source": {},
    "ready_time": {"source": "nacos"},
    "mcp_push_count": {},
    "polling_time": {"source": "nacos", "status": "true"},
    "pollings_count": {"source": "nacos", "status": "true"},
    "service_entry_total": {"source": "nacos"},
    "service_entry_creation": {"source": "nacos"},
    "service_entry_deletion": {"source": "nacos"},
    "service_entry_update": {"source": "nacos"},
    "sidecar_total": {"source": "zookeeper"},
    "sidecar_creation": {"source": "zookeeper"},
    "sidecar_deletion": {"source": "zookeeper"},
    "sidecar_update": {"source": "zookeeper"},
    "source_event_count": {"source": "nacos", "config_type": "ServiceEntry", "event_type": "Added", "status": "true"},
    "source_client_request_count": {"source": "zookeeper", "status": "true"},
    "source_connection_status": {"source": "zookeeper"},
}
"""Slime's instruments with its labels (pkg/monitoring)."""

TIMES = {"ready_time", "polling_time"}


def told(metrics: Metrics) -> dict[str, dict[str, tuple[dict[str, str], float]]]:
    """Return family → sample → labels and value; of a histogram its count."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {
        family.name: {
            sample.name.removeprefix(family.name): (sample.labels, sample.value)
            for sample in family.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }
        for family in families
    }


def filled(name: str) -> Metrics:
    """Return metrics in which one of Slime's says 3."""
    metrics = Metrics()
    instrument = getattr(metrics, name)
    child = instrument.labels(**LABELS[name]) if LABELS[name] else instrument
    if name in TIMES:
        child.observe(3.0)
    else:
        child.set(3.0)
    return metrics


@pytest.mark.parametrize("name", LABELS)
def test_each_is_told_by_slimes_present_name_with_its_labels(name: str) -> None:
    families = told(filled(name))

    assert (LABELS[name], 3.0) == families[f"meshregistry_{name}"]["_sum" if name in TIMES else ""]
    assert not any(family.startswith("slime_") for family in families)


@pytest.mark.parametrize("name", LABELS)
def test_each_is_told_by_its_other_names_on_request(name: str) -> None:
    metrics = filled(name)
    metrics.tell_slime_aliases()
    families = told(metrics)

    others = {f"slime_meshregistry_{name}"}
    if name in TIMES:
        others |= {f"meshregistry_{name}_seconds", f"slime_meshregistry_{name}_seconds"}
    for other in {f"meshregistry_{name}", *others}:
        assert (LABELS[name], 3.0) == families[other]["_sum" if name in TIMES else ""]


def test_buckets_are_told_under_every_name() -> None:
    metrics = filled("polling_time")
    metrics.tell_slime_aliases()
    text = generate_latest(metrics.registry).decode()

    for bound in ("0.5", "1.0", "3.0", "5.0", "8.0", "10.0", "20.0", "30.0", "60.0", "90.0", "120.0"):
        for name in ("meshregistry_polling_time", "slime_meshregistry_polling_time_seconds"):
            assert f'{name}_bucket{{le="{bound}",source="nacos",status="true"}}' in text


def test_no_name_is_forgotten() -> None:
    assert set(SLIME_NAMES) == set(LABELS)
