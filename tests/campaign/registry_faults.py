"""Faults of a registry and of the way to it. Each breaks, lets the world change meanwhile, and heals."""

import asyncio
import random
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager, suppress

from meshregistry.admin.protocol import Command
from tests.campaign.eureka import Eureka
from tests.campaign.liars import answer_endlessly, answer_garbage
from tests.campaign.registry import Registry
from tests.campaign.scene import Scene
from tests.campaign.zookeeper import RealZooKeeper
from tests.support.tcp_gate import Liar, Weather

_SHORT_S, _LONG_S = 3.0, 8.0
"""Within one time-out of a request, and longer than all of them."""

_SLOW_S = 12.0
"""Longer than the time between two full answers of Eureka: those to changes are short enough to arrive."""

EMPTY, HELD = "an empty answer", "everything held against it"
ELECTED, LITTERED = "another leader", "a hostile record served"
"""What these faults see of their own effect."""

_CUTS = 12
_ANSWER_TIMEOUT_S = _LITTER_TIMEOUT_S = 20.0
FLAPS = 20
_MOST_FLAPS = 5 * FLAPS


async def kill(scene: Scene, registry: Registry) -> None:
    """SIGKILL; the others change; it starts again, and the owners of what it forgot register again after a while."""
    await registry.kill()
    await scene.change_others(registry)
    await asyncio.sleep(_SHORT_S)
    await registry.start()
    await asyncio.sleep(1)
    await registry.register_again()


async def pause(scene: Scene, registry: Registry) -> None:
    """SIGSTOP for longer than every time-out, then SIGCONT."""
    await registry.pause()
    await scene.change_others(registry)
    await asyncio.sleep(_LONG_S)
    await registry.resume()


async def restart_empty(scene: Scene, registry: Registry) -> None:
    """It comes back knowing nothing, and its owners register again within the guard's time."""
    await registry.kill()
    await registry.start(empty=True)
    async with _emptiness(scene, registry):
        await scene.change_others(registry)
    await asyncio.sleep(scene.guard_s / 2)
    await registry.register_again()


async def stay_empty(scene: Scene, registry: Registry) -> None:
    """It comes back knowing nothing and stays so: all is served for the guard's time, and gone some time after it."""
    everything = set(registry.owned)
    await registry.kill()
    await registry.start(empty=True)
    async with _emptiness(scene, registry):
        await asyncio.sleep(scene.guard_s)
    scene.seen[HELD] += everything <= scene.witness.held.keys()
    registry.owned.clear()
    began = asyncio.get_running_loop().time()
    if await scene.witness.until(lambda: not scene.witness.held.keys() & everything, scene.guard_s * 4 + 30):
        held_s = scene.guard_s + asyncio.get_running_loop().time() - began
        scene.notes.append(f"{registry.name}: empty was believed after {held_s:.0f} s")
    else:
        scene.objections.append(f"{registry.name}: empty was never believed")
    await registry.register(*everything)


async def decide(scene: Scene, registry: Registry) -> None:
    """It comes back knowing nothing for good, and an operator accepts each held shrink as soon as it is listed."""
    everything = set(registry.owned)
    await registry.kill()
    await registry.start(empty=True)
    began = asyncio.get_running_loop().time()
    async with _emptiness(scene, registry):
        while not (holds := (await scene.process.decide(Command.HOLDS)).holds):  # noqa: ASYNC110 - another process holds
            await asyncio.sleep(0.2)
    scene.seen[HELD] += everything <= scene.witness.held.keys()
    registry.owned.clear()
    decided = asyncio.get_running_loop().time()
    while any([(await scene.process.decide(Command.ACCEPT, hold.id)).error for hold in holds]):
        holds = (await scene.process.decide(Command.HOLDS)).holds  # more has come to one since it was listed
    if await scene.witness.until(lambda: not scene.witness.held.keys() & everything, scene.guard_s * 0.8):
        took_s = asyncio.get_running_loop().time() - decided
        scene.notes.append(
            f"{registry.name}: held {decided - began:.0f} s after it came back, gone {took_s:.1f} s after the word"
        )
    else:
        scene.objections.append(f"{registry.name}: the operator's word had no effect")
    await registry.register(*everything)


async def refuse(scene: Scene, registry: Registry) -> None:
    """Every connection is cut and new ones are refused while the registry changes."""
    registry.shut()
    await scene.change()
    await asyncio.sleep(_SHORT_S)
    registry.calm()


async def drop(scene: Scene, registry: Registry) -> None:
    """Connections stay and nothing arrives for longer than every time-out, while the registry changes."""
    registry.hold()
    await scene.change()
    await asyncio.sleep(_LONG_S)
    registry.calm()


async def delay(scene: Scene, registry: Registry) -> None:
    """Every piece arrives 300 ms late in either direction."""
    registry.set_weather(Weather(delay_s=0.3))
    await scene.change()
    await asyncio.sleep(_LONG_S)
    registry.calm()


async def slow(scene: Scene, registry: Registry) -> None:
    """Answers come at 500 bytes a second, so that time-outs end them in the midst."""
    registry.set_weather(Weather(bytes_per_s=500))
    await scene.change()
    await asyncio.sleep(_SLOW_S)
    registry.calm()


async def truncate(scene: Scene, registry: Registry) -> None:
    """Connections end in the midst of answers, each time at another byte."""
    for _ in range(_CUTS):
        registry.set_weather(Weather(cut_after=scene.dice.randrange(1, 4000)))
        await asyncio.sleep(0.5)
    await scene.change()
    registry.calm()


async def flap(scene: Scene, registry: Registry) -> None:
    """Every connection is cut five times a second, under change, until 20 were: whoever polls has one now and then."""
    before = _count_cuts(registry)
    for number in range(_MOST_FLAPS):
        for gate in registry.gates:
            gate.cut()
        if number % 5 == 0:
            await scene.change()
        await asyncio.sleep(0.2)
        if number >= FLAPS and _count_cuts(registry) - before >= FLAPS:
            return


def _count_cuts(registry: Registry) -> int:
    return sum(gate.met["cut"] for gate in registry.gates)


async def endless(scene: Scene, registry: Registry) -> None:
    """Whatever is asked, the answer begins well and never ends."""
    await _lie(scene, registry, answer_endlessly)


async def garbage(scene: Scene, registry: Registry) -> None:
    """Whatever is asked, random bytes come back."""
    await _lie(scene, registry, answer_garbage)


async def hostile_records(scene: Scene, registry: Registry) -> None:
    """Somebody registers what no honest owner would, beside everybody else's changes."""
    await registry.litter(random.Random(scene.dice.random()))
    for _ in range(3):
        await scene.change()
        await asyncio.sleep(1)
    scene.seen[LITTERED] += await scene.witness.until(lambda: bool(scene.witness.litter), _LITTER_TIMEOUT_S)
    await registry.clean()
    if not await scene.witness.until(lambda: not scene.witness.litter, _LITTER_TIMEOUT_S):
        scene.objections += [f"{each} did not leave" for each in sorted(scene.witness.litter)]


async def peer_empty(scene: Scene, registry: Registry) -> None:
    """Only one peer can be reached, and that one has just been restarted."""
    assert isinstance(registry, Eureka)
    registry.gates[0].shut()
    await registry.rig.kill(1)
    await registry.start_empty_peer()
    async with _emptiness(scene, registry, await registry.rig.rows(1)):
        await scene.change_others(registry)
    await asyncio.sleep(scene.guard_s / 2)
    registry.calm()
    await registry.register_again()


async def leader(scene: Scene, registry: Registry) -> None:
    """The leader of the ensemble is killed; the registry changes while the others elect; it comes back."""
    assert isinstance(registry, RealZooKeeper)
    killed = await registry.rig.kill_leader()
    await scene.change()
    await asyncio.sleep(_SHORT_S)
    scene.seen[ELECTED] += await registry.rig.leader() is not killed
    await registry.rig.start()


@asynccontextmanager
async def _emptiness(scene: Scene, registry: Registry, known: Sized | None = None) -> AsyncIterator[None]:
    """Note that a registry which has lost its memory answered so; `known` is what it knows.

    The block ends when it has answered. A ZooKeeper that forgot everything takes no session of before, which its client
    gives up only once that would have expired.
    """
    answered = f"source_client_request_count source={registry.kind} status=true"
    before = await scene.process.metric(answered)
    nothing = not (await registry.read() if known is None else known)
    yield
    with suppress(TimeoutError):
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            while await scene.process.metric(answered) <= before:  # noqa: ASYNC110 - another process asks
                await asyncio.sleep(0.2)
        scene.seen[EMPTY] += nothing


async def _lie(scene: Scene, registry: Registry, liar: Liar) -> None:
    for gate in registry.gates:
        gate.liar = liar
        gate.cut()
    await scene.change()
    await asyncio.sleep(_LONG_S)
    registry.calm()
    for gate in registry.gates:
        gate.cut()
