"""What an operator decides, and that it is done where everything is decided."""

import msgspec
import pytest

from meshregistry.model.instance import Scope
from meshregistry.store.operator import (
    EVERYTHING,
    Accept,
    Freeze,
    OperatorDecision,
    OperatorDesk,
    Reject,
    ServeAnyway,
    Thaw,
    UnknownTargetError,
)
from tests.support.guarded_world import OTHER_SCOPE, POLICY, SCOPE, GuardedWorld, fleet, instances

pytestmark = pytest.mark.anyio

NACOS = Scope("nacos", "", "", "")


class Recorder:
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.decisions: list[OperatorDecision] = []

    async def publish(self, update: OperatorDecision) -> None:
        self.decisions.append(update)

    async def settle(self) -> None:
        """Nothing takes effect here."""

    async def secure(self) -> str:
        """Nothing is kept here."""
        return ""


@pytest.fixture
def world() -> GuardedWorld:
    return GuardedWorld()


@pytest.fixture
def queue() -> Recorder:
    return Recorder()


@pytest.fixture
def desk(world: GuardedWorld, queue: Recorder) -> OperatorDesk:
    return OperatorDesk(world.reducer, queue, ("nacos", "zookeeper"))


async def test_an_accepted_shrink_happens_at_once(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))

    await world.take(Accept(world.hold(), "ann"))
    await world.wait(10)

    assert 50 == world.count()
    assert [] == world.reducer.list_holds()


async def test_what_came_to_a_hold_after_it_was_looked_at_is_not_accepted(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    seen = world.hold()
    await world.show(fleet(1, 10))

    assert [] == await world.take(Accept(seen, "ann"))

    assert (100, seen.partition("-")[0]) == (world.count(), world.hold().partition("-")[0])
    await world.take(Accept(world.hold(), "ann"))
    await world.wait(10)
    assert 10 == world.count()


async def test_what_comes_back_to_a_hold_changes_nothing_about_what_was_seen(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    seen = world.hold()
    await world.show(fleet(6, 10))

    await world.take(Accept(seen, "ann"))
    await world.wait(10)

    assert 60 == world.count()


async def test_an_equal_shrink_has_an_equal_content_in_every_replica_and_after_a_restart(world: GuardedWorld) -> None:
    other, third = GuardedWorld(), GuardedWorld()
    for each, steps in ((world, (10, 5)), (other, (10, 7, 5)), (third, (10, 4))):
        for services in steps:
            await each.show(fleet(services, 10))
    content = world.reducer.list_holds()[0].content
    before = world.hold()
    await world.restart()

    assert (before, content) == (world.hold(), world.reducer.list_holds()[0].content)
    assert content == other.reducer.list_holds()[0].content
    assert content != third.reducer.list_holds()[0].content


async def test_after_a_restart_from_an_older_snapshot_a_number_names_no_other_hold(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    older, later = GuardedWorld(), world
    await older.show(fleet(10, 10))
    await later.show(fleet(5, 10))
    await older.show(fleet(4, 10))

    assert [] == await older.take(Accept(later.hold(), "ann"))

    assert ("1", "1") == (later.reducer.list_holds()[0].number, older.reducer.list_holds()[0].number)
    assert 100 == older.count()


async def test_a_rejected_shrink_is_not_accepted_by_time(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))

    await world.take(Reject("1"))
    await world.confirm_for(3600)
    assert 100 == world.count()
    assert [True] == [hold.rejected for hold in world.reducer.list_holds()]

    await world.take(Accept(world.hold()))
    await world.wait(10)
    assert 50 == world.count()


async def test_a_rejected_shrink_ends_with_the_return_of_what_is_held(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    await world.take(Reject("1"))

    assert [] == await world.show(fleet(10, 10))

    assert [] == world.reducer.list_holds()


async def test_a_frozen_source_loses_nothing_and_still_gains(world: GuardedWorld) -> None:
    await world.show(fleet(3, 3))
    await world.take(Freeze(NACOS))

    await world.show({"s0": instances(0), "fresh": instances(100)})
    await world.confirm_for(3600)

    assert 10 == world.count()
    assert ["freeze"] == [hold.cause for hold in world.reducer.list_holds()]


async def test_a_freeze_of_another_scope_does_not_count(world: GuardedWorld) -> None:
    await world.show(fleet(3, 3))
    await world.take(Freeze(OTHER_SCOPE))

    await world.show(fleet(2, 3))
    await world.wait(10)

    assert 6 == world.count()


async def test_a_freeze_brings_back_what_left_within_the_last_minute(world: GuardedWorld) -> None:
    await world.show(fleet(3, 3))
    await world.read("s0", instances(0))
    assert 7 == world.count()

    await world.take(Freeze(EVERYTHING))

    assert 9 == world.count()


async def test_little_goes_with_the_thaw(world: GuardedWorld) -> None:
    await world.show(fleet(3, 3))
    await world.take(Freeze(NACOS))
    await world.show(fleet(2, 3))

    await world.take(Thaw(NACOS))
    await world.wait(10)

    assert 6 == world.count()
    assert ((), []) == (world.reducer.frozen, world.reducer.list_holds())


async def test_what_came_back_by_a_freeze_counts_among_what_there_was_before(world: GuardedWorld) -> None:
    """After the thaw others would seem to have taken the places of what was held, however few there are."""
    await world.show({"carts": instances(300)}, OTHER_SCOPE)
    await world.show(fleet(1, 9))
    await world.show({})
    await world.take(Freeze(NACOS))
    await world.show({}, OTHER_SCOPE)

    await world.take(Thaw(NACOS))
    await world.show({"new": instances(200)}, OTHER_SCOPE)

    assert [("mass", 10, 10)] == [(each.cause, each.before, each.held) for each in world.reducer.list_holds()]
    assert 11 == world.count()


async def test_what_others_have_taken_the_place_of_goes_with_the_thaw(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.take(Freeze(NACOS))
    await world.show({"new": instances(*range(100), net=1)})
    assert 200 == world.count()

    await world.take(Thaw(NACOS))
    await world.wait(10)

    assert (100, []) == (world.count(), world.reducer.list_holds())


async def test_a_thaw_lets_nothing_go_that_another_freeze_covers(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.take(Freeze(SCOPE), Freeze(EVERYTHING))
    await world.show({**fleet(10, 10), "s9": instances(*range(90, 95))})

    await world.take(Thaw(SCOPE))
    assert 100 == world.count()
    await world.take(Thaw(EVERYTHING))
    assert 95 == world.count()
    assert [] == world.reducer.list_holds()


async def test_much_is_held_by_the_mass_rule_from_the_thaw_on(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.take(Freeze(NACOS))
    await world.show({})
    await world.confirm_for(3600)

    await world.take(Thaw(NACOS))

    await world.confirm_for(599)
    assert 100 == world.count()
    await world.confirm_for(1)
    await world.wait(10)
    assert 0 == world.count()


@pytest.mark.parametrize("target", [EVERYTHING, NACOS])
@pytest.mark.parametrize("frozen_for", [0, 3600])
async def test_a_scope_that_came_back_empty_is_much_however_little_it_is_of_what_was_frozen(
    world: GuardedWorld, target: Scope, frozen_for: int
) -> None:
    await world.show({"carts": instances(*range(400, 900))}, OTHER_SCOPE)
    await world.show(fleet(10, 10))
    await world.take(Freeze(target))
    await world.show({})
    await world.confirm_for(frozen_for)

    await world.take(Thaw(target))

    await world.confirm_for(599)
    assert 600 == world.count()
    await world.confirm_for(1)
    await world.wait(10)
    assert 500 == world.count()


async def test_a_freeze_of_everything_is_confirmed_for_as_long_as_the_source_asks() -> None:
    world = GuardedWorld(msgspec.structs.replace(POLICY, mass_hold_s=3600.0))
    await world.show(fleet(10, 10))
    await world.take(Freeze(EVERYTHING))
    await world.show({})
    await world.take(Thaw(EVERYTHING))

    await world.confirm_for(3599)
    assert 100 == world.count()
    await world.confirm_for(1)
    await world.wait(10)
    assert 0 == world.count()


async def test_a_freeze_keeps_what_was_held_before_it(world: GuardedWorld) -> None:
    whole = fleet(10, 10)
    left = {name: found[:1] for name, found in whole.items()}
    await world.show(whole)
    await world.show(left)
    await world.take(Freeze(SCOPE))

    await world.confirm_for(3600)
    assert 100 == world.count()
    await world.show({**left, **fleet(20, 10, first=10)})
    assert 300 == world.count()
    await world.take(Thaw(SCOPE))
    await world.confirm_for(30)

    assert 210 == world.count()
    assert [] == world.reducer.list_holds()


def outlived(world: GuardedWorld) -> dict[str, int]:
    """Return the endpoints of every resource that is served."""
    return {name: len(entry.endpoints) for name, entry in world.entries().items()}


@pytest.mark.parametrize("target", [EVERYTHING, NACOS, SCOPE])
async def test_a_freeze_stops_the_time_of_what_is_empty_until_the_thaw(target: Scope) -> None:
    """One service waits for its endpoints to go, one for itself."""
    world = GuardedWorld(msgspec.structs.replace(POLICY, mass_ratio=0.0))
    await world.show({"orders": instances(1), "users": instances(2)})
    await world.show({"orders": instances(1)})
    await world.wait(300)
    await world.show({})
    await world.wait(9)
    await world.take(Freeze(target))

    await world.wait(600)
    looked_at = world.metric("reduce_seconds_count")
    for _ in range(10):
        await world.wait(600)
        assert {"nacos/orders.nacos": 1, "nacos/users.nacos": 0} == outlived(world)
    assert looked_at == world.metric("reduce_seconds_count")
    await world.take(Thaw(target))

    assert {} == outlived(world)


async def test_a_freeze_of_another_scope_stops_no_time(world: GuardedWorld) -> None:
    await world.show({"orders": instances(1)})
    await world.show({})
    await world.take(Freeze(OTHER_SCOPE))

    await world.wait(10)
    assert {"nacos/orders.nacos": 0} == outlived(world)
    await world.wait(600)

    assert {} == outlived(world)


async def test_a_freeze_keeps_ports_without_instances() -> None:
    world = GuardedWorld(msgspec.structs.replace(POLICY, port_grace_s=300))
    await world.show({"orders": (*instances(1), *instances(2, port=9090))})
    await world.show({"orders": instances(1)})
    await world.wait(100)
    await world.take(Freeze(SCOPE))
    (ports,) = [entry.ports for entry in world.entries().values()]
    assert 9090 in {port.number for port in ports}

    await world.wait(1000)
    assert [ports] == [entry.ports for entry in world.entries().values()]
    await world.take(Thaw(SCOPE))
    await world.wait(300)

    assert [{80, 8080}] == [{port.number for port in entry.ports} for entry in world.entries().values()]


async def ageing_world() -> GuardedWorld:
    """A service of two scopes, of which only the other one is still heard of."""
    world = GuardedWorld(msgspec.structs.replace(POLICY, max_stale_s=300.0))
    await world.show({"orders": instances(1)})
    await world.show({"orders": instances(2)}, OTHER_SCOPE)
    await world.confirm_for(270, OTHER_SCOPE)
    assert 2 == world.count()
    return world


async def test_a_freeze_keeps_what_is_too_old_until_the_thaw() -> None:
    world = await ageing_world()
    await world.take(Freeze(SCOPE))

    await world.confirm_for(400, OTHER_SCOPE)
    assert 2 == world.count()
    await world.take(Thaw(SCOPE))
    await world.wait(1)

    assert {"10.0.0.2"} == {address for _, address in world.endpoints()}


async def test_what_was_too_old_before_a_freeze_does_not_come_back_with_it() -> None:
    world = await ageing_world()
    await world.confirm_for(30, OTHER_SCOPE)
    assert 1 == world.count()

    await world.take(Freeze(EVERYTHING))
    await world.confirm_for(60, OTHER_SCOPE)
    await world.show({"orders": instances(2, 3)}, OTHER_SCOPE)

    assert {"10.0.0.2", "10.0.0.3"} == {address for _, address in world.endpoints()}


async def test_serving_anyway_completes_the_snapshot(world: GuardedWorld) -> None:
    await world.show(fleet(1, 1))

    await world.take(ServeAnyway())

    assert world.store.current.complete


async def test_a_decision_about_what_is_gone_changes_nothing(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))

    assert [] == await world.take(Accept("1-00000000"), Reject("7"), Thaw(NACOS))
    assert 100 == world.count()


async def test_the_desk_shows_what_is_held(world: GuardedWorld, desk: OperatorDesk) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    await world.confirm_for(60)

    (hold,) = desk.list_holds()

    assert ("1", str(SCOPE), "mass", 60.0, 60.0) == (hold.number, hold.scope, hold.cause, hold.age_s, hold.confirmed_s)
    assert (100, 50, 50) == (hold.before, hold.now, hold.held)
    assert tuple(f"s{number}.nacos.svc.cluster.local" for number in range(5, 10)) == hold.hosts
    assert not hold.rejected


async def test_the_desk_hands_decisions_on_with_who_made_them(
    world: GuardedWorld, desk: OperatorDesk, queue: Recorder
) -> None:
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    await world.take(Freeze(NACOS))

    hold = world.hold()
    await desk.accept(hold, "ann")
    await desk.reject("1", "bob")
    await desk.freeze("everything", "ann")
    await desk.freeze("nacos/public/DEFAULT_GROUP", "ann")
    await desk.thaw("nacos", "ann")

    assert [
        Accept(hold, "ann"),
        Reject("1", "bob"),
        Freeze(EVERYTHING, "ann"),
        Freeze(SCOPE, "ann"),
        Thaw(NACOS, "ann"),
    ] == queue.decisions


@pytest.mark.parametrize("target", [SCOPE, SCOPE._replace(group=""), NACOS])
async def test_a_scope_of_which_all_is_held_can_be_frozen(world: GuardedWorld, queue: Recorder, target: Scope) -> None:
    await world.show(fleet(10, 10))
    await world.show({})
    assert [str(SCOPE)] == [hold.scope for hold in world.reducer.list_holds()]

    assert target == await OperatorDesk(world.reducer, queue, ()).freeze(str(target), "ann")

    await world.take(*queue.decisions)
    await world.confirm_for(1200)
    assert 100 == world.count()


async def test_serving_anyway_names_what_is_missing(desk: OperatorDesk, queue: Recorder) -> None:
    assert ("nacos", "zookeeper") == await desk.serve_anyway("ann")
    assert [ServeAnyway(("nacos", "zookeeper"), "ann")] == queue.decisions


async def test_the_desk_knows_only_what_there_is(world: GuardedWorld, desk: OperatorDesk, queue: Recorder) -> None:
    await world.show(fleet(1, 1))

    with pytest.raises(UnknownTargetError):
        await desk.accept("1", "ann")
    await world.show(fleet(10, 10))
    await world.show(fleet(5, 10))
    for name in ("1", "1-00000000"):
        with pytest.raises(UnknownTargetError, match=rf"hold {name} is {world.hold()} now, with 50 endpoints"):
            await desk.accept(name, "ann")
    with pytest.raises(UnknownTargetError):
        await desk.thaw("nacos", "ann")
    with pytest.raises(UnknownTargetError):
        await desk.freeze("consul", "ann")
    assert [] == queue.decisions
