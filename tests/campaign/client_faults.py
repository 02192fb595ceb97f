"""What clients do to Meshregistry: too many, too slow, too often, and hostile ones on both ports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from meshregistry.watch.client import ClientOptions, Conduct, IstiodClient, Seams
from meshregistry.watch.transport import DialOptions
from tests.campaign.hostile import ADS_ATTACKS, HTTP_ATTACKS, attack
from tests.campaign.scene import Scene
from tests.campaign.witness import endpoints_of

CROWD = 500

_SLOW = 50
_STORMERS, _STORM_S = 100, 5.0
_CROWD_TIMEOUT_S = 180.0
_ROUNDS = 3


async def crowd(scene: Scene) -> None:
    """500 clients connect at once; everybody gets everything, and every change."""
    clients = [_client(scene) for _ in range(CROWD)]
    async with _running([client.run for client in clients]):
        async with asyncio.timeout(_CROWD_TIMEOUT_S):
            for client in clients:
                await client.wait_until(lambda model: model.synced)
        for _ in range(_ROUNDS):
            await scene.change()
        await scene.judge_meanwhile()
        async with asyncio.timeout(_CROWD_TIMEOUT_S):
            for client in clients:
                await client.wait_until(lambda model: endpoints_of(model) == scene.witness.held)


async def slow_readers(scene: Scene) -> None:
    """50 clients ask for everything and read nothing, until they are put out; all others get every change."""
    clients = [_client(scene, Conduct(stop_reading=True)) for _ in range(_SLOW)]
    async with _running([client.run for client in clients]):
        for _ in range(8):
            await scene.change()
            await asyncio.sleep(1)
        await scene.judge_meanwhile()


async def storm(scene: Scene) -> None:
    """100 clients connect, ask and hang up, again and again, for five seconds."""
    deadline = asyncio.get_running_loop().time() + _STORM_S

    async def connect() -> None:
        while asyncio.get_running_loop().time() < deadline:
            task = asyncio.ensure_future(_client(scene).run())
            await asyncio.sleep(scene.dice.random() / 2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async with _running([connect for _ in range(_STORMERS)]):
        await scene.change()
        await asyncio.sleep(_STORM_S)


async def hostile_ads(scene: Scene) -> None:
    """Everything that must not be said on the ADS port is said, from many connections at once, under change."""
    await _attack(scene, scene.process.ads, "ads")


async def hostile_http(scene: Scene) -> None:
    """The same on the HTTP port."""
    await _attack(scene, scene.process.http, "http")


async def _attack(scene: Scene, port: int, kind: str) -> None:
    attacks = ADS_ATTACKS if kind == "ads" else HTTP_ATTACKS
    for _ in range(_ROUNDS):
        await asyncio.gather(*(attack(each, port) for each in attacks), scene.change())
    await scene.judge_meanwhile()


def _client(scene: Scene, conduct: Conduct | None = None) -> IstiodClient:
    options = ClientOptions(DialOptions("127.0.0.1", scene.process.ads), conduct=conduct or Conduct())
    return IstiodClient(options, seams=Seams(sleep=lambda pause_s: asyncio.sleep(min(pause_s, 2.0))))


@asynccontextmanager
async def _running(acts: list[Callable[[], Coroutine[object, object, object]]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(act()) for act in acts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
