"""Which scopes the metrics tell of."""

from meshregistry.telemetry.metrics import Metrics


def measured_scopes(metrics: Metrics) -> set[str]:
    """Return the value of every label `scope`."""
    samples = (sample for family in metrics.registry.collect() for sample in family.samples)
    return {sample.labels["scope"] for sample in samples if "scope" in sample.labels}
