"""What a session counts."""

from meshregistry.sources.zookeeper.session.meters import Meters
from meshregistry.sources.zookeeper.session.requests import Op
from meshregistry.telemetry.metrics import Metrics


def test_answers_are_counted_by_their_kind() -> None:
    meters = Meters()
    meters.answered(Op.EXISTS, 0.001, failed=False)
    meters.answered(Op.EXISTS, 0.003, failed=True)
    expected = {"exists": {"answers": 2, "errors": 1, "mean_ms": 2.0, "max_ms": 3.0}}
    assert expected == meters.describe()["requests"]


def test_sessions_add_up_in_the_metrics() -> None:
    metrics = Metrics()
    for _ in range(2):
        meters = Meters(metrics)
        meters.answered(Op.EXISTS, 0.001, failed=False)
        meters.answered(Op.EXISTS, 0.003, failed=True)
        meters.publish()
        meters.publish()
    counts = {
        status: metrics.registry.get_sample_value(
            "meshregistry_source_client_request_count", {"source": "zookeeper", "status": status}
        )
        for status in ("true", "false")
    }
    assert {"true": 2.0, "false": 2.0} == counts
