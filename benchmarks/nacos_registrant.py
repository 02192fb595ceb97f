"""Fills a real Nacos over one gRPC connection, and changes one instance at a time over another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from meshregistry.sources.nacos.channel import ChannelOptions, NacosChannel
from meshregistry.sources.nacos.client import Answer, Endpoint
from meshregistry.sources.nacos.credentials import Credentials
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.messages import request
from meshregistry.sources.nacos.nodes import grpc_address
from meshregistry.sources.nacos.options import DEFAULT_GROUP, DEFAULT_NAMESPACE, NacosServerOptions
from meshregistry.sources.nacos.protocol import Session
from meshregistry.sources.nacos.session import LiveSession, set_up
from meshregistry.sources.polling import REAL_CLOCK

_OPTIONS = ChannelOptions(connect_timeout_s=5.0, request_timeout_s=60.0, max_body_bytes=1 << 24, tls=None)
_AT_ONCE = 16
_VISIBLE_S = 5.0


class Registrant:
    """Two connections: what one has registered ends with it."""

    def __init__(self, filler: LiveSession, changer: LiveSession) -> None:
        self._filler = filler
        self._changer = changer
        self._changes = 0
        self._services = 0

    async def fill(self, services: int, instances: int) -> None:
        """Register so many services of so many instances."""
        self._services = services
        waiting = iter(range(services))

        async def work() -> None:
            for number in waiting:
                batch = [_instance(number * instances + each) for each in range(instances)]
                fields = {"type": "batchRegisterInstance", "instances": batch}
                await self._filler.ask(request("BatchInstanceRequest", **_service(number), **fields))

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(work())

    async def change(self) -> None:
        """Register an instance of the first service with new metadata."""
        self._changes += 1
        instance = _instance(0) | {"ip": "10.255.255.1", "metadata": {"version": f"v{self._changes}"}}
        await self._changer.ask(request("InstanceRequest", **_service(0), type="registerInstance", instance=instance))

    async def add(self) -> None:
        """Register an instance of a service that was not there."""
        fields = {"type": "registerInstance", "instance": _instance(0) | {"ip": "10.255.255.2"}}
        await self._changer.ask(request("InstanceRequest", **_service(self._services), **fields))
        self._services += 1


@asynccontextmanager
async def registered(base_url: str, services: int, instances: int) -> AsyncIterator[Registrant]:
    """Fill a registry for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        filler, changer = [await stack.enter_async_context(_session(base_url)) for _ in range(2)]
        registrant = Registrant(filler, changer)
        await registrant.fill(services, instances)
        await asyncio.sleep(_VISIBLE_S)
        yield registrant


@asynccontextmanager
async def _session(base_url: str) -> AsyncIterator[LiveSession]:
    server = NacosServerOptions(addresses=(base_url,))
    credentials = Credentials(Login(server, _no_login, 60.0, REAL_CLOCK), None, {}, REAL_CLOCK)
    async with NacosChannel(grpc_address(base_url, 0, 1000), _OPTIONS) as channel:
        session = Session(DEFAULT_NAMESPACE, tls=False)
        setup = session.check(await channel.call(session.begin(), {}))
        async with channel.stream() as stream:
            await stream.send(setup)
            await set_up(stream, session, REAL_CLOCK)
            live = LiveSession(channel, stream, session, Endpoint(base_url, "/nacos"), credentials, REAL_CLOCK)
            async with asyncio.TaskGroup() as group:
                ours = [live.listen(lambda _news: None, lambda _problem: None), live.answer(), live.beat()]
                tasks = [group.create_task(each) for each in ours]
                yield live
                for task in tasks:
                    task.cancel()


async def _no_login(endpoint: Endpoint, path: str, form: object) -> Answer:
    raise AssertionError(f"{endpoint.shown(path)}: authentication is off")


def _service(number: int) -> dict[str, object]:
    return {"namespace": DEFAULT_NAMESPACE, "groupName": DEFAULT_GROUP, "serviceName": f"svc-{number:05}"}


def _instance(number: int) -> dict[str, object]:
    return {
        "ip": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "port": 8080,
        "weight": 1.0,
        "healthy": True,
        "enabled": True,
        "ephemeral": True,
        "clusterName": "DEFAULT",
        "metadata": {"version": f"v{number % 2 + 1}", "zone": "az-1", "preserved.register.source": "SPRING_CLOUD"},
    }
