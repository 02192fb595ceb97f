"""What proves that a fault was there, and that a fault which breaks nothing proves nothing."""

import pytest
from prometheus_client import generate_latest

from meshregistry.telemetry.metrics import Metrics
from tests.campaign.catalogue import FAULTS
from tests.campaign.evidence import LOGGED, Sign, count_texts, read_metrics, unproven
from tests.campaign.fault import Fault
from tests.support.tcp_gate import TcpGate

CALM = {
    "gate connections": 100.0,
    "log ads.disconnected": 100.0,
    "source_updates_total": 100.0,
    "source_client_request_count source=nacos status=true": 100.0,
    "ads_responses_total": 100.0,
    "event_loop_lag_seconds_sum": 0.2,
}
"""What grows while nothing is broken."""

METRICS = Metrics()
WORDS = {"refused", "held", "lied", "unreachable", "cut", "delayed", "slowed", "truncated"}
KINDS = ("nacos", "eureka", "zookeeper")


def grown(fault: Fault, kind: str) -> dict[str, float]:
    """Return the numbers after a run of a fault that did everything."""
    return {sign.name.replace("SOURCE", kind): sign.least for sign in fault.signs}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_in_whose_place_nothing_happens_is_not_proven(fault: Fault) -> None:
    for kind in KINDS:
        wanted = {sign.name for sign in fault.signs if sign.kind in ("", kind)}
        assert wanted
        assert len(wanted) == len(unproven(fault.signs, {}, CALM, kind))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_proven_by_all_of_its_signs_and_not_by_those_of_the_run_before(fault: Fault) -> None:
    for kind in KINDS:
        all_signs = grown(fault, kind)
        assert [] == unproven(fault.signs, {}, all_signs, kind)
        assert unproven(fault.signs, all_signs, all_signs, kind)
        for left_out in (sign.name.replace("SOURCE", kind) for sign in fault.signs if sign.kind in ("", kind)):
            others = {name: number for name, number in all_signs.items() if name != left_out}
            assert 1 == len(unproven(fault.signs, {}, others, kind))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_sign_is_one_that_somebody_counts(fault: Fault) -> None:
    for sign in fault.signs:
        origin, _, word = sign.name.partition(" ")
        match origin:
            case "gate":
                assert word in WORDS
            case "log":
                assert word in LOGGED
            case "seen" | "process":
                assert word
            case metric:
                bare = metric.removesuffix("_total").removesuffix("_sum")
                assert word.partition("=")[0] in (*METRICS.labels[f"meshregistry_{bare}"], "")


def test_a_missing_sign_is_told_with_its_numbers() -> None:
    signs = (Sign("gate cut", 20), Sign("source_failures_total source=SOURCE"), Sign("log x", kind="eureka"))

    assert [
        "no proof: gate cut grew by 3, not by 20",
        "no proof: source_failures_total source=nacos grew by 0, not by 1",
    ] == unproven(signs, {"gate cut": 4.0}, {"gate cut": 7.0}, "nacos")


def test_metrics_are_found_by_their_sum_by_each_label_and_by_all() -> None:
    metrics = Metrics()
    metrics.source_client_request_count.labels("nacos", "true").set(2)
    metrics.source_client_request_count.labels("nacos", "false").set(3)
    found = read_metrics(_text(metrics))

    assert 5.0 == found["source_client_request_count"] == found["source_client_request_count source=nacos"]
    assert 2.0 == found["source_client_request_count status=true"]
    assert 2.0 == found["source_client_request_count source=nacos status=true"]


def test_texts_of_the_log_are_counted() -> None:
    assert 2.0 == count_texts(b"a ads.connected b\nads.connected\n")["log ads.connected"]


def test_a_gate_begins_with_nothing_met() -> None:
    assert {} == TcpGate("127.0.0.1:1").met


def _text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()
