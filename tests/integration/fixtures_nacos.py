"""Fixtures that give a test a Nacos: the simulator and real servers, of both generations."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from meshregistry.sim.nacos.views import Dialect
from tests.support.nacos_rig import NacosRig, RealRig, SimRig
from tests.support.nacos_servers import NacosServers, ServerKind
from tests.support.registries import required

_REAL_TIMEOUT_S = 300  # a test may have to build, start and restart a server first


@dataclass(frozen=True, slots=True)
class RigKind:
    """Which rig a parametrised test gets."""

    dialect: Dialect
    real: bool


_KINDS = [
    pytest.param(RigKind(Dialect.V2, real=False), id="simulator-2.x"),
    pytest.param(RigKind(Dialect.V3, real=False), id="simulator-3.x"),
    pytest.param(RigKind(Dialect.V2, real=True), id="real-2.x", marks=pytest.mark.real),
    pytest.param(RigKind(Dialect.V3, real=True), id="real-3.x", marks=pytest.mark.real),
]

_SIMULATED_KINDS = [
    pytest.param(RigKind(Dialect.V1, real=False), id="simulator-1.x"),
    pytest.param(RigKind(Dialect.V32, real=False), id="simulator-3.2"),
]
"""Generations of which there is no real server here."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long registries are churned and away: some seconds in every run, minutes when somebody wants to know."""
    parser.addoption(
        "--churn-s", type=float, default=8.0, help="seconds of churn in each test of it, Nacos and ZooKeeper"
    )
    parser.addoption("--outage-s", type=float, default=2.0, help="seconds for which a real Nacos is away")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give tests on real servers the time to start one, or skip them by request."""
    patience_s = _REAL_TIMEOUT_S + config.getoption("--churn-s") + config.getoption("--outage-s")
    for item in items:
        if item.get_closest_marker("real") is None:
            continue
        item.add_marker(pytest.mark.timeout(patience_s))
        if config.getoption("--no-real"):
            item.add_marker(pytest.mark.skip(reason="--no-real: no real registry wanted"))


def pytest_configure(config: pytest.Config) -> None:
    """On CI the real registries are not optional."""
    if config.getoption("--no-real") and os.environ.get("CI") == "true":
        raise pytest.UsageError("--no-real is not for CI: a missing real registry is a failure there")


@pytest.fixture(scope="session")
def nacos_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NacosServers]:
    """The real servers of this run; each starts when it is first asked for."""
    servers = NacosServers(tmp_path_factory.mktemp("nacos"))
    yield servers
    servers.stop()


@pytest.fixture(params=_KINDS)
async def nacos_rig(
    request: pytest.FixtureRequest, anyio_backend: object, nacos_servers: NacosServers
) -> AsyncIterator[NacosRig]:
    """A Nacos without authentication: a test that asks for it runs on all four kinds."""
    async with _running_rig(request.param, nacos_servers, auth=False) as rig:
        yield rig


@pytest.fixture(params=[*_KINDS, *_SIMULATED_KINDS])
async def any_nacos_rig(
    request: pytest.FixtureRequest, anyio_backend: object, nacos_servers: NacosServers
) -> AsyncIterator[NacosRig]:
    """The same, and the generations beside that are only simulated: for what does not depend on a listing."""
    async with _running_rig(request.param, nacos_servers, auth=False) as rig:
        yield rig


@pytest.fixture(params=_KINDS)
async def nacos_rig_auth(
    request: pytest.FixtureRequest, anyio_backend: object, nacos_servers: NacosServers
) -> AsyncIterator[NacosRig]:
    """A Nacos that wants a token: `username` and `password` of the rig are good for one."""
    async with _running_rig(request.param, nacos_servers, auth=True) as rig:
        yield rig


@pytest.fixture(
    params=[pytest.param(Dialect.V2, id="simulator-2.x"), pytest.param(Dialect.V3, id="simulator-3.x")],
)
async def sim_rig(request: pytest.FixtureRequest, anyio_backend: object) -> AsyncIterator[SimRig]:
    """A simulated Nacos, for what no real one can be made to show, such as a restart in no time."""
    rig = SimRig(request.param, auth=False)
    await rig.start()
    yield rig
    await rig.stop()


@asynccontextmanager
async def _running_rig(kind: RigKind, servers: NacosServers, *, auth: bool) -> AsyncIterator[NacosRig]:
    if not kind.real:
        simulated = SimRig(kind.dialect, auth=auth)
        await simulated.start()
        yield simulated
        await simulated.stop()
        return
    with required():
        server = servers.get(ServerKind(kind.dialect, auth=auth))
    async with aiohttp.ClientSession() as session:
        real = RealRig(server, session)
        yield real
        await real.cleanup()
