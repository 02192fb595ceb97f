"""Fixtures that give a test a ZooKeeper: simulated, real of two generations, three together, secure."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio.to_thread
import pytest

from tests.support.registries import required
from tests.support.zookeeper_rig import EnsembleRig, RealRig, SecureRig, SimRig, ZooKeeperRig
from tests.support.zookeeper_servers import Flavour, ZooKeeperServers

T = TypeVar("T")

_KINDS = [
    pytest.param(None, id="zookeeper-simulator"),
    pytest.param(Flavour.DEBIAN, id="zookeeper-3.8", marks=pytest.mark.real),
    pytest.param(Flavour.MAVEN, id="zookeeper-3.9", marks=pytest.mark.real),
]


@pytest.fixture(scope="session")
def zookeeper_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeperServers]:
    """The real servers of this run; each starts when it is first asked for."""
    servers = ZooKeeperServers(tmp_path_factory.mktemp("zookeeper"))
    yield servers
    servers.stop()


@pytest.fixture(params=_KINDS)
async def zookeeper_rig(
    request: pytest.FixtureRequest, anyio_backend: object, zookeeper_servers: ZooKeeperServers
) -> AsyncIterator[ZooKeeperRig]:
    """An empty ZooKeeper: a test that asks for it runs on the simulator, on 3.8 and on 3.9."""
    flavour: Flavour | None = request.param
    rig = SimRig() if flavour is None else RealRig(await _available(lambda: zookeeper_servers.get(flavour)))
    async with _opened(rig):
        yield rig


@pytest.fixture
async def simulated_zookeeper(anyio_backend: object) -> AsyncIterator[SimRig]:
    """An empty simulated ZooKeeper, for faults that no real server can be made to show."""
    rig = SimRig()
    async with _opened(rig):
        yield rig


@pytest.fixture(params=[pytest.param(Flavour.MAVEN, id="real", marks=pytest.mark.real)])
async def real_zookeeper(
    request: pytest.FixtureRequest, anyio_backend: object, zookeeper_servers: ZooKeeperServers
) -> AsyncIterator[RealRig]:
    """An empty real ZooKeeper 3.9, for tests with real applications."""
    rig = RealRig(await _available(lambda: zookeeper_servers.get(request.param)))
    async with _opened(rig):
        yield rig


@pytest.fixture(params=[pytest.param("ensemble", marks=pytest.mark.real)])
async def zookeeper_ensemble(
    request: pytest.FixtureRequest, anyio_backend: object, zookeeper_servers: ZooKeeperServers
) -> AsyncIterator[EnsembleRig]:
    """Three empty real servers."""
    rig = EnsembleRig(await _available(zookeeper_servers.ensemble))
    async with _opened(rig):
        yield rig


@pytest.fixture(params=[pytest.param("secure", marks=pytest.mark.real)])
async def secure_zookeeper(
    request: pytest.FixtureRequest, anyio_backend: object, zookeeper_servers: ZooKeeperServers
) -> AsyncIterator[SecureRig]:
    """An empty real server with an encrypted port and SASL."""
    rig = SecureRig(await _available(zookeeper_servers.secure))
    async with _opened(rig):
        yield rig


@asynccontextmanager
async def _opened(rig: ZooKeeperRig) -> AsyncIterator[None]:
    await rig.start()
    await rig.open()
    yield
    await rig.close()
    if not rig.is_real:
        await rig.stop()


async def _available(get: Callable[[], T]) -> T:
    with required():
        return await anyio.to_thread.run_sync(get)
