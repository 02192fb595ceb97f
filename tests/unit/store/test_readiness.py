"""The barrier before the first answer."""

import pytest

from meshregistry.model.service_entry import Kind
from meshregistry.store.readiness import SyncBarrier
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics


@pytest.fixture
def store() -> SnapshotStore:
    return SnapshotStore({Kind.SERVICE_ENTRY})


@pytest.fixture
def barrier(store: SnapshotStore) -> SyncBarrier:
    return SyncBarrier(store, ("eureka", "nacos"), Metrics())


def test_nothing_is_complete_before_the_last_source(store: SnapshotStore, barrier: SyncBarrier) -> None:
    barrier.release(["nacos"])
    assert (False, {"eureka"}) == (store.current.complete, barrier.pending)

    barrier.release(["eureka"])

    assert (True, set()) == (store.current.complete, barrier.pending)


def test_a_source_that_begins_anew_is_waited_for_and_one_that_is_retired_is_not(
    store: SnapshotStore, barrier: SyncBarrier
) -> None:
    barrier.release(["nacos"])

    barrier.expect({"nacos", "zookeeper"}, {"eureka"})

    assert (False, {"nacos", "zookeeper"}) == (store.current.complete, barrier.pending)


def test_what_is_served_stays_complete_whoever_begins_anew(store: SnapshotStore, barrier: SyncBarrier) -> None:
    changes: list[Change] = []
    store.listen(changes.append)
    barrier.release(["eureka", "nacos"])

    barrier.expect({"nacos"}, set())
    barrier.release(["nacos"])

    assert (True, set()) == (store.current.complete, barrier.pending)
    assert 1 == len(changes)
