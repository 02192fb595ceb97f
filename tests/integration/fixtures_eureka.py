"""Fixtures that give a test a Eureka: one server with authentication or two peers, simulated and real."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import anyio.to_thread
import pytest

from tests.support.eureka_live import EurekaRig, RealRig, SimRig
from tests.support.eureka_servers import EurekaServers
from tests.support.registries import required


@pytest.fixture(scope="session")
def eureka_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EurekaServers]:
    """The real servers of this run; each starts when it is first asked for."""
    servers = EurekaServers(tmp_path_factory.mktemp("eureka"))
    yield servers
    servers.stop()


@pytest.fixture(
    params=[
        pytest.param(False, id="eureka-simulator"),
        pytest.param(True, id="eureka-real", marks=pytest.mark.real),
    ]
)
async def eureka_rig(
    request: pytest.FixtureRequest, anyio_backend: object, eureka_servers: EurekaServers
) -> AsyncIterator[EurekaRig]:
    """An empty server that wants user and password and lets leases expire."""
    async with _running_rig(eureka_servers if request.param else None, peers=False) as rig:
        yield rig


@pytest.fixture(
    params=[
        pytest.param(False, id="peers-simulator"),
        pytest.param(True, id="peers-real", marks=pytest.mark.real),
    ]
)
async def eureka_peers(
    request: pytest.FixtureRequest, anyio_backend: object, eureka_servers: EurekaServers
) -> AsyncIterator[EurekaRig]:
    """Two empty servers that replicate to each other, in self-preservation and open to everybody."""
    async with _running_rig(eureka_servers if request.param else None, peers=True) as rig:
        yield rig


@pytest.fixture
async def simulated_eureka(anyio_backend: object) -> AsyncIterator[SimRig]:
    """An empty simulated server, for faults that no real one can be made to show."""
    async with aiohttp.ClientSession() as session:
        rig = SimRig(session, peers=False)
        await rig.start(0)
        yield rig
        await rig.close()


@asynccontextmanager
async def _running_rig(servers: EurekaServers | None, *, peers: bool) -> AsyncIterator[EurekaRig]:
    async with aiohttp.ClientSession() as session:
        rig = await _open(session, servers, peers=peers)
        yield rig
        await rig.close()


async def _open(session: aiohttp.ClientSession, servers: EurekaServers | None, *, peers: bool) -> EurekaRig:
    if servers is None:
        rig = SimRig(session, peers=peers)
        await rig.start(*range(len(rig.addresses)))
        return rig
    with required():
        return RealRig(session, await anyio.to_thread.run_sync(lambda: servers.get(peers=peers)))
