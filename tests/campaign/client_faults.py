"""What clients do to Meshregistry: too many, too slow, too often, and hostile ones on both ports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from meshregistry.watch.client import ClientOptions, IstiodClient, Seams
from meshregistry.watch.codec import IstiodCodec
from meshregistry.watch.families import ISTIOD_124
from meshregistry.watch.model import IstiodModel
from meshregistry.watch.resources import Node
from meshregistry.watch.transport import DialOptions
from tests.campaign.hostile import ADS_ATTACKS, HTTP_ATTACKS, attack
from tests.campaign.scene import Scene
from tests.campaign.served import View, versions_of
from tests.campaign.witness import leave_out_litter
from tests.support.h2_client import H2Client

CROWD = 500
STREAMS = "open streams"
"""What the crowd sees of its own effect."""

SLOW = 50
STORMERS = 100

_STORM_S = 5.0
_CROWD_TIMEOUT_S = 180.0
_ROUNDS = 3
_SMALL_WINDOW_BYTES = 1024
"""Less than the first answer of the smallest world."""


async def crowd(scene: Scene) -> None:
    """500 clients connect at once; everybody gets everything, and every change."""
    clients = [_client(scene) for _ in range(CROWD)]
    async with _running([client.run for client in clients]):
        async with asyncio.timeout(_CROWD_TIMEOUT_S):
            for client in clients:
                await client.wait_until(lambda model: model.synced)
        scene.seen[STREAMS] += int(await scene.process.metric("ads_streams"))
        for _ in range(_ROUNDS):
            await scene.change()
        await scene.judge_meanwhile()
        async with asyncio.timeout(_CROWD_TIMEOUT_S):
            # Versions first, which cost little to compare 500 times after each response; then what they stand for.
            for client in clients:
                await client.wait_until(lambda model: versions_of(model) == versions_of(scene.witness.client.model))
        differing = sum(leave_out_litter(View().read(client.model)) != scene.witness.held for client in clients)
        if differing:
            scene.objections.append(f"{differing} clients hold something else at the same versions")


async def slow_readers(scene: Scene) -> None:
    """50 clients ask for everything and read nothing, until they are put out; all others get every change."""

    async def ask() -> None:
        async with H2Client(scene.process.ads, _SMALL_WINDOW_BYTES) as client:
            await _ask(client)
            await asyncio.Event().wait()

    async with _running([ask for _ in range(SLOW)]):
        for _ in range(8):
            await scene.change()
            await asyncio.sleep(1)
        await scene.judge_meanwhile()


async def storm(scene: Scene) -> None:
    """100 clients connect, ask and hang up, again and again, for five seconds."""
    deadline = asyncio.get_running_loop().time() + _STORM_S

    async def connect() -> None:
        while asyncio.get_running_loop().time() < deadline:
            with suppress(OSError):
                async with H2Client(scene.process.ads) as client:
                    await _ask(client)
                    await asyncio.sleep(scene.dice.random() / 2)

    async with _running([connect for _ in range(STORMERS)]):
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


async def _ask(client: H2Client) -> None:
    """Ask as istiod does."""
    stream = await client.open()
    for request in IstiodModel(ISTIOD_124, Node()).initial_requests():
        await client.send(stream, IstiodCodec().encode_request(request))


def _client(scene: Scene) -> IstiodClient:
    options = ClientOptions(DialOptions("127.0.0.1", scene.process.ads))
    return IstiodClient(options, seams=Seams(sleep=lambda pause_s: asyncio.sleep(min(pause_s, 2.0))))


@asynccontextmanager
async def _running(acts: list[Callable[[], Coroutine[object, object, object]]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(act()) for act in acts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
