"""Why a host has an endpoint or not, asked of a whole reducer."""

from collections.abc import Iterator, Mapping

import msgspec
import pytest

from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.events import EntryListing, RegistryAway, SourceSynced
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.merge_policy import MergePolicy, MergeRule, Sharing
from meshregistry.model.policy import ConversionPolicy, Territory
from meshregistry.model.relabel import NamePart, PartKind, RelabelStep, ServiceNaming
from meshregistry.model.selection import EndpointSelector, Selection
from meshregistry.model.service_entry import Kind, ServiceEntry, ServicePort
from meshregistry.store.explain import MAX_INSTANCES, MAX_REWRITES, MAX_SERVICES, Question, ResourceAnswer
from meshregistry.store.explainer import MAX_RESOURCES
from meshregistry.store.operator import Accept
from meshregistry.store.rules import RulesReplaced, SourceLimits, SourceRules
from tests.support.guarded_world import OTHER_SCOPE, POLICY, SCOPE, GuardedWorld, fleet, instances

pytestmark = pytest.mark.anyio

ORDERS = "orders.nacos.svc.cluster.local"


Known = Mapping[str, tuple[Instance, ...]] | Mapping[ServiceKey, tuple[Instance, ...]]
"""Services by their name in the usual scope, or by their key."""


class Memory:
    """What a source remembers."""

    def __init__(self, services: Known) -> None:
        self._services = services

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        for name, found in self._services.items():
            yield ServiceKey(SCOPE, name) if isinstance(name, str) else name, found


@pytest.fixture
def world() -> GuardedWorld:
    return GuardedWorld(conversion=ConversionPolicy(source="nacos"))


def ask(
    world: GuardedWorld, services: Known, host: str = ORDERS, address: str = "", port: int = 0
) -> list[ResourceAnswer]:
    steps = world.reducer.explainer.explain(Question(host, address, port), Memory(services))
    return [each.answer for each in steps if each is not None]


def outcomes(answer: ResourceAnswer) -> dict[str, str]:
    return {each.address: each.outcome for service in answer.services for each in service.instances}


def places(answer: ResourceAnswer) -> dict[tuple[str, int], str]:
    return {(each.address, each.port): each.outcome for service in answer.services for each in service.instances}


async def test_each_instance_has_its_reason(world: GuardedWorld) -> None:
    services = {
        "orders": (
            *instances(1),
            Instance("10.0.0.2", 8080, enabled=False),
            Instance("10.0.0.3", 8080, healthy=False),
            Instance("10.0.0.4", 8080, weight=0.0),
            Instance("10.0.0.5", 70000),
        )
    }
    await world.show(services)

    (answer,) = ask(world, services)

    assert {
        "10.0.0.1": "served",
        "10.0.0.2": "disabled",
        "10.0.0.3": "unhealthy",
        "10.0.0.4": "weight",
        "10.0.0.5": "port_range",
    } == outcomes(answer)
    resource = world.store.current.collection(Kind.SERVICE_ENTRY).resources["nacos/orders.nacos"]
    assert (resource.version, 1, "") == (answer.version, answer.endpoints, answer.rule)
    assert [(5, 1, 0)] == [(each.registered, each.contributed, each.held) for each in answer.services]


async def test_one_address_is_enough_to_ask_about(world: GuardedWorld) -> None:
    services = {"orders": instances(1, 2), "users": instances(2)}
    await world.show(services)

    assert ["nacos/orders.nacos", "nacos/users.nacos"] == [
        each.resource for each in ask(world, services, "", "10.0.0.2")
    ]
    (answer,) = ask(world, services, address="10.0.0.2")
    assert {"10.0.0.2": "served"} == outcomes(answer)


async def test_a_held_endpoint_says_which_hold_keeps_it(world: GuardedWorld) -> None:
    await world.show(fleet(10, 10))
    await world.show({})

    (answer,) = ask(world, {}, "s0.nacos.svc.cluster.local")

    (service,) = answer.services
    assert (0, 10, ("1",), ("mass",)) == (service.contributed, service.held, service.holds, service.causes)
    assert {"kept"} == set(outcomes(answer).values())


async def test_an_endpoint_that_is_held_in_doubt_says_so(world: GuardedWorld) -> None:
    await world.show({"orders": instances(1, 2)})
    await world.take(RegistryAway(SCOPE))
    await world.show({"orders": instances(1)})

    (answer,) = ask(world, {"orders": instances(1)}, "orders.nacos.svc.cluster.local")

    (service,) = answer.services
    assert (1, 1, ("1",), ("doubt",)) == (service.contributed, service.held, service.holds, service.causes)
    assert {"10.0.0.1": "served", "10.0.0.2": "kept"} == outcomes(answer)


async def test_the_guards_rule_is_named(world: GuardedWorld) -> None:
    await world.show({"orders": instances(1)})
    await world.show({})

    (answer,) = ask(world, {})

    assert ("empty_grace", 1) == (answer.rule, answer.endpoints)
    assert [("10.0.0.1", 8080, "kept")] == [(each.address, each.port, each.outcome) for each in answer.kept]
    (answer,) = ask(world, {}, address="10.0.0.2")
    assert () == answer.kept


async def test_a_service_without_a_usable_instance_is_found_by_the_host_it_would_have(world: GuardedWorld) -> None:
    services = {"orders": (Instance("10.0.0.2", 8080, enabled=False),)}
    await world.show(services)

    (answer,) = ask(world, services)

    assert ("", 0, {"10.0.0.2": "disabled"}) == (answer.version, answer.endpoints, outcomes(answer))


OFF = Instance("10.0.0.1", 8080, enabled=False)
DUBBO = ConversionPolicy(source="zookeeper", resource_ns="dubbo", dubbo=DubboPolicy())
INTERFACE = ServiceKey(dubbo_scope("", "com.acme.Orders"), "com.acme.Orders")
SHOP = (("k8sNs", "shop"),)
SELECTED = Selection((EndpointSelector(match_labels=(("env", "prod"),)),))


@pytest.mark.parametrize(
    ("policy", "key", "instance", "host", "outcome"),
    [
        (DUBBO, INTERFACE, OFF, "com.acme.orders.dubbo", "disabled"),
        (DUBBO, INTERFACE, Instance("10.0.0.1", 70000), "dubbo/com.acme.orders.dubbo", "port_range"),
        (
            ConversionPolicy(source="nacos"),
            ServiceKey(SCOPE, "orders"),
            Instance("10.0.0.1", 8080, weight=0.0, metadata=SHOP),
            "orders.shop.svc.cluster.local",
            "weight",
        ),
        (
            ConversionPolicy(source="nacos", selection=SELECTED),
            ServiceKey(SCOPE, "orders"),
            Instance("10.0.0.1", 8080, metadata=SHOP),
            "orders.shop.svc.cluster.local",
            "selector",
        ),
    ],
)
async def test_a_service_without_a_usable_instance_is_found_by_the_host_that_its_instances_would_give_it(
    policy: ConversionPolicy, key: ServiceKey, instance: Instance, host: str, outcome: str
) -> None:
    world = GuardedWorld(conversion=policy)
    await world.read(key.name, (instance,), key.scope)

    (answer,) = ask(world, {key: (instance,)}, host)

    assert ("", {"10.0.0.1": outcome}) == (answer.version, outcomes(answer))
    assert [] == ask(world, {key: (instance,)}, f"x{host}")


async def test_services_merged_into_one_host_are_all_told(world: GuardedWorld) -> None:
    services = {"orders": instances(1)}
    await world.show(services)
    await world.show({"Orders": instances(2)}, OTHER_SCOPE)

    (answer,) = ask(world, services)

    assert ["nacos/public/BATCH/Orders", "nacos/public/DEFAULT_GROUP/orders"] == [
        each.service for each in answer.services
    ]
    assert ["host_shared"] == [each.reason for each in answer.rejects]


async def test_nothing_is_known_of_a_stranger(world: GuardedWorld) -> None:
    await world.show({"orders": instances(1)})

    assert [] == ask(world, {"orders": instances(1)}, "stranger")


async def test_an_address_that_no_registry_names_is_said_to_be_so(world: GuardedWorld) -> None:
    services = {"orders": instances(1)}
    await world.show(services)

    (answer,) = ask(world, services, address="10.0.0.9")

    assert {"10.0.0.9": "unregistered"} == outcomes(answer)


async def test_a_host_outside_the_list_of_the_source_is_said_to_be_so() -> None:
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos", territory=Territory(hosts=("*.bank",))))
    services = {"orders": instances(1)}
    await world.show(services)

    (answer,) = ask(world, services)

    assert {"10.0.0.1": "host_denied"} == outcomes(answer)


async def test_what_is_too_old_to_be_served_is_said_to_be_so() -> None:
    policy = msgspec.structs.replace(POLICY, max_stale_s=300.0)
    world = GuardedWorld(policy, ConversionPolicy(source="nacos"))
    services = {"orders": instances(1)}
    await world.show(services)
    await world.wait(400)

    (answer,) = ask(world, services)
    assert {"10.0.0.1": "served"} == outcomes(answer)
    await world.wait(11)

    (answer,) = ask(world, services)
    assert {"10.0.0.1": "expired"} == outcomes(answer)


async def test_an_address_that_another_service_took_is_said_to_be_so(world: GuardedWorld) -> None:
    services = {"orders": instances(1, 2)}
    await world.show(services)
    await world.take(SourceSynced("nacos"))
    world.now += 400
    await world.show({"users": instances(1)}, OTHER_SCOPE)

    (answer,) = ask(world, services)

    assert {"10.0.0.1": "gave_way", "10.0.0.2": "served"} == outcomes(answer)


async def test_a_host_that_a_rule_leaves_to_another_source_is_said_to_be_so() -> None:
    rule = MergeRule(sharing=Sharing.PREFER, order=("zookeeper", "nacos"))
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos", merging=MergePolicy(rule)))
    services = {"orders": instances(1)}
    await world.show(services)
    await world.show({"orders": instances(2)}, Scope("zookeeper", "", "", ""))

    (answer,) = ask(world, services, address="10.0.0.1")

    assert {"10.0.0.1": "host_left_to_other"} == outcomes(answer)


async def test_each_port_of_an_address_has_its_own_reason(world: GuardedWorld) -> None:
    two_ports = {"orders": (*instances(1), *instances(1, port=9090), *instances(1, port=7070))}
    await world.show(two_ports)
    await world.take(SourceSynced("nacos"))
    world.now += 400
    await world.show({"users": instances(1, port=9090)}, OTHER_SCOPE)

    (answer,) = ask(world, two_ports, address="10.0.0.1")
    assert {
        ("10.0.0.1", 7070): "served",
        ("10.0.0.1", 8080): "served",
        ("10.0.0.1", 9090): "gave_way",
    } == places(answer)
    (answer,) = ask(world, two_ports, address="10.0.0.1", port=9090)
    assert {("10.0.0.1", 9090): "gave_way"} == places(answer)
    (answer,) = ask(world, two_ports, address="10.0.0.1", port=6060)
    assert {("10.0.0.1", 6060): "unregistered"} == places(answer)


async def test_one_port_of_an_address_is_enough_to_ask_about(world: GuardedWorld) -> None:
    services = {"orders": instances(1), "users": instances(1, port=9090)}
    await world.show(services)

    assert ["nacos/users.nacos"] == [each.resource for each in ask(world, services, "", "10.0.0.1", 9090)]
    assert [] == ask(world, services, "", "10.0.0.1", 7070)


async def test_the_reason_of_an_address_is_not_that_of_a_longer_one(world: GuardedWorld) -> None:
    await world.show({"orders": (Instance("10.0.0.10", 70000), *instances(2))})
    services = {"orders": (Instance("10.0.0.10", 70000), *instances(1, 2))}

    (answer,) = ask(world, services)

    assert {"10.0.0.1": "not_served", "10.0.0.10": "port_range", "10.0.0.2": "served"} == outcomes(answer)


@pytest.mark.parametrize("registered", ["2001:db8::1", "2001:DB8:0:0::1"])
@pytest.mark.parametrize("asked", ["2001:db8::1", "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "[2001:db8::1]"])
async def test_an_ipv6_address_is_known_in_every_form(world: GuardedWorld, registered: str, asked: str) -> None:
    services = {"orders": (Instance(registered, 8080), Instance("2001:db8::2", 8080))}
    await world.show(services)

    for host in ("", ORDERS):
        (answer,) = ask(world, services, host, asked, 8080)
        assert {(registered, 8080): "served"} == places(answer)
    assert [] == ask(world, services, "", f"{asked}1")


async def test_an_instance_is_known_by_its_secure_port_when_the_plain_one_is_closed(world: GuardedWorld) -> None:
    services = {"orders": (Instance("10.0.0.1", 8080, port_enabled=False, secure_port=8443),)}
    await world.show(services)

    for port in (0, 8080, 8443):
        (answer,) = ask(world, services, address="10.0.0.1", port=port)
        assert {("10.0.0.1", 8080): "served"} == places(answer)


async def test_what_relabelling_changed_stands_with_the_instance() -> None:
    steps = (RelabelStep("env", "lane"),)
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos", relabel=steps))
    metadata = (("env", "a\nb" + "c" * 300),)
    services = {"orders": (Instance("10.0.0.1", 8080, metadata=metadata),)}
    await world.show(services)

    (answer,) = ask(world, services)

    ((instance,),) = [service.instances for service in answer.services]
    ((key, before, after),) = [msgspec.structs.astuple(each) for each in instance.relabelled]
    assert ("lane", None, True) == (key, before, after.startswith("a\\nbccc"))
    assert 200 == len(after)


async def test_more_steps_than_anybody_reads_are_not_all_shown() -> None:
    steps = tuple(RelabelStep("env", f"lane{number}") for number in range(100))
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos", relabel=steps))
    services = {"orders": (Instance("10.0.0.1", 8080, metadata=(("env", "a"),)),)}
    await world.show(services)

    (answer,) = ask(world, services)

    assert [MAX_REWRITES] == [len(each.relabelled) for service in answer.services for each in service.instances]


ELSEWHERE = Scope("zookeeper", "", "", "")
FIRST_WRITTEN = ConversionPolicy(source="nacos", merging=MergePolicy(MergeRule(order=("zookeeper", "nacos"))))


def written(*, export_to: tuple[str, ...] = ()) -> EntryListing:
    """An entry that a person wrote for the host of the orders."""
    ports = (ServicePort(8080, "HTTP", "http-8080"),)
    return EntryListing(ELSEWHERE, {"a": ServiceEntry("shop", "orders", (ORDERS,), ports, export_to=export_to)})


async def test_a_host_that_a_person_has_written_too_is_one_resource() -> None:
    world = GuardedWorld(conversion=FIRST_WRITTEN)
    services = {"orders": instances(1)}
    await world.take(written())
    await world.show(services)

    (answer,) = ask(world, services)

    assert ("shop/orders", {"10.0.0.1": "served"}) == (answer.resource, outcomes(answer))


async def test_what_waits_for_a_valid_entry_is_said_to_be_so() -> None:
    world = GuardedWorld(conversion=FIRST_WRITTEN)
    await world.take(written())
    await world.show({"orders": instances(1)})
    await world.take(written(export_to=("no such namespace!",)))
    services = {"orders": instances(1, 2)}
    await world.show(services)

    (answer,) = ask(world, services)

    assert ("quarantine", {"10.0.0.1": "served", "10.0.0.2": "quarantine"}) == (answer.rule, outcomes(answer))
    details = {each.address: each.detail for service in answer.services for each in service.instances}
    assert "(export_to: no such namespace! no legal visibility; held back)" in details["10.0.0.2"]
    assert [("quarantine", "nacos/public/DEFAULT_GROUP")] == [
        (line.what, line.scope) for line in world.reducer.journal.list_newest("", 20) if line.rule
    ]
    assert [1.0, 1.0] == [
        world.metric("guard_decisions_total", verdict="quarantine"),
        world.metric("held_services", rule="quarantine"),
    ]


async def test_an_endpoint_behind_a_kept_port_is_not_said_to_be_kept() -> None:
    world = GuardedWorld(msgspec.structs.replace(POLICY, port_grace_s=300))
    await world.show({"orders": (*instances(1), *instances(2, port=7070))})
    services = {"orders": instances(1)}
    await world.show(services)

    (answer,) = ask(world, services)

    assert ("port_grace", {"10.0.0.1": "served"}, ()) == (answer.rule, outcomes(answer), answer.kept)


async def test_a_service_that_lost_its_host_to_another_is_said_to_be_so() -> None:
    policy = ConversionPolicy(source="zookeeper", resource_ns="dubbo", dubbo=DubboPolicy())
    world = GuardedWorld(conversion=policy)
    upper, lower = "com.acme.Orders", "com.acme.orders"
    for name, number in ((upper, 1), (lower, 2)):
        await world.read(name, instances(number), dubbo_scope("", name))
    both = {ServiceKey(dubbo_scope("", name), name): instances(number) for name, number in ((upper, 1), (lower, 2))}

    (answer,) = ask(world, both, "com.acme.orders.dubbo")

    assert {"10.0.0.1": "served", "10.0.0.2": "merged_away"} == outcomes(answer)
    assert 1 == answer.endpoints


async def test_an_instance_whose_metadata_names_another_service_is_said_to_be_elsewhere() -> None:
    naming = ServiceNaming((NamePart(PartKind.METADATA, "service"),))
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos", service_naming=naming))
    orders, users = (("service", "orders"),), (("service", "users"),)
    services = {
        "all": (Instance("10.0.0.1", 8080, metadata=orders), Instance("10.0.0.2", 8080, metadata=users)),
    }
    await world.show(services)

    (answer,) = ask(world, services)

    assert {"10.0.0.1": "served", "10.0.0.2": "elsewhere"} == outcomes(answer)
    details = {each.address: each.detail for service in answer.services for each in service.instances}
    assert "it belongs to nacos/users.nacos" == details["10.0.0.2"]


async def test_what_the_store_has_not_taken_over_yet_is_not_served(world: GuardedWorld) -> None:
    await world.show({"orders": instances(1)})

    (answer,) = ask(world, {"orders": instances(1, 2)})

    assert {"10.0.0.1": "served", "10.0.0.2": "not_served"} == outcomes(answer)
    details = {each.address: each.detail for service in answer.services for each in service.instances}
    assert "its source has told of it, and it has not been taken over yet" == details["10.0.0.2"]


async def test_an_address_that_is_registered_and_not_served_is_found_by_itself(world: GuardedWorld) -> None:
    off = Instance("10.0.0.9", 8080, enabled=False)
    services = {"orders": (*instances(1), off), "stock": (off,), "users": instances(2)}
    await world.show(services)

    orders, unserved = ask(world, services, "", "10.0.0.9")

    assert ("nacos/orders.nacos", {"10.0.0.9": "disabled"}) == (orders.resource, outcomes(orders))
    assert ("10.0.0.9", "", {"10.0.0.9": "disabled"}) == (unserved.resource, unserved.version, outcomes(unserved))
    assert ["nacos/public/DEFAULT_GROUP/stock"] == [each.service for each in unserved.services]


async def test_of_many_instances_those_that_are_not_served_are_told(world: GuardedWorld) -> None:
    served = instances(*range(1, 1001))
    services = {"orders": (*served, Instance("10.9.9.9", 8080, enabled=False))}
    await world.show(services)

    (answer,) = ask(world, services)

    (service,) = answer.services
    assert (MAX_INSTANCES, 1001 - MAX_INSTANCES) == (len(service.instances), service.more_instances)
    assert ("10.9.9.9", "disabled") == (service.instances[0].address, service.instances[0].outcome)
    assert 1000 == answer.endpoints


async def test_of_many_services_with_one_host_a_part_is_told_and_the_rest_counted(world: GuardedWorld) -> None:
    scopes = [Scope("nacos", "", "public", f"group-{number:03}") for number in range(MAX_SERVICES + 10)]
    known = {ServiceKey(scope, "orders"): instances(number + 1) for number, scope in enumerate(scopes)}
    for key, found in known.items():
        await world.read(key.name, found, key.scope)

    (answer,) = ask(world, known)

    assert (MAX_SERVICES, 10, MAX_SERVICES + 10) == (len(answer.services), answer.more_services, answer.endpoints)


@pytest.mark.parametrize("is_remembered", [True, False])
async def test_of_many_services_with_one_host_the_one_with_the_address_is_told(
    world: GuardedWorld, *, is_remembered: bool
) -> None:
    scopes = [Scope("nacos", "", "public", f"group-{number:03}") for number in range(MAX_SERVICES + 10)]
    known = {ServiceKey(scope, "orders"): instances(number + 1) for number, scope in enumerate(scopes)}
    for key, found in known.items():
        await world.read(key.name, found, key.scope)

    (answer,) = ask(world, known if is_remembered else {}, address=f"10.0.0.{MAX_SERVICES + 9}")

    assert (MAX_SERVICES, 10) == (len(answer.services), answer.more_services)
    assert ["served"] == [each.outcome for each in answer.services[0].instances]
    assert f"nacos/public/group-{MAX_SERVICES + 8:03}" == answer.services[0].scope


async def test_of_many_kept_endpoints_a_part_is_told_and_the_rest_counted(world: GuardedWorld) -> None:
    await world.show({"orders": instances(*range(1, MAX_INSTANCES + 8))})
    await world.show({})
    await world.take(Accept(world.hold(), "ann"))

    (answer,) = ask(world, {})

    assert ("empty_grace", MAX_INSTANCES, 7) == (answer.rule, len(answer.kept), answer.more_kept)


async def test_of_many_resources_of_an_address_a_part_is_told_and_the_rest_counted(world: GuardedWorld) -> None:
    services = {f"s{number:02}": instances(1) for number in range(MAX_RESOURCES + 5)}
    await world.show(services)

    steps = world.reducer.explainer.explain(Question("", "10.0.0.1"), Memory(services))

    assert [5] * MAX_RESOURCES == [each.more_resources for each in steps if each is not None]


async def test_a_large_world_is_searched_in_steps(world: GuardedWorld) -> None:
    services = fleet(3000, 4)
    await world.show(services)

    for question in (Question("s7.nacos.svc.cluster.local", ""), Question("", "10.0.0.5")):
        steps = list(world.reducer.explainer.explain(question, Memory(services)))
        assert steps.count(None) > 3
        assert 1 == len(steps) - steps.count(None)


async def test_a_source_that_comes_during_a_search_is_found_by_the_next_one(world: GuardedWorld) -> None:
    late = ServiceKey(Scope("eureka", "", "", ""), "late")
    known = {**{ServiceKey(SCOPE, name): found for name, found in fleet(3000, 4).items()}, late: (OFF,)}
    await world.show(fleet(3000, 4))
    steps = world.reducer.explainer.explain(Question("late.eureka.svc.cluster.local", ""), Memory(known))
    assert [None] * 7 == [next(steps) for _ in range(7)]

    conversion = ConversionPolicy(source="eureka", default_service_ns="eureka")
    await world.take(RulesReplaced({"eureka": SourceRules(conversion, POLICY)}, restarted=frozenset({"eureka"})))

    assert {None} == set(steps)
    (answer,) = ask(world, known, "late.eureka.svc.cluster.local")
    assert {"10.0.0.1": "disabled"} == outcomes(answer)


async def test_what_waits_for_room_within_the_limits_is_said_to_do_so() -> None:
    world = GuardedWorld(conversion=ConversionPolicy(source="nacos"), limits=SourceLimits(services=1, instances=2))
    services = {"orders": instances(1, 2, 3), "users": instances(7)}
    await world.show(services)

    (orders,) = ask(world, services)
    (users,) = ask(world, services, "users.nacos.svc.cluster.local")

    assert {"10.0.0.1": "served", "10.0.0.2": "served", "10.0.0.3": "instances_limit"} == outcomes(orders)
    assert ("", {"10.0.0.7": "services_limit"}) == (users.version, outcomes(users))
