"""The order of readings, and what happens to what changes meanwhile."""

import asyncio

import pytest

from meshregistry.sources.zookeeper.agenda import Agenda, Cause
from meshregistry.sources.zookeeper.debounce import Debounce
from meshregistry.sources.zookeeper.layout import Task, Topic
from meshregistry.sources.zookeeper.options import DebounceOptions

pytestmark = pytest.mark.anyio

A, B, C = (Task(Topic.INTERFACE, name) for name in "abc")


async def test_changes_come_before_checks_and_each_task_once() -> None:
    agenda = Agenda(10, None)
    agenda.check([A, B, C])
    agenda.note_change(C, 0.0)
    agenda.note_change(C, 0.0)

    assert [(C, True), (A, False), (B, False)] == [await agenda.take() for _ in range(3)]
    assert 0 == len(agenda)


async def test_checks_of_a_topic_are_taken_together() -> None:
    agenda = Agenda(10, None)
    rules = Task(Topic.RULES)
    agenda.check([A, B, C, rules, Task(Topic.INTERFACE, "d")])

    assert (A, False) == await agenda.take()
    assert [B] == await agenda.take_checks(Topic.INTERFACE, 1)
    assert [C] == await agenda.take_checks(Topic.INTERFACE, 9)
    assert (rules, False) == await agenda.take()
    agenda.note_change(B, 0.0)
    for task in (A, B, C):
        agenda.done(task, 0.0)
    assert B == agenda.take_change()
    assert agenda.take_change() is None


async def test_nobody_takes_several_checks_while_others_wait_for_one() -> None:
    agenda = Agenda(10, None)
    others = [asyncio.ensure_future(agenda.take()) for _ in range(2)]
    await asyncio.sleep(0)
    agenda.check([A, B, C])

    assert [] == await agenda.take_checks(Topic.INTERFACE, 9)
    assert [(A, False), (B, False)] == await asyncio.gather(*others)
    assert [C] == await agenda.take_checks(Topic.INTERFACE, 9)


async def test_a_task_under_way_is_not_taken_twice_but_again() -> None:
    agenda = Agenda(10, None)
    agenda.add(A)
    await agenda.take()
    agenda.note_change(A, 0.0)
    agenda.add(B)

    assert (B, True) == await agenda.take()
    assert agenda.is_changed(A)
    agenda.done(A, 0.0)
    assert (A, True) == await agenda.take()
    agenda.done(A, 0.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await agenda.take()


async def test_checked_waits_for_every_task_and_for_changes_meanwhile() -> None:
    agenda = Agenda(10, None)
    agenda.check([A])
    await agenda.take()
    agenda.note_change(A, 0.0)
    agenda.done(A, 0.0)
    waiting = asyncio.ensure_future(agenda.checked())
    await asyncio.sleep(0)
    assert not waiting.done()

    await agenda.take()
    agenda.done(A, 0.0)
    await waiting


async def test_a_task_under_way_that_is_to_be_checked_is_read_again() -> None:
    agenda = Agenda(10, None)
    agenda.add(A)
    await agenda.take()
    agenda.check([A])
    agenda.done(A, 0.0)

    assert (A, True) == await agenda.take()


async def test_nothing_to_check_is_checked() -> None:
    agenda = Agenda(10, None)
    agenda.check([])
    await agenda.checked()


async def test_too_many_changes_are_a_reason_to_read_everything() -> None:
    agenda = Agenda(2, None)
    for task in (A, B, C):
        agenda.note_change(task, 0.0)

    assert 0 == len(agenda)
    assert Cause.OVERFLOW is await agenda.everything_requested()


@pytest.mark.parametrize(
    "debounce", [None, Debounce(DebounceOptions(trigger_count=1, duration_s=9, delay_s=9, max_delay_s=9))]
)
async def test_too_many_changes_do_not_lose_what_is_being_checked(debounce: Debounce | None) -> None:
    """They can come while everything is read, which waits for its own tasks."""
    agenda = Agenda(2, debounce)
    agenda.note_change(A, 0.0)
    agenda.check([A, B])
    agenda.note_change(B, 0.0)
    agenda.note_change(C, 0.0)

    async with asyncio.timeout(1.0):
        taken = [await agenda.take() for _ in range(2)]
        assert [(A, False), (B, False)] == sorted(taken)
        for task, _ in taken:
            agenda.done(task, 0.0)
        await agenda.checked()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await agenda.take()
    assert Cause.OVERFLOW is await agenda.everything_requested()


async def test_requests_for_everything_are_one_until_it_is_read() -> None:
    agenda = Agenda(2, None)
    agenda.request_everything(Cause.CONNECTED)
    agenda.request_everything(Cause.INTERVAL)
    assert Cause.CONNECTED is await agenda.everything_requested()

    agenda.request_everything(Cause.CRON)
    agenda.withdraw_request()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await agenda.everything_requested()


async def test_what_changes_too_often_is_delayed() -> None:
    options = DebounceOptions(trigger_count=1, duration_s=10.0, delay_s=2.0, max_delay_s=5.0)
    agenda = Agenda(10, Debounce(options))
    agenda.add(A)
    await agenda.take()
    agenda.done(A, 100.0)
    agenda.note_change(A, 101.0)

    assert (1, True) == (len(agenda), agenda.is_changed(A))
    await agenda.delayed()
    assert 103.0 == agenda.next_delayed()
    agenda.release_delayed(102.9)
    assert 103.0 == agenda.next_delayed()
    agenda.release_delayed(103.0)
    assert (A, True) == await agenda.take()


async def test_what_is_to_be_read_later_is_read_then_or_at_the_next_change() -> None:
    agenda = Agenda(10, None)
    agenda.read_later(A, 5.0)
    agenda.read_later(B, 6.0)
    agenda.note_change(B, 1.0)
    assert (B, True) == await agenda.take()
    agenda.done(B, 1.0)
    agenda.read_later(B, 7.0)
    await agenda.delayed()
    agenda.release_delayed(6.0)
    assert (A, True) == await agenda.take()
    assert (1, 7.0) == (len(agenda), agenda.next_delayed())
    agenda.release_delayed(7.0)
    assert (B, True) == await agenda.take()


async def test_what_changes_anyway_is_not_read_later_as_well() -> None:
    agenda = Agenda(10, None)
    agenda.note_change(A, 0.0)
    agenda.read_later(A, 5.0)
    assert (A, True) == await agenda.take()
    assert 0 == len(agenda)
