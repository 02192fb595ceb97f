"""One way to drive a Nacos in a test, be it the simulator or a real server.

Each rig has a namespace of its own, so tests that share a server do not see each other.
"""

import asyncio
import functools
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import aiohttp
import anyio
import anyio.to_thread

from meshregistry.sim.nacos.access import Credentials
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import DEFAULT_CLUSTER, DEFAULT_GROUP, Instance, Namespace, ServiceKey
from meshregistry.sim.nacos.views import Dialect
from tests.support.nacos_servers import IDENTITY, NacosServer

# Ephemeral instances registered over HTTP live without heartbeats for as long as their metadata allows.
LONG_LIFE = {"preserved.heart.beat.timeout": "3600000", "preserved.ip.delete.timeout": "7200000"}

_VISIBLE_TIMEOUT_S = 10.0
_AGAIN_S = 2.0
_LISTING_TIMEOUT_S = 60.0
_POLL_S = 0.02


class InstanceDetails(TypedDict, total=False):
    """What a registration may say beside the address; defaults as Nacos's, the namespace is the rig's."""

    group: str
    namespace: str
    metadata: Mapping[str, str]
    weight: float
    enabled: bool
    healthy: bool
    ephemeral: bool
    cluster: str


@dataclass(frozen=True, slots=True)
class _Registered:
    key: ServiceKey
    instance: Instance


class NacosRig(ABC):
    """A running Nacos and the means to change what it holds.

    Ephemeral instances (the default) get LONG_LIFE added to their metadata, on the simulator too, so that
    the same registrations read the same everywhere. `is_real` tells the two apart where it must be.
    """

    dialect: Dialect
    base_url: str
    username = ""
    password = ""
    is_real: bool

    def __init__(self) -> None:
        self.namespace = f"t-{uuid.uuid4().hex[:12]}"
        self._registered: dict[tuple[ServiceKey, str, int], _Registered] = {}

    async def register(self, service: str, ip: str, port: int, **details: Unpack[InstanceDetails]) -> None:
        """Register or overwrite an instance; returns when readers see it, which on a real server takes a
        tenth of a second: do many at once in a task group."""
        entry = self._entry(service, ip, port, details)
        self._registered[entry.key, ip, port] = entry
        await self._register(entry)

    async def deregister(
        self, service: str, ip: str, port: int, *, group: str = DEFAULT_GROUP, namespace: str = ""
    ) -> None:
        """Deregister what this rig registered; returns when readers do not see it any more."""
        key = ServiceKey(service, group, namespace or self.namespace)
        await self._deregister(self._registered.pop((key, ip, port)))

    async def remove_service(self, service: str, *, group: str = DEFAULT_GROUP, namespace: str = "") -> None:
        """Remove an empty service, as Nacos itself does a minute after its last instance left."""
        await self._remove_service(ServiceKey(service, group, namespace or self.namespace))

    async def create_service(self, service: str, *, protect_threshold: float) -> None:
        """Create an ephemeral service with a protection threshold, before its first instance."""
        await self._create_service(ServiceKey(service, namespace=self.namespace), protect_threshold)

    def registered(self, network: str) -> list[tuple[str, str, int]]:
        """Return service, address and port of what this rig registered at addresses that begin so."""
        return [(key.name, ip, port) for key, ip, port in self._registered if ip.startswith(network)]

    async def token(self) -> str:
        """Log in and return the token."""
        path = "/nacos/v3/auth/user/login" if self.dialect.is_v3 else "/nacos/v1/auth/users/login"
        form = {"username": self.username, "password": self.password}
        async with aiohttp.ClientSession(self.base_url) as session, session.post(path, data=form) as reply:
            return str(json.loads(await reply.read())["accessToken"])

    async def cleanup(self) -> None:
        """Leave the server running and without this rig's instances."""
        await self._ensure_running()
        async with anyio.create_task_group() as tasks:
            for entry in self._registered.values():
                tasks.start_soon(self._deregister, entry)
        self._registered.clear()

    @abstractmethod
    async def create_namespace(self, namespace: str, shown_name: str = "") -> None:
        """Make the namespace appear in the namespace listing; using one needs no creation."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the server: connections are refused from now on."""

    @abstractmethod
    async def start(self) -> None:
        """Start the stopped server on its old address, with the instances that this rig registered.

        A real server forgets ephemeral instances when it stops; here they register again as their owners
        would, so for a moment after the start readers may see none of them.
        """

    @abstractmethod
    async def _register(self, entry: _Registered) -> None: ...

    @abstractmethod
    async def _deregister(self, entry: _Registered) -> None: ...

    @abstractmethod
    async def _remove_service(self, key: ServiceKey) -> None: ...

    @abstractmethod
    async def _create_service(self, key: ServiceKey, protect_threshold: float) -> None: ...

    @abstractmethod
    async def _ensure_running(self) -> None: ...

    def _entry(self, service: str, ip: str, port: int, details: InstanceDetails) -> _Registered:
        key = ServiceKey(service, details.get("group", DEFAULT_GROUP), details.get("namespace", self.namespace))
        ephemeral = details.get("ephemeral", True)
        instance = Instance(
            ip,
            port,
            weight=details.get("weight", 1.0),
            healthy=details.get("healthy", True),
            enabled=details.get("enabled", True),
            ephemeral=ephemeral,
            cluster=details.get("cluster", DEFAULT_CLUSTER),
            metadata={**details.get("metadata", {}), **(LONG_LIFE if ephemeral else {})},
        )
        return _Registered(key, instance)


class SimRig(NacosRig):
    """The simulator in the test's own loop; `sim` has the faults and counters."""

    is_real = False

    def __init__(self, dialect: Dialect, *, auth: bool) -> None:
        super().__init__()
        self.dialect = dialect
        credentials = Credentials(password="sim-pw") if auth else None
        if credentials is not None:
            self.username, self.password = credentials.username, credentials.password
        self.sim = SimNacos(SimOptions(dialect=dialect, credentials=credentials))
        self._running = False

    async def start(self) -> None:
        await self.sim.start()
        self.base_url = self.sim.base_url
        self._running = True

    async def stop(self) -> None:
        await self.sim.stop()
        self._running = False

    async def create_namespace(self, namespace: str, shown_name: str = "") -> None:
        self.sim.registry.create_namespace(Namespace(namespace, shown_name or namespace))

    async def _register(self, entry: _Registered) -> None:
        self.sim.registry.register(entry.key, entry.instance)

    async def _deregister(self, entry: _Registered) -> None:
        self.sim.registry.deregister(entry.key, entry.instance.ip, entry.instance.port)

    async def _remove_service(self, key: ServiceKey) -> None:
        self.sim.registry.remove_service(key)

    async def _create_service(self, key: ServiceKey, protect_threshold: float) -> None:
        self.sim.registry.create_service(key, ephemeral=True, protect_threshold=protect_threshold)

    async def _ensure_running(self) -> None:
        if not self._running:
            await self.start()


class RealRig(NacosRig):
    """A real server, driven over HTTP; needs `session` open for as long as it lives."""

    is_real = True

    def __init__(self, server: NacosServer, session: aiohttp.ClientSession) -> None:
        super().__init__()
        self.dialect = server.kind.dialect
        self.base_url = server.base_url
        self.username, self.password = server.username, server.password
        self._server = server
        self._session = session
        self._addresses: dict[tuple[str, int], asyncio.Lock] = {}

    async def start(self) -> None:
        await anyio.to_thread.run_sync(self._server.start)
        async with anyio.create_task_group() as tasks:
            for entry in self._registered.values():
                tasks.start_soon(self._register, entry)

    async def stop(self) -> None:
        await anyio.to_thread.run_sync(self._server.stop)

    async def beat(self) -> None:
        """Tell for every registered instance that its owner lives; one that the server has forgotten stays so.

        After three minutes without, the server forgets an address whatever its metadata says. Raises ClientError.
        """
        for entry in tuple(self._registered.values()):
            params = _identity(entry) | {"serviceName": entry.key.grouped}
            url = f"{self.base_url}/nacos/v1/ns/instance/beat"
            async with self._session.put(url, params=params, headers=IDENTITY) as reply:
                await reply.read()

    async def until_listing(self) -> None:
        """Wait until the server lists the rig's namespace in bulk: it may refuse for a while after its start."""
        v3 = self.dialect is Dialect.V3
        url = f"{self.base_url}/nacos/{'v3/admin/ns/service/list' if v3 else 'v1/ns/catalog/services'}"
        params = {"namespaceId": self.namespace, "pageNo": "1", "pageSize": "1000", "withInstances": "true"}
        with anyio.fail_after(_LISTING_TIMEOUT_S):
            while not await self._answers(url, params):  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(_POLL_S)

    async def create_namespace(self, namespace: str, shown_name: str = "") -> None:
        if self.dialect is Dialect.V3:
            params = {"namespaceId": namespace, "namespaceName": shown_name or namespace}
            await self._call("POST", "/nacos/v3/admin/core/namespace", params)
        else:
            params = {"customNamespaceId": namespace, "namespaceName": shown_name or namespace}
            await self._call("POST", "/nacos/v1/console/namespaces", params)

    async def _register(self, entry: _Registered) -> None:
        instance = entry.instance
        params = _identity(entry) | {
            "weight": str(instance.weight),
            "enabled": str(instance.enabled).lower(),
            "healthy": str(instance.healthy).lower(),
            "metadata": json.dumps(instance.metadata),
        }
        with anyio.fail_after(_VISIBLE_TIMEOUT_S):
            while not await self._publish_until_shown(entry, params):
                pass

    async def _publish_until_shown(self, entry: _Registered, params: Mapping[str, str]) -> bool:
        """Register an instance and tell whether readers see it soon; if not, say as what they do.

        Once, and never again in 27,000 registrations at the same instant as others, a real 2.3.1 did not show one
        within ten seconds. An owner registers again, too.
        """
        await self._publish("POST", entry, params)
        with anyio.move_on_after(_AGAIN_S):
            await self._wait_until(entry, functools.partial(_shows, entry.instance))
            return True
        print(f"not shown after {_AGAIN_S} s: {entry}; listed: {await self._listed(entry)}")
        return False

    async def _deregister(self, entry: _Registered) -> None:
        await self._publish("DELETE", entry, _identity(entry))
        await self._wait_until(entry, functools.partial(_lacks, entry.instance))

    async def _remove_service(self, key: ServiceKey) -> None:
        params = {"serviceName": key.name, "groupName": key.group, "namespaceId": key.namespace}
        v3 = self.dialect is Dialect.V3
        await self._call("DELETE", "/nacos/v3/admin/ns/service" if v3 else "/nacos/v1/ns/service", params)

    async def _create_service(self, key: ServiceKey, protect_threshold: float) -> None:
        params = {"serviceName": key.name, "groupName": key.group, "namespaceId": key.namespace}
        params |= {"protectThreshold": str(protect_threshold), "ephemeral": "true"}
        v3 = self.dialect is Dialect.V3
        await self._call("POST", "/nacos/v3/admin/ns/service" if v3 else "/nacos/v2/ns/service", params)

    async def _ensure_running(self) -> None:
        if not self._server.running:
            await anyio.to_thread.run_sync(self._server.start)

    async def _publish(self, method: str, entry: _Registered, params: Mapping[str, str]) -> None:
        """Nacos takes each address for one client and errs when it speaks twice at the same time."""
        address = (entry.instance.ip, entry.instance.port)
        async with self._addresses.setdefault(address, asyncio.Lock()):
            await self._call(method, "/nacos/v1/ns/instance", params)

    async def _wait_until(self, entry: _Registered, condition: Callable[[list[Instance]], bool]) -> None:
        """Nacos shows a change to readers after a delay; wait for it as an operator's listing shows it."""
        with anyio.fail_after(_VISIBLE_TIMEOUT_S):
            while not condition(await self._listed(entry)):  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(_POLL_S)

    async def _listed(self, entry: _Registered) -> list[Instance]:
        key, cluster = entry.key, entry.instance.cluster
        params = {"namespaceId": key.namespace, "clusterName": cluster, "pageNo": "1", "pageSize": "100000"}
        if self.dialect is Dialect.V3:
            path = "/nacos/v3/admin/ns/instance/list"
            params |= {"serviceName": key.name, "groupName": key.group}
        else:
            path = "/nacos/v1/ns/catalog/instances"
            params["serviceName"] = key.grouped
        async with self._session.get(self.base_url + path, params=params, headers=IDENTITY) as reply:
            if reply.status == 404:  # no such service or cluster: nothing is listed
                return []
            reply.raise_for_status()
            answer = await reply.json()
        rows = answer["data"] if self.dialect is Dialect.V3 else answer["list"]
        return [_instance(row) for row in rows]

    async def _answers(self, url: str, params: Mapping[str, str]) -> bool:
        try:
            async with self._session.get(url, params=params, headers=IDENTITY) as reply:
                await reply.read()
                return reply.status == 200
        except aiohttp.ClientError:
            return False

    async def _call(self, method: str, path: str, params: Mapping[str, str]) -> None:
        url = self.base_url + path
        async with self._session.request(method, url, params=params, headers=IDENTITY) as reply:
            text = await reply.text()
            assert reply.status == 200, f"{method} {path}: {reply.status} {text}"


def _identity(entry: _Registered) -> dict[str, str]:
    key, instance = entry.key, entry.instance
    return {
        "serviceName": key.name,
        "groupName": key.group,
        "namespaceId": key.namespace,
        "clusterName": instance.cluster,
        "ip": instance.ip,
        "port": str(instance.port),
        "ephemeral": str(instance.ephemeral).lower(),
    }


def _instance(row: Mapping[str, object]) -> Instance:
    fields = ("ip", "port", "weight", "healthy", "enabled", "ephemeral", "metadata")
    named = {name: row[name] for name in fields}
    return Instance(cluster=str(row["clusterName"]), **named)  # type: ignore[arg-type]


def _shows(wanted: Instance, listed: list[Instance]) -> bool:
    """Whether the instance is there as registered; the health of persistent ones is the server's affair."""
    same_health = [each if each.ephemeral else replace(each, healthy=wanted.healthy) for each in listed]
    return wanted in same_health


def _lacks(unwanted: Instance, listed: list[Instance]) -> bool:
    return all((each.ip, each.port) != (unwanted.ip, unwanted.port) for each in listed)
