"""The whole source over real sockets: several registries, the rhythm, the status page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from meshregistry.errors import SourceError
from meshregistry.model.instance import Instance
from meshregistry.sources.eureka import EurekaOptions, EurekaServerOptions, EurekaSource
from meshregistry.sources.eureka.client import Node
from meshregistry.sources.polling import PollOptions
from meshregistry.telemetry.metrics import Metrics
from tests.support.beside import beside
from tests.support.eureka_model import EurekaModel, Fault, Services

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(model: EurekaModel) -> AsyncIterator[str]:
    """Let a model answer on a port; gives its base URL."""

    async def handle(request: web.BaseRequest) -> web.Response:
        try:
            path = request.path.removeprefix("/eureka")
            body = b"".join(await model.get(Node("http://model"), path, "", {}))
        except SourceError:
            return web.Response(status=503)
        return web.Response(body=body, content_type="application/json")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/eureka"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def reading(*servers: EurekaServerOptions) -> AsyncIterator[tuple[EurekaSource, Services]]:
    """Run a source with a short period as long as the context is open."""
    polling = PollOptions(refresh_period_s=0.02, first_retry_s=0.02)
    source = EurekaSource(EurekaOptions(servers=servers, polling=polling, delta_period_s=0.02), Metrics())
    view = Services()
    async with beside(source.run(view)):
        yield source, view


async def until(view: Services, services: dict[str, tuple[Instance, ...]]) -> None:
    """Wait until exactly these services are there."""
    async with asyncio.timeout(10):
        while view.services != services or not view.synced:  # noqa: ASYNC110 - the view has no event to wait for
            await asyncio.sleep(0.01)


async def test_registries_are_read_each_on_its_own_and_fail_each_on_their_own() -> None:
    east, west = EurekaModel(), EurekaModel()
    east.register("ORDERS", "o1", "10.0.0.1")
    west.register("USERS", "u1", "10.0.0.2")
    orders, users = (Instance("10.0.0.1", 8080),), (Instance("10.0.0.2", 8080),)
    async with serving(east) as one, serving(west) as two:
        servers = [
            EurekaServerOptions(registry_id="east", addresses=(one.replace("//", "//user:s3cret@"),)),
            EurekaServerOptions(registry_id="west", addresses=(two,)),
        ]
        async with reading(*servers) as (source, view):
            async with asyncio.timeout(10):
                while not view.synced:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            west.fault = Fault.DOWN
            east.register("ORDERS", "o2", "10.0.0.3")
            async with asyncio.timeout(10):
                while source.registries()[1]["healthy"] or len(view.listings) < 3:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            pages = source.registries()
            assert source.is_failing

    assert {"east", "west"} == {listing.scope.registry for listing in view.listings}
    assert [{"ORDERS": orders}, {"USERS": users}] == sorted(
        (dict(listing.services) for listing in view.listings[:2]), key=str
    )
    assert {"ORDERS": (*orders, Instance("10.0.0.3", 8080))} == view.listings[2].services
    assert ["east", "west"] == [page["registry_id"] for page in pages]
    assert [[one], [two]] == [page["addresses"] for page in pages]
    assert [True, False] == [page["healthy"] for page in pages]
    assert "s3cret" not in str(pages)


async def test_everything_is_read_at_once_when_an_operator_asks() -> None:
    model = EurekaModel()
    model.register("ORDERS", "o1", "10.0.0.1")
    async with serving(model) as address:
        polling = PollOptions(refresh_period_s=3600.0)
        servers = (EurekaServerOptions(addresses=(address,)),)
        source = EurekaSource(EurekaOptions(servers=servers, polling=polling, delta_period_s=3600.0), Metrics())
        view = Services()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(source.run(view))
            await until(view, {"ORDERS": (Instance("10.0.0.1", 8080),)})
            model.register("ORDERS", "o2", "10.0.0.2")
            async with asyncio.timeout(10):
                while not source.registries()[0]["healthy"]:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            source.read_again()
            await until(view, {"ORDERS": (Instance("10.0.0.1", 8080), Instance("10.0.0.2", 8080))})
            task.cancel()


async def test_changes_arrive_and_an_outage_changes_nothing() -> None:
    model = EurekaModel()
    model.register("ORDERS", "o1", "10.0.0.1")
    one, two = Instance("10.0.0.1", 8080), Instance("10.0.0.2", 8080)
    async with serving(model) as address, reading(EurekaServerOptions(addresses=(address,))) as (source, view):
        await until(view, {"ORDERS": (one,)})
        model.register("ORDERS", "o2", "10.0.0.2")
        await until(view, {"ORDERS": (one, two)})
        model.fault = Fault.DOWN
        async with asyncio.timeout(10):
            while source.registries()[0]["healthy"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        model.cancel("ORDERS", "o1")
        model.fault = Fault.NONE
        await until(view, {"ORDERS": (two,)})

    assert 3 == len(view.listings)
    assert 1 == len(view.synced)
