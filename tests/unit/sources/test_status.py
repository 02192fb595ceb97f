"""One line per transition, counts for everything."""

import logging

import pytest

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.model.events import RegistryAway
from meshregistry.model.instance import Scope
from meshregistry.sources.status import FirstWord, ScopeStatus, failure_reason
from meshregistry.telemetry.metrics import Metrics
from tests.support.measured_scopes import measured_scopes
from tests.support.source_fakes import ManualClock, RecordingSink

SCOPE = Scope("nacos", "", "public", "DEFAULT_GROUP")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(SourceAuthError(""), "auth"), (SourceDataError(""), "data"), (SourceUnavailable(""), "unavailable")],
)
def test_each_kind_of_failure_has_its_word(error: SourceError, reason: str) -> None:
    assert reason == failure_reason(error)


def test_only_transitions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = ManualClock()
    status = ScopeStatus(SCOPE, Metrics(), clock.clock)

    clock.time += 2
    for _ in range(3):
        status.succeed()
    for _ in range(3):
        status.fail(SourceUnavailable("refused"))
    status.fail(SourceAuthError("denied"))
    clock.time += 60
    status.succeed()

    assert [
        ("INFO", "source.read source=nacos scope=nacos/public/DEFAULT_GROUP after_s=2.00"),
        ("WARNING", "source.lost source=nacos scope=nacos/public/DEFAULT_GROUP reason=unavailable error=refused"),
        ("ERROR", "source.lost source=nacos scope=nacos/public/DEFAULT_GROUP reason=auth error=denied"),
        ("INFO", "source.recovered source=nacos scope=nacos/public/DEFAULT_GROUP stale_s=60.0"),
    ] == [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_scope_that_cannot_be_read_shows_in_the_metrics_until_it_is_read_or_its_source_ends() -> None:
    metrics = Metrics()
    status = ScopeStatus(SCOPE, metrics, ManualClock().clock)

    def failing() -> float | None:
        return metrics.registry.get_sample_value(
            "meshregistry_source_failing", {"source": "nacos", "scope": "nacos/public/DEFAULT_GROUP"}
        )

    assert failing() is None
    status.fail(SourceUnavailable("refused"))
    assert 1 == failing()
    status.succeed()
    assert 0 == failing()
    metrics.forget_source("nacos")
    assert failing() is None


def test_health_and_age_follow_the_readings() -> None:
    clock = ManualClock()
    status = ScopeStatus(SCOPE, Metrics(), clock.clock)
    assert (False, False, None) == (status.read_once, status.healthy, status.last_success_age_s)

    status.succeed()
    clock.time += 7
    assert (True, True, 7.0) == (status.read_once, status.healthy, status.last_success_age_s)

    status.fail(SourceDataError("garbage"))
    assert (True, False, 7.0, "garbage") == (
        status.read_once,
        status.healthy,
        status.last_success_age_s,
        status.last_error,
    )


def test_failures_and_the_last_success_are_metrics() -> None:
    metrics = Metrics()
    status = ScopeStatus(SCOPE, metrics, ManualClock().clock)

    status.succeed()
    status.fail(SourceDataError("garbage"))
    status.fail(SourceDataError("garbage"))

    value = metrics.registry.get_sample_value
    assert 1e9 + 100.0 == value(
        "meshregistry_source_last_success_timestamp_seconds", {"source": "nacos", "scope": str(SCOPE)}
    )
    assert 2.0 == value("meshregistry_source_failures_total", {"source": "nacos", "reason": "data"})


def test_a_scope_that_is_not_read_any_more_is_told_of_no_more() -> None:
    metrics = Metrics()
    statuses = [ScopeStatus(SCOPE._replace(group=group), metrics, ManualClock().clock) for group in ("gone", "stays")]

    for status in statuses:
        status.succeed()
        status.fail(SourceUnavailable("refused"))
        status.tell_held(3)
    statuses[0].forget()

    assert {"nacos/public/stays"} == measured_scopes(metrics)


def test_a_scope_that_is_not_measured_counts_failures_alone() -> None:
    metrics = Metrics()
    status = ScopeStatus(SCOPE, metrics, ManualClock().clock, is_measured=False)

    status.succeed()
    status.fail(SourceDataError("garbage"))
    status.tell_held(3)

    failures = metrics.registry.get_sample_value(
        "meshregistry_source_failures_total", {"source": "nacos", "reason": "data"}
    )
    assert (set(), 1.0) == (measured_scopes(metrics), failures)


def test_the_name_of_a_scope_in_the_metrics_is_short_whatever_a_registry_calls_it() -> None:
    metrics = Metrics()
    ScopeStatus(SCOPE._replace(group="x" * 100_000), metrics, ManualClock().clock).succeed()

    assert [200] == [len(scope) for scope in measured_scopes(metrics)]


@pytest.mark.anyio
async def test_that_a_scope_was_away_before_it_was_read_is_told_once() -> None:
    sink, clock = RecordingSink(), ManualClock()
    word = FirstWord(SCOPE, clock.clock)

    for _ in range(3):
        await word.miss(sink)
    word.note()
    await word.miss(sink)

    assert [RegistryAway(SCOPE, 100.0)] == sink.updates


@pytest.mark.anyio
async def test_of_a_scope_that_has_been_read_nothing_is_told() -> None:
    sink = RecordingSink()
    status = ScopeStatus(SCOPE, Metrics(), ManualClock().clock)

    status.succeed()
    await status.first_word.miss(sink)

    assert [] == sink.updates
