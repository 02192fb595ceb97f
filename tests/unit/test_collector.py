"""When Python looks for garbage: seldom until the first complete world, which is left out for ever."""

import gc
from collections.abc import Iterator

import pytest

from meshregistry.collector import spare_first_world, stop_collecting
from meshregistry.model.service_entry import Kind
from meshregistry.store.store import SnapshotStore

OLDER_NEVER = 10_000


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.enable()
    gc.unfreeze()


def test_imports_are_not_looked_through() -> None:
    stop_collecting()

    assert not gc.isenabled()


def test_young_garbage_is_found_while_a_registry_is_waited_for() -> None:
    stop_collecting()
    spare_first_world(SnapshotStore([Kind.SERVICE_ENTRY]))

    assert gc.isenabled()
    assert gc.get_threshold()[1] == OLDER_NEVER
    assert gc.get_freeze_count() > 0


def test_first_complete_world_is_left_out_and_older_garbage_is_found_from_then_on() -> None:
    store = SnapshotStore([Kind.SERVICE_ENTRY])
    spare_first_world(store)
    world: list[object] = []

    store.complete()

    assert not _is_looked_at(world)
    assert gc.get_threshold()[1] < OLDER_NEVER


def test_what_comes_after_the_first_world_is_looked_at() -> None:
    store = SnapshotStore([Kind.SERVICE_ENTRY])
    spare_first_world(store)
    store.complete()
    later: list[object] = []

    store.complete()

    assert _is_looked_at(later)


def _is_looked_at(wanted: object) -> bool:
    return any(each is wanted for each in gc.get_objects())
