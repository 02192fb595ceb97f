"""What real servers do on the push connection: tokens that end, a full fuzzy watch, being sent away, long silence.

The same cases are scripted in test_nacos_push; here the server decides what they look like. Many servers at a time
would be too much memory, so a strict one is stopped before the next starts.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack

import aiohttp
import anyio.to_thread
import pytest

from meshregistry.model.events import ServiceReading
from meshregistry.model.instance import Instance
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosScope, NacosServerOptions
from meshregistry.sources.nacos.options import WatchOptions
from tests.support.nacos_gateway import Gateway
from tests.support.nacos_grpc import NacosGrpc, connected, instance_json
from tests.support.nacos_rig import RealRig
from tests.support.nacos_servers import IDENTITY, STRICT_TOKENS_S, NacosServer, NacosServers, ServerKind
from tests.support.nacos_view import PERIOD_S, View, instance, reading, server_options
from tests.support.registries import required

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.real,
]

KINDS = {"2.3.1": Dialect.V2, "3.1.0": Dialect.V3}
BULK = {Dialect.V2: "/v1/ns/catalog/services", Dialect.V3: "/v3/admin/ns/service/list"}
RARELY_S = 3600.0
WATCH = WatchOptions(list_period_s=0.1, first_connect_pause_s=0.5)
LOGINS = ("/v1/auth/users/login", "/v3/auth/user/login", "/v1/auth/login")
MANY = 400
QUIET_S = 31.0
"""Longer than a server that hears nothing waits before it asks (20 s), and than any time-out of ours."""


@pytest.fixture(scope="module", params=KINDS.values(), ids=list(KINDS))
def strict_server(request: pytest.FixtureRequest, nacos_servers: NacosServers) -> Iterator[NacosServer]:
    """A server of one version whose tokens live for some seconds and whose fuzzy watch tells of few services."""
    with required():
        server = nacos_servers.get(ServerKind(request.param, auth=True, strict=True))
    yield server
    server.stop()


@pytest.fixture
async def strict_rig(strict_server: NacosServer, anyio_backend: object) -> AsyncIterator[RealRig]:
    """A rig on the strict server."""
    async with aiohttp.ClientSession() as session:
        rig = RealRig(strict_server, session)
        yield rig
        await rig.cleanup()


@pytest.fixture
async def open_rigs(nacos_servers: NacosServers, anyio_backend: object) -> AsyncIterator[list[RealRig]]:
    """Both versions at once, where waiting for one after the other would double it."""
    async with aiohttp.ClientSession() as session:
        rigs = []
        for dialect in KINDS.values():
            kind = ServerKind(dialect, auth=False)
            rigs.append(RealRig(await anyio.to_thread.run_sync(nacos_servers.get, kind), session))
        yield rigs
        for rig in rigs:
            await rig.cleanup()


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
async def killable(
    request: pytest.FixtureRequest, nacos_servers: NacosServers, anyio_backend: object
) -> tuple[NacosServer, str]:
    """An open server of one version, and a namespace of the test's own."""
    server = await anyio.to_thread.run_sync(nacos_servers.get, ServerKind(request.param, auth=False))
    return server, f"t-{uuid.uuid4().hex[:12]}"


async def _until_pushed(view: View) -> None:
    """Wait until everything is subscribed and the readings have become rare."""
    await view.until(View.is_up)
    await asyncio.sleep(4 * PERIOD_S)


def _at(last: int) -> tuple[Instance, ...]:
    return (instance(f"10.0.0.{last}", 80),)


async def _until_at(view: View, last: int) -> None:
    await view.until(lambda view: view.services.get(f"late-{last}") == _at(last))


async def test_tokens_that_expire_are_replaced_by_polling_and_on_the_connection(strict_rig: RealRig) -> None:
    port = int(strict_rig.base_url.rpartition(":")[2]) + 1000
    for last, name in enumerate(("orders", "users", "shop", "cart"), start=1):
        await strict_rig.register(name, f"10.0.0.{last}", 80)
    first = await strict_rig.token()
    async with Gateway(strict_rig.base_url) as polled_by, Gateway(strict_rig.base_url) as pushed_by:
        options = [
            server_options(strict_rig, addresses=(gateway.base_url,), grpc_port=port)
            for gateway in (polled_by, pushed_by)
        ]
        async with (
            reading(options[0]) as polled,
            reading(options[1], watch=WATCH, resync_period_s=RARELY_S) as pushed,
        ):
            await polled.until(lambda view: len(view.services) == 4)
            await _until_pushed(pushed)
            readings = pushed.readings()
            for last in (11, 12, 13):
                await asyncio.sleep(STRICT_TOKENS_S)
                await strict_rig.register(f"late-{last}", f"10.0.0.{last}", 80)
                await asyncio.gather(*(_until_at(view, last) for view in (polled, pushed)))

            await pushed.until(View.is_up)
            assert ({}, 1) == (pushed.side["subscriptions_refused"], pushed.side["connections_total"])
            assert ["service_list"] * 2 == [str(pushed.side["rung"])] * 2
            assert readings == pushed.readings()
            assert [0.0, 0.0] == [view.readings(failed=True) for view in (polled, pushed)]
        logins = [sum(gateway.calls[path] for path in LOGINS) for gateway in (polled_by, pushed_by)]
        assert all(2 <= count for count in logins), logins

    async with connected(strict_rig.base_url, strict_rig.namespace, {"accessToken": first}) as client:
        denied = await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)
    assert 403 == denied.body["errorCode"]


@pytest.mark.parametrize("strict_server", [Dialect.V3], ids=["3.1.0"], indirect=True)
@pytest.mark.parametrize("before", [True, False], ids=["refused", "hidden"])
async def test_a_fuzzy_watch_beyond_its_cap_is_left_and_nothing_is_missed(strict_rig: RealRig, *, before: bool) -> None:
    names = [f"svc-{number}" for number in range(4)]

    async def fill() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number, name in enumerate(names, start=2):
                tasks.create_task(strict_rig.register(name, f"10.0.0.{number}", 80))

    if before:
        await fill()
    await strict_rig.register("orders", "10.0.0.1", 80)
    everything = {"orders": _at(1), **{name: _at(number) for number, name in enumerate(names, start=2)}}
    async with reading(server_options(strict_rig), watch=WATCH, resync_period_s=0.5) as view:
        if not before:
            await view.until(lambda view: view.side["rung"] == "fuzzy_watch" and view.is_up())
            await fill()
        await view.until(lambda view: view.side["rung"] == "service_list")
        assert ("50311" if before else "hides") in str(view.side["stepped_down"])
        await view.until_services(everything)

        await strict_rig.register("late", "10.0.0.9", 80)
        await view.until_services({**everything, "late": _at(9)})


async def test_a_connection_that_the_operator_sends_away_comes_back(open_rigs: list[RealRig]) -> None:
    for rig in open_rigs:
        await rig.register("orders", "10.0.0.1", 80)
        async with reading(server_options(rig), watch=WATCH, resync_period_s=RARELY_S) as view:
            await _until_pushed(view)
            await _send_away(rig)
            await view.until(lambda view: view.side["connections_total"] == 2 and view.is_up())
            assert "sent away by the server" in str(view.side["last_error"])

            await rig.register("users", "10.0.0.2", 80)
            await view.until_services({"orders": _at(1), "users": _at(2)})
            assert 0.0 == view.readings(failed=True)


async def test_where_nothing_is_listed_over_http_everything_is_read_over_the_connection(
    open_rigs: list[RealRig],
) -> None:
    for rig in open_rigs:
        await rig.register("orders", "10.0.0.1", 80)
        await rig.register("db", "10.0.0.2", 80, healthy=False)
        async with Gateway(rig.base_url) as gateway:
            gateway.refused |= dict.fromkeys((BULK[rig.dialect], "/v1/ns/service/list"), 403)
            port = int(rig.base_url.rpartition(":")[2]) + 1000
            options = server_options(rig, addresses=(gateway.base_url,), grpc_port=port)
            async with reading(options, watch=WATCH, resync_period_s=0.2) as view:
                db = (instance("10.0.0.2", 80, healthy=False),)
                await view.until_services({"orders": _at(1), "db": db})
                await view.until(lambda view: view.scope["rung"] == "grpc")

                await rig.deregister("orders", "10.0.0.1", 80)
                await rig.register("users", "10.0.0.3", 80)
                await view.until_services({"orders": (), "db": db, "users": _at(3)})


async def test_after_a_long_silence_a_push_comes_on_the_same_connection(open_rigs: list[RealRig]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for rig in open_rigs:
            tasks.create_task(_be_silent(rig))


async def test_a_kill_in_the_midst_of_subscribing_loses_nothing(killable: tuple[NacosServer, str]) -> None:
    server, namespace = killable
    everything = {f"svc-{number}": (_bare(number, 1), _bare(number, 2)) for number in range(MANY)}
    slowly = WatchOptions(list_period_s=0.5, subscribe_concurrency=1, first_connect_pause_s=0.5)
    options = NacosServerOptions(addresses=(server.base_url,), scopes=(NacosScope(namespace),))
    async with AsyncExitStack() as stack:
        async with connected(server.base_url, namespace) as owner:
            await _register_all(owner, everything)
            view = await stack.enter_async_context(reading(options, watch=slowly, resync_period_s=RARELY_S))
            await view.until_services(everything)
            while not 0 < _waiting(view) < MANY * 9 // 10:  # noqa: ASYNC110 - the view has no event
                await asyncio.sleep(0.001)
            await anyio.to_thread.run_sync(server.kill)
            assert 0 < _waiting(view)

        await anyio.to_thread.run_sync(server.start)
        await view.until(lambda view: view.side["connected"] is True)
        owner = await stack.enter_async_context(connected(server.base_url, namespace))
        await _register_all(owner, everything)
        await view.until(lambda view: view.is_up() and view.side["subscriptions"] == MANY)
        await view.until(lambda view: view.scope["held_instances"] == 0)
        assert everything == view.services

        grown = (*everything["svc-7"], _bare(7, 3))
        await _register_all(owner, {"svc-7": grown})
        await view.until_services({**everything, "svc-7": grown})

    assert 2 == view.side["connections_total"]
    assert all(listing.names == everything.keys() and all(listing.services.values()) for listing in view.listings)
    shown = [len(update.instances) for update in view.updates if isinstance(update, ServiceReading)]
    assert not shown or min(shown) >= 2


def _waiting(view: View) -> int:
    """Return how many subscriptions are not confirmed; 0 before any is wanted."""
    return int(str(view.side["subscriptions_waiting"]))


def _bare(number: int, last: int) -> Instance:
    return Instance(f"10.{number >> 8}.{number & 255}.{last}", 80, "DEFAULT")


async def _register_all(owner: NacosGrpc, services: Mapping[str, tuple[Instance, ...]]) -> None:
    """Be the owner of all instances of the services, for as long as the connection lives."""
    for name, instances in services.items():
        batch = [instance_json(each.address, each.port) for each in instances]
        answer = await owner.ask_naming("BatchInstanceRequest", name, type="batchRegisterInstance", instances=batch)
        assert 200 == answer.body["resultCode"], answer


async def _be_silent(rig: RealRig) -> None:
    await rig.register("orders", "10.0.0.1", 80)
    quiet = WatchOptions(list_period_s=RARELY_S)
    async with reading(server_options(rig), watch=quiet, resync_period_s=RARELY_S) as view:
        await _until_pushed(view)
        readings, pushes = view.readings(), view.side["pushes_total"]
        await asyncio.sleep(QUIET_S)
        assert (readings, pushes) == (view.readings(), view.side["pushes_total"])

        await rig.register("orders", "10.0.0.2", 80)
        await view.until_services({"orders": (instance("10.0.0.1", 80), instance("10.0.0.2", 80))})
        assert (readings, 1) == (view.readings(), view.side["connections_total"])


async def _send_away(rig: RealRig) -> None:
    """Have the server send every client of this namespace away, as an operator balances a cluster."""
    v3 = rig.dialect.is_v3
    base = f"{rig.base_url}/nacos/{'v3/admin' if v3 else 'v2'}/core/loader"
    async with aiohttp.ClientSession(headers=IDENTITY, raise_for_status=True) as session:
        async with session.get(f"{base}/current") as reply:
            listed = await reply.json()
        connections = listed["data"] if v3 else listed
        own = [id_ for id_, each in connections.items() if rig.namespace in each["metaInfo"].values()]
        assert own, connections
        for id_ in own:
            async with session.request("POST" if v3 else "GET", f"{base}/reloadClient", params={"connectionId": id_}):
                pass
