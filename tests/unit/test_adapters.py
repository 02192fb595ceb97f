"""What the pages see of the other rooms: the desk that answers why."""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from meshregistry.adapters import DubboPage, WhyDesk
from meshregistry.http.views import Why
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.sidecar import SidecarPolicy
from meshregistry.sources.zookeeper.options import SidecarOptions, ZooKeeperOptions
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.explain import Question
from meshregistry.store.reducer import Reducer
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.clients import Clients, ConnectedStream
from tests.support.ads_rig import MachineRig
from tests.support.ads_world import SERVICE_ENTRY
from tests.support.guarded_world import SCOPE, GuardedWorld, Services, instances

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


def test_the_page_of_calls_knows_why_there_are_none() -> None:
    without = ZooKeeperSource(ZooKeeperOptions(servers=()), Metrics())
    reading = ZooKeeperSource(ZooKeeperOptions(servers=(), sidecars=SidecarOptions(policy=SidecarPolicy())), Metrics())

    assert "no ZooKeeper source" == DubboPage({}).why_no_calls()
    assert "Sidecars" in DubboPage({"zookeeper": without}).why_no_calls()
    assert "" == DubboPage({"zookeeper": reading}).why_no_calls()
