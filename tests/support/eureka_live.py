"""One way to drive Eureka servers in a test, be they simulated or real: by the calls of their clients."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import anyio.to_thread

from meshregistry.sim.eureka.caches import CacheOptions
from meshregistry.sim.eureka.node import NodeOptions
from meshregistry.sim.eureka.records import OWN_DATACENTER
from meshregistry.sim.eureka.registry import RegistryOptions
from meshregistry.sim.eureka.server import SimEureka, SimOptions
from tests.support.eureka_servers import CACHE_EXPIRY_S, PASSWORD, USERNAME, EurekaProcess, start_all

LONG_S = 3600
"""A lease that outlives every test."""

_TIMEOUT_S = 20.0
_POLL_S = 0.02
_QUICK_CACHES = CacheOptions(use_copy=False, expiry_s=CACHE_EXPIRY_S)

Answer = tuple[int, Any]
Row = tuple[str, int]


def registration(application: str, id_: str, ip: str, **fields: object) -> dict[str, object]:
    """Return what a client sends to register; `fields` stand in place of these."""
    return {
        "instanceId": id_,
        "hostName": ip,
        "app": application,
        "ipAddr": ip,
        "status": "UP",
        "vipAddress": application.lower(),
        "secureVipAddress": application.lower(),
        "port": {"$": 8080, "@enabled": "true"},
        "securePort": {"$": 443, "@enabled": "false"},
        "dataCenterInfo": dict(OWN_DATACENTER),
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": LONG_S},
        "metadata": {},
        **fields,
    }


class EurekaRig(ABC):
    """Running servers, peers if there are two. `at` says which of them is called."""

    is_real: bool

    def __init__(self, session: aiohttp.ClientSession, username: str, password: str) -> None:
        self.username, self.password = username, password
        self._session = session
        self._headers = {"Accept": "application/json"}
        if username:
            self._headers["Authorization"] = aiohttp.encode_basic_auth(username, password)

    @property
    @abstractmethod
    def addresses(self) -> tuple[str, ...]:
        """The base URLs with the context path."""

    @abstractmethod
    async def kill(self, *numbers: int) -> None:
        """End servers: connections are refused from now on."""

    @abstractmethod
    async def start(self, *numbers: int) -> None:
        """Start ended servers at once, each knowing only what its peer knows."""

    @abstractmethod
    async def close(self) -> None:
        """Leave those servers that run empty, or all of them gone."""

    async def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, at: int = 0
    ) -> Answer:
        """Make a call and return status and body, decoded if it is JSON; errors claim to be and are not."""
        url = f"{self.addresses[at]}{path}"
        given = {**self._headers, **(headers or {})}
        async with self._session.request(method, url, json=body, headers=given) as reply:
            is_json = reply.status == 200 and reply.content_type == "application/json" and reply.content_length != 0
            return reply.status, await reply.json() if is_json else await reply.text()

    async def register(self, application: str, id_: str, ip: str, *, at: int = 0, **fields: object) -> None:
        """Register or replace an instance."""
        body = {"instance": registration(application, id_, ip, **fields)}
        await self._succeed("POST", f"/apps/{quote(application)}", body, at=at)

    async def cancel(self, application: str, id_: str, *, at: int = 0) -> None:
        """Deregister an instance."""
        await self._succeed("DELETE", _path(application, id_), at=at)

    async def renew(self, application: str, id_: str, *, at: int = 0) -> int:
        """Send a heartbeat and return the status of the answer."""
        return (await self.call("PUT", _path(application, id_), at=at))[0]

    async def override(self, application: str, id_: str, status: str, *, at: int = 0) -> None:
        """Let a status stand in place of the client's."""
        await self._succeed("PUT", f"{_path(application, id_)}/status?value={status}", at=at)

    async def clear_override(self, application: str, id_: str, status: str = "UP", *, at: int = 0) -> None:
        """Take it back."""
        await self._succeed("DELETE", f"{_path(application, id_)}/status?value={status}", at=at)

    async def add_metadata(self, application: str, id_: str, name: str, value: str) -> None:
        """Add to an instance's metadata."""
        await self._succeed("PUT", f"{_path(application, id_)}/metadata?{name}={value}")

    async def applications(self, at: int = 0) -> dict[str, list[dict[str, Any]]]:
        """Return the whole registry as a server shows it, by application."""
        _, answer = await self.call("GET", "/apps", at=at)
        return {each["name"]: each["instance"] for each in answer["applications"]["application"]}

    async def rows(self, at: int = 0) -> dict[str, list[Row]]:
        """Return address and port of all instances that are UP, by application, those without any included."""
        found = await self.applications(at)
        return {
            name: sorted((each["ipAddr"], each["port"]["$"]) for each in instances if each["status"] == "UP")
            for name, instances in found.items()
        }

    async def until_rows(self, wanted: Mapping[str, Sequence[Row]], at: int = 0) -> None:
        """Wait until a server shows exactly this; peers tell each other after a while."""
        seen: dict[str, list[Row]] = {}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                while (seen := await self.rows(at)) != wanted:  # noqa: ASYNC110 - another process changes it
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            assert wanted == seen

    async def _empty(self, numbers: Sequence[int]) -> None:
        for application, instances in (await self.applications(numbers[0])).items():
            for instance in instances:
                await self.cancel(application, instance["instanceId"], at=numbers[0])
        for number in numbers:
            await self.until_rows({}, at=number)

    async def _succeed(self, method: str, path: str, body: object = None, *, at: int = 0) -> None:
        status, answer = await self.call(method, path, body, at=at)
        assert status in {200, 204}, f"{method} {path}: {status} {answer}"


class SimRig(EurekaRig):
    """Simulated servers in the test's own loop: `sims` have the faults, the clock and the counters."""

    is_real = False

    def __init__(self, session: aiohttp.ClientSession, *, peers: bool) -> None:
        username, password = ("", "") if peers else (USERNAME, PASSWORD)
        super().__init__(session, username, password)
        registry = RegistryOptions(eviction_period_s=0.5, self_preservation=peers)
        node = NodeOptions(registry=registry, caches=_QUICK_CACHES)
        options = SimOptions(username=username, password=password, node=node)
        self.sims = [SimEureka(options) for _ in range(2 if peers else 1)]
        if peers:
            self.sims[0].node.join(self.sims[1].node)

    @property
    def sim(self) -> SimEureka:
        """The first server."""
        return self.sims[0]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(sim.base_url for sim in self.sims)

    async def kill(self, *numbers: int) -> None:
        for number in numbers:
            await self.sims[number].stop()
            self.sims[number].node.is_connected = False

    async def start(self, *numbers: int) -> None:
        for number in numbers:
            self.sims[number].restart_node()
            self.sims[number].node.is_connected = True
            self.sims[number].node.copy_peers()
            await self.sims[number].start()

    async def close(self) -> None:
        await self.kill(*range(len(self.sims)))


class RealRig(EurekaRig):
    """Real servers."""

    is_real = True

    def __init__(self, session: aiohttp.ClientSession, servers: Sequence[EurekaProcess]) -> None:
        is_closed = len(servers) == 1
        super().__init__(session, USERNAME if is_closed else "", PASSWORD if is_closed else "")
        self._servers = servers

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(server.base_url for server in self._servers)

    async def kill(self, *numbers: int) -> None:
        for number in numbers:
            await anyio.to_thread.run_sync(self._servers[number].kill)

    async def start(self, *numbers: int) -> None:
        await anyio.to_thread.run_sync(start_all, [self._servers[number] for number in numbers])

    async def close(self) -> None:
        running = [number for number, server in enumerate(self._servers) if server.running]
        if running:
            await self._empty(running)


def _path(application: str, id_: str) -> str:
    return f"/apps/{quote(application)}/{quote(id_, safe='')}"
