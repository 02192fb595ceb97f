"""When Python looks for garbage: seldom until the first complete world, which is left out for ever."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from meshregistry.collector import (
    Footprint,
    look_through,
    look_when_grown,
    note_loading,
    read_footprint,
    spare_first_world,
    stop_collecting,
)
from meshregistry.model.service_entry import Kind, ServiceEntry
from meshregistry.store.store import SnapshotStore
from meshregistry.wire.resource import ResourceEncoder

OLDER_NEVER = 100_000


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


class Process:
    """A process whose memory and clock are the test's."""

    def __init__(self, *resident_mb: int, look_s: float = 0.0, thousands: tuple[int, ...] = ()) -> None:
        self.now = 1000.0
        self.looked_at: list[float] = []
        self._resident_mb = list(resident_mb)
        self._look_s = look_s
        self._thousands = list(thousands)

    def measure(self) -> Footprint:
        passed = int(self.now - 1000) // 5
        blocks = self._thousands[passed] * 1000 if self._thousands else 0
        return Footprint(self._resident_mb[0] << 20, blocks)

    def look(self) -> None:
        self.looked_at.append(self.now)
        self.now += self._look_s

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and memory be what comes next; cancelled at the end."""
        self.now += seconds
        self._resident_mb.pop(0)
        if not self._resident_mb:
            raise asyncio.CancelledError

    def live(self, is_loading: Callable[[], bool] = lambda: False) -> list[float]:
        """Return when it looked through everything."""
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(look_when_grown(is_loading, self.measure, self.look, lambda: self.now, self.sleep))
        return self.looked_at


def test_memory_that_stays_is_not_looked_through() -> None:
    assert [] == Process(100, 110, 100, 115, 100).live()


def test_memory_that_has_grown_is_looked_through_and_measured_anew() -> None:
    assert [1015.0] == Process(100, 110, 115, 116, 116, 131).live()
    assert [1010.0] == Process(120, 100, 117, 117).live()


def test_garbage_in_memory_that_was_set_free_before_is_looked_through() -> None:
    assert [1010.0] == Process(*[200] * 5, thousands=(500, 599, 600, 600, 699)).live()
    assert [1010.0] == Process(*[200] * 4, thousands=(600, 500, 601, 601)).live()


def test_memory_that_the_first_world_takes_is_not_looked_through() -> None:
    loading = iter((True, True, False, False))

    assert [1015.0] == Process(100, 200, 300, 300, 300).live(lambda: next(loading))


def test_first_world_comes_in_while_it_grows_and_is_not_complete() -> None:
    store = SnapshotStore([Kind.SERVICE_ENTRY])
    encoder = ResourceEncoder(datetime(2024, 1, 1, tzinfo=UTC))
    first, second, third = (encoder.encode(ServiceEntry("n", name, ("h",), (), ())) for name in "abc")
    is_loading = note_loading(store)

    waits = is_loading()
    store.commit(Kind.SERVICE_ENTRY, [first], ())
    grows, rests = is_loading(), is_loading()
    store.commit(Kind.SERVICE_ENTRY, [second], ())
    store.complete()
    is_there = is_loading()
    store.commit(Kind.SERVICE_ENTRY, [third], ())

    assert (False, True, False, False, False) == (waits, grows, rests, is_there, is_loading())


def test_looks_take_a_hundredth_of_the_time_at_most() -> None:
    assert [1005, 1025] == [int(at) for at in Process(0, *range(20, 400, 40), look_s=0.18).live()][:2]


def test_what_the_process_has_is_told() -> None:
    kept = read_footprint()
    objects = [object() for _ in range(10_000)]

    assert kept.resident_bytes > 10 << 20
    assert 10_000 <= read_footprint().blocks - kept.blocks < 2 * len(objects)


class Circle:
    """Garbage that only a look finds; its memory is C's allocator's."""

    def __init__(self) -> None:
        self.itself = self
        self.content = bytes(2000)


def test_a_look_gives_memory_back_although_something_behind_it_is_in_use() -> None:
    circles = [Circle() for _ in range(20_000)]
    behind = [bytes(2000) for _ in range(100)]
    full = read_footprint().resident_bytes
    del circles
    look_through()

    assert 30 << 20 < full - read_footprint().resident_bytes
    assert behind


def _is_looked_at(wanted: object) -> bool:
    return any(each is wanted for each in gc.get_objects())
