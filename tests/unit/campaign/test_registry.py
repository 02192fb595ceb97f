"""What owners of the campaign say of their instances, and what of that may be served."""

import random
from collections.abc import Iterable, Mapping

import pytest

from tests.campaign.nacos import SimulatedNacos
from tests.campaign.registry import STEERING, Registration
from tests.campaign.served import Endpoint, Served

pytestmark = pytest.mark.anyio
DICE = random.Random(1)


class Noted(SimulatedNacos):
    """A registry that only notes what is registered; `during` acts while an instance is being registered."""

    def __init__(self) -> None:
        super().__init__(1, 1.0)
        self.held: dict[Endpoint, Registration] = {}
        self.taken_meanwhile: list[Endpoint] = []

    async def read(self) -> Mapping[Endpoint, Registration]:
        return self.held

    async def _register(self, endpoint: Endpoint) -> None:
        self.held[endpoint] = self.registration(endpoint)
        if self.revision(endpoint):
            self.taken_meanwhile.append(self.take(DICE))

    async def _deregister(self, endpoint: Endpoint) -> None:
        del self.held[endpoint]


def serve_truth(registry: Noted, endpoint: Endpoint, further_ports: Iterable[int] = ()) -> Served:
    """Return an endpoint as it must be served when its service has these ports beside its own."""
    said = registry.held[endpoint]
    return registry.expect(endpoint, said, {said.port, *further_ports})


async def test_owners_say_different_things_and_every_fourth_what_nobody_may() -> None:
    registry = Noted()
    endpoints = [registry.invent(0) for _ in range(60)]
    await registry.register(*endpoints)

    assert {8080, 9090} == {each.port for each in registry.held.values()}
    assert {1, 2, 3} == {each.weight for each in registry.held.values()}
    assert 5 == len({dict(each.metadata)["revision"] for each in registry.held.values()})
    assert 15 == sum(STEERING.keys() <= dict(each.metadata).keys() for each in registry.held.values())


async def test_an_altered_instance_has_another_weight_and_another_label_and_both_are_accepted() -> None:
    registry = Noted()
    first, second = registry.invent(0), registry.invent(0)
    await registry.register(first, second)
    before = {each: serve_truth(registry, each) for each in (first, second)}
    await registry.alter(DICE)
    altered = next(each for each in (first, second) if registry.revision(each))
    after = serve_truth(registry, altered)

    assert before[altered].weight != after.weight
    assert before[altered].labels != after.labels
    assert registry.accepts(altered, before[altered])
    assert registry.accepts(altered, after)
    assert not registry.accepts(altered, after._replace(weight=700))


async def test_what_is_being_altered_is_given_up_by_nobody() -> None:
    registry = Noted()
    first, second = registry.invent(0), registry.invent(0)
    await registry.register(first, second)
    await registry.alter(DICE)

    assert [first if registry.revision(second) else second] == registry.taken_meanwhile


async def test_an_endpoint_is_accepted_whatever_ports_its_service_has_beside_its_own() -> None:
    registry = Noted()
    endpoint = registry.invent(0)
    await registry.register(endpoint)
    served = serve_truth(registry, endpoint, [1234])

    assert registry.accepts(endpoint, served)
    assert not registry.accepts(endpoint, served._replace(ports=served.ports[:1]))
    assert not registry.accepts(endpoint._replace(address="10.1.9.9"), served)


async def test_the_ports_of_a_service_are_those_of_all_its_instances() -> None:
    registry = Noted()
    endpoints = [registry.invent(number) for number in (0, 0, 0, 1)]
    await registry.register(*endpoints)
    ports = {
        each.service: {registry.registration(one).port for one in endpoints if one.service == each.service}
        for each in endpoints
    }

    assert {each: (serve_truth(registry, each, ports[each.service]),) for each in endpoints} == await registry.truth()
