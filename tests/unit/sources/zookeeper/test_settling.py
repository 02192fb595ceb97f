"""When a registry may shrink after an outage."""

import pytest

from meshregistry.model.instance import Instance
from meshregistry.sources.zookeeper.layout import Task, Topic
from meshregistry.sources.zookeeper.settling import Settling, keep_missing
from tests.support.source_fakes import ManualClock

A, B = Task(Topic.INTERFACE, "a"), Task(Topic.INTERFACE, "b")


def one(address: str, port: int = 20880, protocol: str = "dubbo", weight: float = 100.0) -> Instance:
    return Instance(address, port, weight=weight, metadata=(("protocol", protocol),))


@pytest.mark.parametrize(
    ("away_s", "new_session", "left_s"),
    [(0.5, False, 0.0), (3.9, False, 0.0), (4.0, False, 60.0), (0.1, True, 60.0), (3600.0, True, 60.0)],
)
def test_nothing_shrinks_after_an_outage_in_which_sessions_may_have_ended(
    away_s: float, new_session: bool, left_s: float
) -> None:
    time = ManualClock()
    settling = Settling(60.0, time.clock.now)
    settling.leave()
    time.time += away_s
    settling.come_back(new_session=new_session)

    assert (left_s > 0, left_s) == (settling.holds, max(settling.left_s, 0.0))
    time.time += 60.0
    assert not settling.holds


def test_the_first_connection_is_no_outage() -> None:
    settling = Settling(60.0, ManualClock().clock.now)
    settling.come_back(new_session=True)
    assert not settling.holds


def test_an_outage_lasts_from_its_first_loss_and_a_short_one_does_not_end_the_settling() -> None:
    time = ManualClock()
    settling = Settling(60.0, time.clock.now)
    settling.leave()
    time.time += 3.0
    settling.leave()
    time.time += 3.0
    settling.come_back(new_session=False)
    time.time += 10.0
    settling.leave()
    settling.come_back(new_session=False)
    assert 50.0 == settling.left_s


def test_without_a_settle_time_the_servers_are_believed_at_once() -> None:
    settling = Settling(0.0, ManualClock().clock.now)
    settling.leave()
    settling.come_back(new_session=True)
    assert not settling.holds


@pytest.mark.anyio
async def test_what_is_held_is_told_once() -> None:
    settling = Settling(60.0, ManualClock().clock.now)
    for task in (A, B, A):
        settling.hold(task)
    await settling.held()
    assert [{A, B}, set()] == [settling.take_held(), settling.take_held()]


def test_missing_instances_are_kept_by_service_scheme_address_and_port() -> None:
    before = {"a": (one("10.0.0.1"), one("10.0.0.1", 50051, "tri"), one("10.0.0.2")), "b": (one("10.0.0.1"),)}
    now = {"a": (one("10.0.0.1", weight=1.0), one("10.0.0.3")), "c": (one("10.0.0.1"),)}
    assert {
        "a": (one("10.0.0.1", weight=1.0), one("10.0.0.1", 50051, "tri"), one("10.0.0.2"), one("10.0.0.3")),
        "b": (one("10.0.0.1"),),
        "c": (one("10.0.0.1"),),
    } == keep_missing(before, now)


def test_nothing_missing_is_the_same_object() -> None:
    now = {"a": (one("10.0.0.1"), one("10.0.0.2")), "b": ()}
    assert now is keep_missing({"a": (one("10.0.0.2", weight=7.0),), "b": ()}, now)
    assert now is keep_missing({}, now)
