"""Nothing shrinks just after an outage."""

from meshregistry.model.instance import Instance
from meshregistry.sources.nacos.hold import Kept, Settling, keep
from tests.support.source_fakes import ManualClock

OLD = Instance("10.0.0.1", 80)
NEW = Instance("10.0.0.2", 80)


def test_what_is_missing_is_kept_and_what_is_new_is_added() -> None:
    assert Kept((OLD, NEW), 1) == keep((OLD,), (NEW,))
    assert Kept((OLD,), 1) == keep((OLD,), ())


def test_what_is_there_counts_as_it_is_now() -> None:
    changed = Instance("10.0.0.1", 80, weight=0.5)

    assert Kept((changed,), 0) == keep((OLD,), (changed,))


def test_the_time_to_settle_begins_with_the_first_answer_after_an_outage() -> None:
    clock = ManualClock()
    settling = Settling(30.0, clock.clock.now)
    held = [settling.holds]

    settling.leave()
    clock.time += 600
    held.append(settling.holds)
    settling.come_back()
    clock.time += 29
    settling.come_back()
    held.append(settling.holds)
    clock.time += 1
    held.append(settling.holds)

    assert [False, True, True, False] == held


def test_another_node_begins_it_too() -> None:
    clock = ManualClock()
    settling = Settling(30.0, clock.clock.now)

    settling.begin()

    assert settling.holds
