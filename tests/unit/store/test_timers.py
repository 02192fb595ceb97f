"""Deadlines by name."""

from meshregistry.store.timers import Timers


def test_only_due_names_are_taken_and_only_once() -> None:
    timers = Timers()
    timers.arm("a", 10.0)
    timers.arm("b", 20.0)

    assert {"a"} == timers.due(10.0)
    assert set() == timers.due(10.0)
    assert timers.next() == 20.0


def test_the_newest_deadline_of_a_name_wins() -> None:
    timers = Timers()
    timers.arm("a", 10.0)
    timers.arm("a", 30.0)
    timers.arm("a", 20.0)

    assert set() == timers.due(19.0)
    assert {"a"} == timers.due(20.0)
    assert timers.next() is None


def test_a_cleared_name_is_never_due() -> None:
    timers = Timers()
    timers.arm("a", 10.0)
    timers.arm("a", None)

    assert timers.next() is None
    assert set() == timers.due(100.0)


def test_moving_deadlines_do_not_grow_memory() -> None:
    timers = Timers()
    for moment in range(10_000):
        timers.arm("a", float(moment))

    assert len(timers._heap) < 200
    assert {"a"} == timers.due(9_999.0)
