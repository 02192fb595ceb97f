"""The labels of pods go over those of endpoints, where the source's policy wants them."""

import msgspec
import pytest

from meshregistry.model.instance import Scope
from meshregistry.model.pods import PodLabels, PodsChanged
from meshregistry.model.policy import Profile
from meshregistry.store.rules import RulesReplaced
from tests.support.guarded_world import GuardedWorld, instances, sharing
from tests.unit.store.test_reducer import ORDERS, USERS, World, changed, instance, listing

pytestmark = pytest.mark.anyio

ZONE = (("topology.kubernetes.io/region", "east"), ("topology.kubernetes.io/zone", "z1"))


def pods(**by_last: PodLabels | None) -> PodsChanged:
    """What has changed, by the last number of each address (`_1`)."""
    return PodsChanged({f"10.0.0.{last[1:]}": labels for last, labels in by_last.items()})


def labels(world: World, name: str = ORDERS) -> list[dict[str, str]]:
    return [dict(each.labels) for each in world.entries()[name].endpoints]


@pytest.fixture
def world() -> World:
    return World(label_patch=True)


async def test_a_pods_labels_win_over_the_endpoints_and_supply_the_entrys(world: World) -> None:
    await world.take(listing(orders=(instance(1, app="registry", color="red"), instance(2))))
    await world.take(pods(_1=PodLabels((("app", "pod"), ("version", "v1")))))

    assert [{"app": "pod", "color": "red", "version": "v1"}, {}] == labels(world)
    assert "pod" == dict(world.entries()[ORDERS].labels)["app"]


async def test_only_the_resources_at_an_address_that_changed_move(world: World) -> None:
    await world.take(listing(orders=(instance(1),), users=(instance(2),)))
    known = pods(_1=PodLabels((("app", "a"),)), _9=PodLabels((("app", "nobody"),)))

    assert [changed(ORDERS)] == await world.take(known)
    assert [] == await world.take(known)
    assert [changed(USERS)] == await world.take(pods(_1=PodLabels((("app", "a"),)), _2=PodLabels((("app", "b"),))))


async def test_what_is_known_first_is_there_when_the_instance_comes(world: World) -> None:
    await world.take(pods(_1=PodLabels((("app", "a"),))))
    await world.take(listing(orders=(instance(1),)))

    assert [{"app": "a"}] == labels(world)


async def test_a_pod_that_is_gone_gives_the_endpoint_its_own_labels_back(world: World) -> None:
    await world.take(listing(orders=(instance(1, app="registry"),)))
    await world.take(pods(_1=PodLabels((("app", "pod"),))))
    await world.take(pods(_1=None, _2=None))

    assert [{"app": "registry"}] == labels(world)


async def test_the_place_of_the_node_counts_where_the_endpoint_has_none(world: World) -> None:
    own = msgspec.structs.replace(instance(2), metadata=(("topology.kubernetes.io/region", "west"),))
    await world.take(listing(orders=(instance(1), own)))
    await world.take(pods(_1=PodLabels((), ZONE), _2=PodLabels((), ZONE)))

    assert ["east/z1", "west"] == [each.locality for each in world.entries()[ORDERS].endpoints]
    assert "east.z1" == labels(world)[0]["istio-locality"]


async def test_what_is_served_under_the_name_of_another_source_gets_the_labels_too() -> None:
    world, sources = GuardedWorld(), frozenset({"eureka", "nacos"})
    rules = {source: sharing(source, label_patch=True) for source in sources}
    await world.take(RulesReplaced(rules, restarted=sources))
    await world.show({"orders": instances(9)}, Scope("eureka", "", "", ""))
    await world.show({"orders": instances(1)})

    await world.take(pods(_1=PodLabels((("app", "pod"),))))

    assert [(("app", "pod"),), ()] == [each.labels for each in world.entries()["eureka/orders.shop"].endpoints]


@pytest.mark.parametrize("profile", Profile)
async def test_without_the_switch_nothing_is_patched(profile: Profile) -> None:
    world = World(profile)
    await world.take(listing(orders=(instance(1),)))

    assert [] == await world.take(pods(_1=PodLabels((("app", "a"),), ZONE)))
    assert [{}] == labels(world)
