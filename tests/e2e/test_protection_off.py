"""An outage with the guard's switch off: it says what is done about a registry's word, never what an error means."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest

from meshregistry.app import App
from meshregistry.settings.load import load_settings
from meshregistry.sim.eureka.faults import BodyFault as EurekaBodyFault
from meshregistry.sim.eureka.faults import Fault as EurekaFault
from meshregistry.sim.eureka.load import Load as EurekaLoad
from meshregistry.sim.eureka.server import SimEureka
from meshregistry.sim.nacos.faults import BodyFault, Fault
from meshregistry.sim.nacos.load import Load as NacosLoad
from meshregistry.sim.nacos.load import populate as populate_nacos
from meshregistry.sim.nacos.server import SimNacos
from meshregistry.sim.zookeeper.content import Load as ZooKeeperLoad
from meshregistry.sim.zookeeper.content import populate as populate_zookeeper
from meshregistry.sim.zookeeper.faults import Fault as ZooKeeperFault
from meshregistry.sim.zookeeper.server import SimZooKeeper
from tests.support.ports import free_ports

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

PERIOD_S = 0.2
TIMEOUT_S = 20.0
SWITCHED_OFF = "profile: istio", "enable_empty_protection: false, "
OFF_BY_PROFILE = "profile: slime", ""
_SETTINGS = """
{profile}
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}", drain_timeout: 1s}}
nacos_source:
  {{{switch}enabled: true, address: ["{nacos}"], mode: polling, refresh_period: {period}s, request_timeout: 1s}}
eureka_source: {{{switch}enabled: true, address: ["{eureka}"], refresh_period: {period}s, request_timeout: 1s}}
zookeeper_source: {{{switch}enabled: true, address: ["{zookeeper}"], connection_timeout: 1s}}
"""


class Registries:
    """One simulator of each kind, with some services each, and ways to make them fail."""

    def __init__(self) -> None:
        self.nacos, self.eureka, self.zookeeper = SimNacos(), SimEureka(), SimZooKeeper()
        populate_nacos(self.nacos.registry, NacosLoad(services=3, instances=1))
        self.eureka.load(EurekaLoad(applications=2, instances=2))
        populate_zookeeper(self.zookeeper.state, ZooKeeperLoad(interfaces=2, providers=2))

    async def start(self) -> None:
        for each in (self.nacos, self.eureka, self.zookeeper):
            await each.start()

    async def stop(self) -> None:
        for each in (self.nacos, self.eureka, self.zookeeper):
            await each.stop()

    def fail(self, nacos: Fault, eureka: EurekaFault, zookeeper: ZooKeeperFault) -> None:
        """Answer wrongly from now on."""
        self.nacos.set_faults(nacos)
        self.eureka.set_faults(eureka)
        self.zookeeper.set_faults(zookeeper)
        self.zookeeper.cut()

    def heal(self) -> None:
        """Answer rightly again."""
        for each in (self.nacos, self.eureka, self.zookeeper):
            each.set_faults()


FAILURES = {
    "unavailable": (Fault(status=503), EurekaFault(status=503), ZooKeeperFault(at="hello", action="close")),
    "refused": (Fault(status=403), EurekaFault(status=404), ZooKeeperFault(error=-102, action="error")),
    "empty body": (
        Fault(body=BodyFault.EMPTY),
        EurekaFault(body=EurekaBodyFault.EMPTY),
        ZooKeeperFault(at="hello", action="silence"),
    ),
    "cut off": (
        Fault(body=BodyFault.TRUNCATED),
        EurekaFault(body=EurekaBodyFault.TRUNCATED),
        ZooKeeperFault(action="truncate"),
    ),
    "nonsense": (
        Fault(body=BodyFault.WRONG_TYPES),
        EurekaFault(body=EurekaBodyFault.HTML),
        ZooKeeperFault(action="garbage"),
    ),
}


class Service:
    """The running service's pages."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._session = session

    async def get(self, path: str) -> bytes:
        async with self._session.get(self._base + path) as answer:
            return await answer.read()

    async def count(self) -> int:
        """Return how many endpoints are served."""
        items = orjson.loads(await self.get("/meshregistry/xdsCache?layout=list"))
        return sum(len(item["Spec"].get("endpoints", ())) for item in items)

    async def failing(self) -> set[str]:
        """Return the sources that cannot read something."""
        lines = (await self.get("/metrics")).decode().splitlines()
        told = [line for line in lines if line.startswith("meshregistry_source_failing{") and line.endswith(" 1.0")]
        return {line.partition('source="')[2].partition('"')[0] for line in told}

    async def wait(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while not await condition():  # noqa: ASYNC110 - pages are asked over HTTP
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(registries: Registries, profile: str, switch: str) -> AsyncIterator[Service]:
    """Run the service on the registries for as long as the block lasts."""
    http, ads = free_ports(2)
    addresses = {
        "nacos": registries.nacos.base_url,
        "eureka": registries.eureka.base_url,
        "zookeeper": registries.zookeeper.address,
    }
    text = _SETTINGS.format(profile=profile, switch=switch, http=http, ads=ads, period=PERIOD_S, **addresses)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as session:
        app = App(load_settings(text, {}).settings)
        tasks.create_task(app.run(stop))
        await app.listening.wait()
        await app.wait_complete()
        try:
            yield Service(http, session)
        finally:
            stop.set()


@pytest.mark.parametrize(("profile", "switch"), [SWITCHED_OFF, OFF_BY_PROFILE], ids=["by the switch", "by the profile"])
async def test_no_failure_is_an_empty_registry_with_the_protection_off(profile: str, switch: str) -> None:
    registries = Registries()
    await registries.start()
    async with running(registries, profile, switch) as service:
        key = next(NacosLoad(services=3, instances=1).service_keys())
        assert registries.nacos.registry.deregister(key, "10.0.0.1", 8080)
        # Its word counts at once: there is no grace and no hold.
        await service.wait(lambda: _is(service.count(), 10))
        before = await service.get("/meshregistry/xdsCache")

        for faults in (*FAILURES.values(), None):
            if faults is None:
                await registries.stop()
            else:
                registries.fail(*faults)
            await service.wait(lambda: _is(service.failing(), {"nacos", "eureka", "zookeeper"}))
            await asyncio.sleep(5 * PERIOD_S)
            assert before == await service.get("/meshregistry/xdsCache"), faults
            registries.heal()
            if faults is None:
                await registries.start()
            await service.wait(lambda: _is(service.failing(), set()))
            assert before == await service.get("/meshregistry/xdsCache"), faults
    await registries.stop()


async def _is(value: Awaitable[object], expected: object) -> bool:
    return await value == expected
