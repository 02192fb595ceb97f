"""The fault campaign and the soak themselves, on simulators: that they run, and that they see a loss."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaign.catalogue import FAULTS
from tests.campaign.fault import Fault, Make, Outcome, strike
from tests.campaign.nacos import SimulatedNacos
from tests.campaign.registry import Registry
from tests.campaign.scene import Scene, Size
from tests.campaign.worlds import WORLDS

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False),
]


async def run(module: str, *arguments: str) -> tuple[int, str]:
    """Run a program of the campaign; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_a_small_campaign_passes() -> None:
    faults = [part for name in ("eureka-peer-empty", "kill") for part in ("--only", name)]
    code, output = await run("tests.campaign", "--no-real", "--times=1", "--services=3", "--guard-s=1", *faults)

    assert "passed: 2 faults, 2 times, 0 lost, 0 wrong, 0 left something behind" in output, output
    assert 0 == code


async def test_a_small_soak_passes_and_leaves_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "soak.png"
    code, output = await run(
        "tests.campaign.soak", "--minutes=0.05", "--seed=7", "--rate=40", "--services=3", f"--png={picture}"
    )

    assert "passed: " in output, output
    assert 0 == code
    assert picture.read_bytes().startswith(b"\x89PNG")


async def test_a_fault_in_whose_place_nothing_happens_counts_as_not_made(tmp_path: Path) -> None:
    registries = WORLDS[0].build(tmp_path, 1.0)
    scene = Scene(tmp_path, registries, 1.0)
    outcomes = []
    async with scene.running(Size(2, 3)):
        for fault in FAULTS:
            registry = next(filter(fault.meets, registries), None)
            idle = replace(fault, make=fault.make and nothing, make_all=fault.make_all and nothing)
            outcomes.append(Outcome(fault.name, "nothing"))
            await strike(scene, idle, registry, outcomes[-1])

    assert [fault.name for fault in FAULTS] == [each.fault for each in outcomes if each.unproven]
    assert [] == [each.fault for each in outcomes if each.is_good or each.lost or each.wrong]


async def take(scene: Scene, registry: Registry) -> None:
    """Have an instance vanish from the registry although its owner believes it there, until the witness misses it."""
    taken = min(registry.owned)
    await registry.deregister(taken)
    registry.owned.add(taken)
    await scene.witness.until(lambda: bool(scene.witness.lost), 60.0)
    registry.owned.discard(taken)


async def nothing(scene: Scene, registry: Registry | None = None) -> None:
    """Break nothing."""


async def struck(name: str, make: Make, folder: Path, stage: type[Scene] = Scene) -> Outcome:
    """Make a fault of the test's own of a simulated Nacos; return what a campaign says of it."""
    nacos = SimulatedNacos(1, 1.0)
    scene = stage(folder, [nacos], 1.0)
    outcome = Outcome(name, nacos.name)
    async with scene.running(Size(2, 3)):
        await strike(scene, Fault(name, (), make), nacos, outcome)
    return outcome


async def test_a_campaign_sees_what_was_taken_from_a_living_owner(tmp_path: Path) -> None:
    outcome = await struck("take", take, tmp_path)

    assert (1, 0) == (outcome.lost, outcome.wrong)
    assert not outcome.is_good


async def reweigh(scene: Scene, registry: Registry) -> None:
    """Have an instance get a weight that its owner never gave it, until the witness holds it so."""
    assert isinstance(registry, SimulatedNacos)
    endpoint = min(registry.owned)
    said = registry.registration(endpoint)
    await registry.rig.register(endpoint.service, endpoint.address, said.port, weight=7.0, metadata=dict(said.metadata))
    await scene.witness.until(lambda: bool(scene.witness.wrong), 60.0)


async def test_a_campaign_sees_what_is_served_otherwise_than_its_owner_registered_it(tmp_path: Path) -> None:
    outcome = await struck("reweigh", reweigh, tmp_path)

    assert (0, 1) == (outcome.lost, outcome.wrong)
    assert "weight=700" in outcome.notes[0]


class RestlessScene(Scene):
    """A scene in which an instance is taken while a fault comes to rest."""

    async def come_to_rest(self, *, is_new: bool) -> str:
        """Take an instance first."""
        await take(self, self.registries[0])
        return await super().come_to_rest(is_new=is_new)


async def test_a_campaign_sees_what_was_taken_while_it_came_to_rest(tmp_path: Path) -> None:
    outcome = await struck("nothing", nothing, tmp_path, RestlessScene)

    assert (1, 0) == (outcome.lost, outcome.wrong)


async def test_a_campaign_sees_what_was_taken_between_two_faults_and_after_the_last(tmp_path: Path) -> None:
    nacos = SimulatedNacos(1, 1.0)
    scene = Scene(tmp_path, [nacos], 1.0)
    outcome = Outcome("nothing", nacos.name)
    async with scene.running(Size(2, 3)):
        await take(scene, nacos)
        await strike(scene, Fault("nothing", (), nothing), nacos, outcome)
        between = outcome.lost
        await take(scene, nacos)
        outcome.count(scene)

    assert (1, 2) == (between, outcome.lost)


async def test_what_a_fault_objects_to_is_wrong(tmp_path: Path) -> None:
    async def object_to_it(scene: Scene, registry: Registry) -> None:
        scene.objections.append("not said to be stale")

    nacos = SimulatedNacos(1, 1.0)
    scene = Scene(tmp_path, [nacos], 1.0)
    outcome = Outcome("object", nacos.name)
    async with scene.running(Size(2, 3)):
        await strike(scene, Fault("object", (), object_to_it), nacos, outcome)

    assert (0, 1, ["not said to be stale"]) == (outcome.lost, outcome.wrong, outcome.notes)
