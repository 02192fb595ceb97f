"""Instances written by somebody else: the official Python SDK, Spring Cloud Alibaba and Dubbo register themselves.

Every test reads by polling and by push at once: the judges are dear, and both must say the same. The simulator
stands among the real servers: clients that take it for a Nacos are its judges, too.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio.to_thread
import pytest

from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosScope, NacosServerOptions
from meshregistry.sources.nacos.options import WatchOptions
from meshregistry.sources.polling import PollOptions
from tests.support import nacos_testimony as testimony
from tests.support.beside import beside
from tests.support.nacos_churn import Row, churn_by_connections, churn_by_http, list_everything
from tests.support.nacos_grpc import NacosGrpc, connected
from tests.support.nacos_judges import NAMESPACE, SERVICES, Judges
from tests.support.nacos_rig import NacosRig, RealRig
from tests.support.nacos_servers import NacosServer, NacosServers, ServerKind
from tests.support.nacos_view import View, reading, server_options
from tests.support.registries import required
from tests.support.running_service import Deployment

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.timeout(600),
]

RARELY = PollOptions(refresh_period_s=3600.0)
"""For a reader that polls when it is told to: it meets nothing of an outage that ends before."""

PATIENT: dict[str, object] = {"request_timeout_s": 60.0, "connect_timeout_s": 60.0}
"""A server that has just started is slow on a busy machine; that is no outage."""

MODES: dict[str, dict[str, object]] = {"polling": {"settle_s": 2.0}, "push": {"watch": WatchOptions(list_period_s=0.5)}}
_SIM_COMMAND = [sys.executable, "-m", "meshregistry.sim.nacos", "--dialect", "3.x", "--port", "0"]


@dataclass(frozen=True, slots=True)
class Court:
    """A registry with its judges; `server` is None for the simulator."""

    judges: Judges
    server: NacosServer | None

    @property
    def base_url(self) -> str:
        """Where the registry is."""
        return self.judges.base_url


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """The simulator as a process of its own, as the judges outlive each test's loop."""
    with subprocess.Popen(_SIM_COMMAND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2]
        process.terminate()


@pytest.fixture(scope="module")
def courts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Court]]:
    """The courts of this run; each is opened when it is first asked for."""
    opened: dict[str, Court] = {}
    yield opened
    for court in opened.values():
        court.judges.kill()


_REAL = [pytest.param("2.3.1", marks=pytest.mark.real), pytest.param("3.1.0", marks=pytest.mark.real)]


@pytest.fixture(params=["simulated", *_REAL])
def court(request: pytest.FixtureRequest, courts: dict[str, Court], tmp_path_factory: pytest.TempPathFactory) -> Court:
    """A registry in which all judges run and have registered."""
    kind = request.param
    with required():
        if kind not in courts:
            courts[kind] = _open(kind, request, tmp_path_factory.mktemp(f"judges-{kind}"))
        courts[kind].judges.start()
    return courts[kind]


@pytest.fixture
async def bench(court: Court, anyio_backend: object) -> AsyncIterator[RealRig]:
    """A real court's registry as a rig for services that read the judges' namespace."""
    assert court.server is not None
    async with aiohttp.ClientSession() as session:
        rig = RealRig(court.server, session)
        rig.namespace = NAMESPACE
        yield rig
        await rig.cleanup()


async def test_what_each_application_registers_is_what_is_published(court: Court) -> None:
    await court.judges.until_listed(SERVICES)
    async with _readings(court) as (views, batches):
        for mode in MODES:
            await views[mode].until(lambda view: len(view.services) == 5)
            await batches[mode].until(lambda view: bool(view.services.get("shop-sdk-batch")))

            found = {name: testimony.settle(each) for name, each in views[mode].services.items()}
            assert testimony.instances(court.judges.ports) == found
            assert testimony.batch(court.judges.ports) == batches[mode].services


@pytest.mark.parametrize("court", _REAL, indirect=True)
async def test_what_each_application_registers_becomes_a_service_entry(court: Court, bench: RealRig) -> None:
    await court.judges.until_listed(SERVICES)
    expected = testimony.entries(court.judges.ports)
    for mode in ("polling", "watching"):
        deployment = Deployment(bench, mode=mode)
        async with deployment.running():
            entries = await _until_entries(deployment, testimony.ENTRIES)
        assert expected == {name: testimony.trim(spec) for name, spec in entries.items()}


@pytest.mark.parametrize("court", _REAL, indirect=True)
async def test_a_killed_server_that_comes_back_empty_costs_no_endpoint(
    court: Court, bench: RealRig, pytestconfig: pytest.Config
) -> None:
    assert court.server is not None
    await court.judges.until_listed(SERVICES)
    deployments = [Deployment(bench, mode=mode) for mode in ("polling", "watching")]
    async with AsyncExitStack() as stack:
        for deployment in deployments:
            await stack.enter_async_context(deployment.running())
        before = [_addresses(await _until_entries(each, testimony.ENTRIES)) for each in deployments]
        losses = await stack.enter_async_context(_watched(deployments, before))
        blind = await stack.enter_async_context(reading(_options(court, "DEFAULT_GROUP"), polling=RARELY, **PATIENT))
        await blind.until(lambda view: view.readings() == 1)
        seen, failed = _places(blind), blind.readings(failed=True)

        await anyio.to_thread.run_sync(court.server.kill)
        court.server.forget()
        await asyncio.sleep(float(pytestconfig.getoption("--outage-s")))
        await anyio.to_thread.run_sync(court.server.start)
        await bench.until_listing()
        # The applications need some seconds to see that they must register again.
        blind.source.read_again()
        await blind.until(lambda view: view.readings() == 2, timeout_s=60.0)
        assert seen == _places(blind)
        await court.judges.until_listed(SERVICES)
        await bench.register("later", "10.0.0.9", 80)
        for deployment in deployments:
            await _until_entries(deployment, {*testimony.ENTRIES, "later.nacos"})

    assert [] == losses
    assert all(set(seen) <= listing.names and all(listing.services.values()) for listing in blind.listings)
    assert failed == blind.readings(failed=True), blind.scope["last_error"]


async def test_a_killed_application_leaves_nothing_and_the_others_stay(court: Court) -> None:
    await court.judges.until_listed(SERVICES)
    others = {name: count for name, count in SERVICES.items() if not name.startswith("shop-sdk")}
    async with _readings(court) as (views, batches):
        await _until_counts(views, batches, SERVICES)
        await anyio.to_thread.run_sync(court.judges.kill_one, "shop-sdk")

        await court.judges.until_listed(others)
        await _until_counts(views, batches, others)


async def test_applications_that_stop_leave_nothing(court: Court) -> None:
    await court.judges.until_listed(SERVICES)
    async with _readings(court) as (views, batches):
        await _until_counts(views, batches, SERVICES)
        await anyio.to_thread.run_sync(court.judges.stop)

        await court.judges.until_listed({})
        await _until_counts(views, batches, {})


async def test_a_churned_registry_ends_as_the_server_lists_it(nacos_rig: NacosRig, pytestconfig: pytest.Config) -> None:
    duration_s = float(pytestconfig.getoption("--churn-s"))
    async with AsyncExitStack() as stack:
        views = {
            mode: await stack.enter_async_context(reading(server_options(nacos_rig), **changes))
            for mode, changes in MODES.items()
        }
        async with asyncio.timeout(duration_s + 60.0), asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(churn_by_http(nacos_rig, number, duration_s))
                group.create_task(churn_by_connections(nacos_rig, number, duration_s))
        lasting = await stack.enter_async_context(connected(nacos_rig.base_url, nacos_rig.namespace))
        await lasting.register("last", "10.9.9.9", 80)
        for mode, view in views.items():
            listed = await _until_same(view, lasting)
            assert listed == _shown(view), mode
            assert {"last"} < listed.keys()


def _open(kind: str, request: pytest.FixtureRequest, folder: Path) -> Court:
    if kind == "simulated":
        return Court(Judges(request.getfixturevalue("simulator"), folder), None)
    servers: NacosServers = request.getfixturevalue("nacos_servers")
    server = servers.get(ServerKind(Dialect.V2 if kind == "2.3.1" else Dialect.V3, auth=False))
    return Court(Judges(server.base_url, folder), server)


@asynccontextmanager
async def _readings(court: Court) -> AsyncIterator[tuple[dict[str, View], dict[str, View]]]:
    """Read both groups of the judges in every mode."""
    async with AsyncExitStack() as stack:
        groups = [
            {
                mode: await stack.enter_async_context(reading(_options(court, group), **changes))
                for mode, changes in MODES.items()
            }
            for group in ("DEFAULT_GROUP", "BATCH")
        ]
        yield groups[0], groups[1]


def _options(court: Court, group: str) -> NacosServerOptions:
    return NacosServerOptions(addresses=(court.base_url,), scopes=(NacosScope(NAMESPACE, group),))


async def _until_counts(views: dict[str, View], batches: dict[str, View], wanted: dict[str, int]) -> None:
    for mode in MODES:
        try:
            async with asyncio.timeout(20.0):
                while _counts(views[mode], batches[mode]) != wanted:  # noqa: ASYNC110 - the view has no event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            assert wanted == _counts(views[mode], batches[mode]), mode


def _counts(*views: View) -> dict[str, int]:
    return {name: len(each) for view in views for name, each in view.services.items() if each}


async def _until_same(view: View, client: NacosGrpc) -> dict[str, list[Row]]:
    """Wait until the view shows what the server lists; on time-out return what the server lists all the same."""
    deadline = asyncio.get_running_loop().time() + 30.0
    while (listed := await list_everything(client)) != _shown(view):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.2)
    return listed


@asynccontextmanager
async def _watched(deployments: list[Deployment], expected: list[dict[str, Any]]) -> AsyncIterator[list[Any]]:
    """Look at what the services serve all the time; yield the states that were not as expected."""
    losses: list[Any] = []

    async def look() -> None:
        while True:
            for deployment, wanted in zip(deployments, expected, strict=True):
                served = _addresses(await deployment.cached_entries())
                if {name: served.get(name) for name in wanted} != wanted:
                    losses.append(served)
            await asyncio.sleep(0.1)

    async with beside(look()):
        yield losses


async def _until_entries(deployment: Deployment, names: set[str]) -> dict[str, Any]:
    """Wait until exactly these entries are served, each with endpoints."""
    entries: dict[str, Any] = {}
    try:
        async with asyncio.timeout(40.0):
            while {name for name, spec in entries.items() if spec.get("endpoints")} != names:
                await asyncio.sleep(0.1)
                entries = await deployment.cached_entries()
    except TimeoutError:
        assert names == entries.keys()
    return entries


def _addresses(entries: dict[str, Any]) -> dict[str, list[str]]:
    return {name: [each["address"] for each in spec.get("endpoints", ())] for name, spec in entries.items()}


def _places(view: View) -> dict[str, list[tuple[str, int]]]:
    return {name: [(each.address, each.port) for each in found] for name, found in view.services.items()}


def _shown(view: View) -> dict[str, list[Row]]:
    return {
        name: sorted((each.address, each.port, each.weight, each.metadata) for each in instances)
        for name, instances in view.services.items()
    }
