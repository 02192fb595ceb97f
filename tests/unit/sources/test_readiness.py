"""A source declares itself complete when everything was read, and earlier when it has waited for long enough."""

import pytest

from meshregistry.model.events import SourceSynced
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics
from tests.support.source_fakes import ManualClock, RecordingSink

pytestmark = pytest.mark.anyio


async def test_complete_after_the_last_part_and_only_once() -> None:
    sink = RecordingSink()
    readiness = Readiness("nacos", frozenset({"a", "b"}), Metrics(), ManualClock().clock)

    await readiness.note_read("a", sink)
    await readiness.note_read("a", sink)
    assert [] == sink.updates

    await readiness.note_read("b", sink)
    await readiness.note_read("a", sink)
    assert [SourceSynced("nacos", "read")] == sink.updates


async def test_the_wait_time_declares_completeness_before_and_the_reading_later() -> None:
    sink, clock = RecordingSink(), ManualClock()
    readiness = Readiness("nacos", frozenset({"a"}), Metrics(), clock.clock)

    await readiness.give_up_after(15.0, sink)
    await readiness.note_read("a", sink)

    assert [15.0] == clock.pauses
    assert [SourceSynced("nacos", "wait_time"), SourceSynced("nacos", "read")] == sink.updates


async def test_no_wait_time_waits_for_ever() -> None:
    sink, clock = RecordingSink(), ManualClock()
    readiness = Readiness("nacos", frozenset({"a"}), Metrics(), clock.clock)

    await readiness.give_up_after(0.0, sink)

    assert ([], []) == (clock.pauses, sink.updates)
