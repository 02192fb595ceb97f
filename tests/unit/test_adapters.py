"""What the pages see of the other rooms: the desk that answers why."""

import time
from collections.abc import Iterator, Mapping, Sequence

import pytest

from meshregistry.adapters import DubboPage, StalenessPage, WhyDesk
from meshregistry.http.views import Why
from meshregistry.model.events import SourceSynced
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.sidecar import SidecarPolicy
from meshregistry.sources.zookeeper.options import SidecarOptions, ZooKeeperOptions
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.explain import Question
from meshregistry.store.operator import ServeAnyway
from meshregistry.store.reducer import Reducer
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.clients import Clients, ConnectedStream
from tests.support.ads_rig import MachineRig
from tests.support.ads_world import SERVICE_ENTRY
from tests.support.guarded_world import OTHER_SCOPE, SCOPE, GuardedWorld, Services, instances

pytestmark = pytest.mark.anyio

ORDERS, USERS = "orders.nacos.svc.cluster.local", "users.nacos.svc.cluster.local"


class Memory:
    """A source that remembers services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def registries(self) -> Sequence[Mapping[str, object]]:
        return ()

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        for name, found in self._services.items():
            yield ServiceKey(SCOPE, name), found


def desk(reducer: Reducer, services: Services, *rigs: MachineRig) -> WhyDesk:
    clients = Clients()
    for number, rig in enumerate(rigs):
        clients.add(ConnectedStream(f"{number}", "", rig.dialect, rig.machine))
    return WhyDesk(reducer, {"nacos": Memory(services)}, clients)


def ask(answers: WhyDesk, host: str) -> list[Why]:
    return [each for each in answers.explain(Question(host, "")) if each is not None]


async def test_an_answer_goes_as_far_as_the_clients() -> None:
    services = {"orders": instances(1), "users": instances(2)}
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos"))
    await world.show(services)
    world.store.complete()
    rigs = [MachineRig("sotw", world.store), MachineRig("delta", world.store)]
    for rig in rigs:
        await rig.ask(SERVICE_ENTRY)
        await rig.take()
    rigs[1].acks = False
    await world.read("users", instances(3))
    for rig in rigs:
        await rig.take()
    answers = desk(world.reducer, services, *rigs)

    (orders,), (users,) = ask(answers, ORDERS), ask(answers, USERS)
    assert ["holds this version", "holds this version"] == [each.state for each in orders.clients]
    assert ["holds this version", "holds an older version"] == [each.state for each in users.clients]
    assert [True, False] == [each.held_s is not None for each in users.clients]
    assert (["created"], ["created", "updated"]) == (
        [each.what for each in orders.changes],
        [each.what for each in users.changes],
    )


async def test_of_what_is_gone_the_clients_that_know_it_are_told() -> None:
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos"))
    await world.show({"orders": instances(1), "users": instances(2)})
    world.store.complete()
    rig = MachineRig("sotw", world.store)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    for seconds in (0, 10, 600):
        world.now += seconds
        await world.show({"users": instances(2)})
        await rig.take()
    unregistered = {"orders": (Instance("10.0.0.1", 8080, enabled=False),)}

    (answer,) = ask(desk(world.reducer, unregistered, rig), "nacos/orders.nacos")

    assert ("", ["knows that it is gone"]) == (answer.resource.version, [each.state for each in answer.clients])


async def test_of_what_never_was_served_no_client_is_told() -> None:
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos"))
    services = {"orders": (Instance("10.0.0.1", 8080, enabled=False),)}
    await world.show(services)
    world.store.complete()
    rig = MachineRig("sotw", world.store)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()

    (answer,) = ask(desk(world.reducer, services, rig), ORDERS)

    assert ((), ()) == (answer.changes, answer.clients)


async def test_what_sources_remember_can_be_read_while_one_comes() -> None:
    sources = {"nacos": Memory({"orders": instances(1), "users": instances(2)})}
    known = WhyDesk(GuardedWorld().reducer, sources, Clients()).known()
    first = next(known)

    sources["eureka"] = Memory({"late": instances(3)})

    assert ["orders", "users"] == [key.name for key, _ in (first, *known)]


@pytest.mark.parametrize("name", [ORDERS, "nacos/orders.nacos"])
async def test_of_a_host_that_nobody_knows_any_more_the_journal_tells(name: str) -> None:
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos"))
    await world.show({"orders": instances(1)})
    world.store.complete()
    rig = MachineRig("sotw", world.store)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    for seconds in (0, 10, 600):
        world.now += seconds
        await world.show({})
        await rig.take()

    (answer,) = ask(desk(world.reducer, {}, rig), name)

    assert ("nacos/orders.nacos", (ORDERS,), "") == (
        answer.resource.resource,
        answer.resource.hosts,
        answer.resource.version,
    )
    assert ["created", "empty_grace", "emptied", "removed"] == [each.what for each in answer.changes]
    assert ["knows that it is gone"] == [each.state for each in answer.clients]
    assert [] == ask(desk(world.reducer, {}, rig), USERS)


def test_the_page_of_calls_knows_why_there_are_none() -> None:
    without = ZooKeeperSource(ZooKeeperOptions(servers=()), Metrics())
    reading = ZooKeeperSource(ZooKeeperOptions(servers=(), sidecars=SidecarOptions(policy=SidecarPolicy())), Metrics())

    assert "no ZooKeeper source" == DubboPage({}).why_no_calls()
    assert "Sidecars" in DubboPage({"zookeeper": without}).why_no_calls()
    assert "" == DubboPage({"zookeeper": reading}).why_no_calls()


async def stale_world() -> GuardedWorld:
    """Two scopes, of which one is not heard of for long."""
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos"))
    await world.show({"orders": instances(1)})
    await world.show({"users": instances(2)}, OTHER_SCOPE)
    await world.confirm_for(120, OTHER_SCOPE)
    return world


@pytest.mark.parametrize(("failing", "sources"), [("nacos", ["nacos"]), ("zookeeper", [])])
async def test_what_a_registry_that_is_away_was_not_heard_to_say_is_stale(failing: str, sources: list[str]) -> None:
    """A source that can read everything and has nothing to say is not."""
    world = await stale_world()
    page = StalenessPage(world.reducer, lambda source: source == failing)

    assert sources == [each.source for each in page.list_stale()]
    assert [{SCOPE}] * len(sources) == [each.scopes for each in page.list_stale()]
    for each in page.list_stale():
        assert time.time() - 120 == pytest.approx(each.as_of, abs=5)


async def test_an_answer_tells_of_the_stale_scopes_that_contribute_only() -> None:
    world = await stale_world()
    page = StalenessPage(world.reducer, lambda source: True)
    answers = WhyDesk(world.reducer, {}, Clients(), page.list_stale)

    (orders,), (users,) = ask(answers, ORDERS), ask(answers, USERS)

    assert ("stale as of ", ()) == (orders.stale[0][:12], users.stale)
    assert [": nacos, unheard scopes: 1"] == [each[-26:] for each in orders.stale]


async def test_what_was_restored_is_stale_until_its_scope_is_heard() -> None:
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos"))
    await world.show({"orders": instances(1)})
    await world.show({"users": instances(2)}, OTHER_SCOPE)
    await world.take(SourceSynced("nacos"), SourceSynced("zookeeper"))
    await world.restart()
    page = StalenessPage(world.reducer, lambda source: False)
    answers = WhyDesk(world.reducer, {}, Clients(), page.list_stale)
    assert [True, True] == [bool(each.stale) for host in (ORDERS, USERS) for each in ask(answers, host)]
    assert [("nacos", True), ("zookeeper", True)] == [(each.source, each.restored) for each in page.list_stale()]

    await world.show({"orders": instances(1)})

    assert [False, True] == [bool(each.stale) for host in (ORDERS, USERS) for each in ask(answers, host)]
    await world.take(SourceSynced("nacos"), SourceSynced("zookeeper"))
    assert () == page.list_stale()


async def test_what_is_served_without_a_source_says_so_until_it_is_read() -> None:
    world = GuardedWorld()
    page = StalenessPage(world.reducer, lambda source: False, ("nacos", "zookeeper"))
    await world.take(SourceSynced("zookeeper"))
    assert [] == list(page.notes)

    await world.take(ServeAnyway(("nacos",), "ann"))
    assert ("served without having been read in whole: nacos",) == page.notes
    await world.take(SourceSynced("nacos"))
    assert [] == list(page.notes)
