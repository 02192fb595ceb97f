"""Whatever happens to two simulated peers with all their caches: once it is quiet, our view is the full fetch."""

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshregistry.sim.eureka.caches import CacheOptions
from meshregistry.sim.eureka.codecs import SPRING, XSTREAM
from meshregistry.sim.eureka.faults import BodyFault, Fault
from meshregistry.sim.eureka.node import NodeOptions
from meshregistry.sim.eureka.registry import RegistryOptions
from tests.support.eureka_world import EurekaWorld

pytestmark = pytest.mark.timeout(300)

DOWN = Fault(status=0)
FAULTS = {
    "none": None,
    "down": DOWN,
    "closed": Fault(status=403),
    "no deltas": Fault(path="/apps/delta", status=403),
    "broken deltas": Fault(path="/apps/delta", body=BodyFault.TRUNCATED),
    "broken": Fault(path="/apps", body=BodyFault.TRUNCATED),
    "web page": Fault(body=BodyFault.HTML),
    "busy": Fault(status=503),
}


class Step(NamedTuple):
    """One thing that happens."""

    kind: str
    peer: int = 0
    application: str = ""
    id: str = ""
    value: str = ""
    seconds: float = 0.0


PEER = st.integers(0, 1)
APPLICATION = st.sampled_from(["A", "B"])
ID = st.sampled_from(["1", "2", "3"])
STATUS = st.sampled_from(["UP", "DOWN", "OUT_OF_SERVICE"])
STEPS = st.one_of(
    st.builds(Step, st.just("register"), PEER, APPLICATION, ID, st.sampled_from(["10.0.0.1", "10.0.0.2"])),
    st.builds(Step, st.just("override"), PEER, APPLICATION, ID, STATUS),
    st.builds(Step, st.just("clear"), PEER, APPLICATION, ID, STATUS),
    st.builds(Step, st.just("cancel"), PEER, APPLICATION, ID),
    st.builds(Step, st.just("renew"), PEER, APPLICATION, ID),
    st.builds(Step, st.just("fault"), PEER, value=st.sampled_from(sorted(FAULTS))),
    st.builds(Step, st.sampled_from(["restart", "restart and copy", "part", "join", "forget"]), PEER),
    st.builds(Step, st.just("poll"), seconds=st.sampled_from([0.5, 5.0, 31.0, 160.0, 700.0])),
)
OPTIONS = st.builds(
    NodeOptions,
    registry=st.builds(RegistryOptions, self_preservation=st.booleans()),
    caches=st.builds(CacheOptions, use_copy=st.booleans()),
    codec=st.sampled_from([SPRING, XSTREAM]),
)


@settings(max_examples=30, deadline=None)
@given(OPTIONS, st.lists(STEPS, max_size=40))
def test_once_it_is_quiet_the_view_is_the_full_fetch(options: NodeOptions, steps: list[Step]) -> None:
    asyncio.run(_live(options, steps))


async def _live(options: NodeOptions, steps: list[Step]) -> None:
    world = EurekaWorld(options)
    for step in steps:
        if step.kind != "poll":
            _act(world, step)
            continue
        before = dict(world.view.services)
        error = await world.poll(step.seconds)
        assert not world.all_down or (error is not None and before == world.view.services)
    world.faults = [None, None]
    for node in world.nodes:
        node.is_connected = True
    # Later than every cache, lease, quarantine and hold; then as often as it takes to believe a small answer.
    for pause in [700.0] + [31.0] * 12:
        error = await world.poll(pause)

    in_use = 0 if "peer0" in str(world.page["address"]) else 1
    assert error is None
    assert world.shown(in_use) == world.view.services

    # A change that no delta shows is found by the hash, long before everything is due again.
    world.register(in_use, "LAST", "last", "10.0.0.3")
    world.nodes[in_use].registry.forget_changes()
    for _ in range(3):
        assert await world.poll(31.0) is None
    assert world.shown(in_use) == world.view.services
    assert "LAST" in world.view.services


def _act(world: EurekaWorld, step: Step) -> None:
    """Let a step happen to a server."""
    node, application, id_ = world.nodes[step.peer], step.application, step.id
    match step.kind:
        case "register":
            world.register(step.peer, application, id_, step.value)
        case "override":
            node.change(*[lambda registry: registry.override(application, id_, step.value)] * 2)
        case "clear":
            node.change(*[lambda registry: registry.clear_override(application, id_, step.value)] * 2)
        case "cancel":
            node.change(*[lambda registry: registry.cancel(application, id_)] * 2)
        case "renew":
            node.change(*[lambda registry: registry.renew(application, id_)] * 2)
        case "fault":
            world.faults[step.peer] = FAULTS[step.value]
        case "restart" | "restart and copy":
            node.restart(copies_peers=step.kind == "restart and copy")
        case "part" | "join":
            node.is_connected = step.kind == "join"
        case "forget":
            node.registry.forget_changes()
