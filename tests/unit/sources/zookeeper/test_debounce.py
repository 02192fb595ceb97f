"""Slime's debounce of interfaces that change too often."""

from meshregistry.sources.zookeeper.debounce import Debounce
from meshregistry.sources.zookeeper.layout import Task, Topic
from meshregistry.sources.zookeeper.options import DebounceOptions

A, B = Task(Topic.INTERFACE, "a"), Task(Topic.INTERFACE, "b")
OPTIONS = DebounceOptions(trigger_count=2, duration_s=10.0, delay_s=1.0, max_delay_s=3.5)


def test_the_delay_begins_at_the_count_and_grows_up_to_the_limit() -> None:
    debounce = Debounce(OPTIONS)
    debounce.note_read(A, 0.0)

    assert [0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.5] == [debounce.note(A, 1.0) for _ in range(8)]
    assert 0.0 == debounce.note(B, 1.0)


def test_quiet_times_take_the_count_back() -> None:
    debounce = Debounce(OPTIONS)
    debounce.note_read(A, 0.0)
    debounce.note(A, 1.0)
    assert 1.0 == debounce.note(A, 1.0)
    assert 0.0 == debounce.note(A, 60.0)
    debounce.note_read(A, 60.0)
    assert 1.0 == debounce.note(A, 61.0)


def test_a_task_that_was_never_read_is_not_delayed() -> None:
    debounce = Debounce(OPTIONS)
    assert [0.0] * 5 == [debounce.note(A, 1.0) for _ in range(5)]
