"""What the table and the verdicts say."""

from dataclasses import replace

from tests.campaign.churn import Arrival
from tests.campaign.fault import Outcome
from tests.campaign.memory import BLOCK_BYTES
from tests.campaign.report import table, verdict
from tests.campaign.soak_record import SETTLED_S, Record, Span

GOOD = Outcome("kill", "Meshregistry", times=3, recoveries_s=[0.5, 2.0, 1.0])


def test_a_line_has_the_median_and_the_longest_recovery() -> None:
    assert "| kill | Meshregistry | 3 | 0 | 0 | 1.0 s, 2.0 s | nothing |" == table([GOOD]).splitlines()[-1]


def test_one_bad_fault_spoils_the_campaign() -> None:
    assert verdict([GOOD]).startswith("passed: 1 faults, 3 times, 0 lost, 0 wrong")
    for bad in (
        Outcome("x", "y", times=1, lost=1),
        Outcome("x", "y", times=1, wrong=1),
        Outcome("x", "y", times=1, left=["90 MB"]),
        Outcome("x", "y", times=1, unproven=1),
        Outcome("a fault that broke the campaign", "y"),
    ):
        assert verdict([GOOD, bad]).startswith("FAILED")


def record(mb_per_minute: float = 0.0, duration_s: float = SETTLED_S, **fields: object) -> Record:
    """Return the record of a soak whose memory grew at a steady pace."""
    memory = [(float(at), 100 + at * mb_per_minute / 60) for at in range(int(duration_s) + 1)]
    blocks = [(at, mb * 1e6 / BLOCK_BYTES) for at, mb in memory]
    spans, arrivals = [Span("drop", 10.0, 20.0)], [Arrival("nacos", 5.0, 0.1)]
    known = {"changes": 1900, "active_s": 10.0, "rate": 200.0, "spans": spans, "arrivals": arrivals, **fields}
    return Record(0.0, memory, blocks, duration_s=duration_s, **known)  # type: ignore[arg-type]


def test_a_soak_is_good_without_losses_and_with_memory_that_stays() -> None:
    assert record().is_good
    assert not record(lost=1).is_good
    assert not record(wrong=1).is_good
    assert not record(mb_per_minute=1.0).is_good


def test_a_soak_that_was_none_is_not_good_whatever_it_lost() -> None:
    lacking = [
        record(changes=0, rate=0.0),
        record(spans=[]),
        record(arrivals=[]),
        replace(record(), blocks=[(1.0, 5.0)]),
        replace(record(), memory=[]),
        record(changes=1700),
    ]

    assert [
        ["no change"],
        ["no fault"],
        ["no registration that arrived"],
        ["no count of living objects"],
        ["no measure of memory"],
        ["not 200 changes a second"],
    ] == [each.lacking for each in lacking]
    assert not any(each.is_good for each in lacking)
    assert lacking[1].verdict().startswith("FAILED, no fault: 900 s")


def test_a_short_soak_may_be_slow() -> None:
    assert record(changes=100, duration_s=60.0).is_good


def test_resident_memory_alone_may_not_reach_another_level() -> None:
    soaked = record()
    soaked.memory = [(at, mb + 17 * (at > SETTLED_S * 0.8)) for at, mb in soaked.memory]
    assert not soaked.is_good
    soaked.memory = [(at, mb + 17 * (SETTLED_S * 0.1 < at < SETTLED_S * 0.6)) for at, mb in soaked.memory]
    assert soaked.is_good


def test_growth_is_told_in_megabytes_a_minute() -> None:
    assert "living objects +6.00 MB/min, highest level +30 MB" in record(mb_per_minute=6.0).verdict()


def test_a_short_soak_does_not_judge_memory() -> None:
    assert record(mb_per_minute=6.0, duration_s=60.0).is_good


def test_the_page_of_a_soak_has_run_verdict_picture_faults_and_what_went_wrong() -> None:
    soaked = record(wrong=1)
    soaked.spans = [Span("drop nacos", 1.0, 2.0), Span("storm", 3.0, 4.0), Span("drop nacos", 5.0, 6.0)]
    soaked.notes = ["nacos shop-001 10.1.0.1: missing"]

    assert f"""\
# Soak, 2026-01-01 abcdef0, 2 cores

{soaked.verdict()}

![memory and latency](soak-abcdef0.png)

Faults: drop nacos 2, storm 1.

nacos shop-001 10.1.0.1: missing
""" == soaked.report("2026-01-01 abcdef0, 2 cores", "soak-abcdef0.png")


def test_latency_is_that_of_changes_that_met_no_fault() -> None:
    soaked = record()
    soaked.spans = [Span("drop", 10.0, 20.0)]
    calm = [Arrival("nacos", 5.0, 0.1), Arrival("nacos", 25.0, 0.1)]
    soaked.arrivals = [*calm, Arrival("nacos", 9.0, 2.0), Arrival("nacos", 15.0, 0.1), Arrival("nacos", 19.0, 30.0)]

    assert calm == soaked.calm_arrivals()
    assert "latency p50 100 ms, p99 100 ms" in soaked.verdict()
