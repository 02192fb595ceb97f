"""The registries of the demo: simulated servers, and how a user changes them by hand."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import quote_plus

from meshregistry.errors import ListenError
from meshregistry.sim.eureka.caches import CacheOptions
from meshregistry.sim.eureka.node import NodeOptions
from meshregistry.sim.eureka.records import Record
from meshregistry.sim.eureka.server import SimEureka
from meshregistry.sim.eureka.server import SimOptions as EurekaOptions
from meshregistry.sim.nacos.server import SimNacos
from meshregistry.sim.nacos.server import SimOptions as NacosOptions
from meshregistry.sim.nacos.state import Instance, ServiceKey
from meshregistry.sim.zookeeper.content import create_path
from meshregistry.sim.zookeeper.control import Control
from meshregistry.sim.zookeeper.server import SimOptions as ZooKeeperOptions
from meshregistry.sim.zookeeper.server import SimZooKeeper

HOST = "127.0.0.1"
_HELLO_IP = "10.1.2.3"
_YEAR_S = 365 * 24 * 3600


class ByHand(NamedTuple):
    """What a user may type: the ends of `curl` lines."""

    register: str
    deregister: str


class Listener(Protocol):
    """A server that listens on a port."""

    async def start(self) -> object:
        """Listen. Raises OSError if the port is taken."""

    async def stop(self) -> None:
        """Close everything; nothing if it does not listen."""


class DemoRegistry(ABC):
    """A simulated registry. Services are named as Nacos has them, in lower case; instances are numbers from 0 on."""

    title: str
    network: int
    """Second octet of the addresses: an address tells where its instance is registered."""

    def __init__(self, port: int, *listeners: tuple[int, Listener]) -> None:
        self.port = port
        self._listeners = listeners

    @property
    @abstractmethod
    def settings(self) -> str:
        """The source that reads it, as a line of YAML."""

    @property
    @abstractmethod
    def by_hand(self) -> ByHand:
        """How an instance of the service `hello` comes and goes."""

    @property
    @abstractmethod
    def status_page(self) -> str:
        """The page that tells how the registry is doing, without its beginning."""

    @abstractmethod
    def entry(self, service: str) -> str:
        """Return the resource of a service as the query of a page."""

    async def start(self) -> None:
        """Listen. Raises ListenError if a port is taken."""
        for port, listener in self._listeners:
            try:
                await listener.start()
            except OSError as error:
                raise ListenError(f"cannot listen on {HOST}:{port}: {error.strerror}") from error

    async def stop(self) -> None:
        """Close everything; nothing if it does not listen."""
        for _, listener in reversed(self._listeners):
            await listener.stop()

    @abstractmethod
    def register(self, service: str, ip: str) -> None:
        """Add an instance."""

    @abstractmethod
    def deregister(self, service: str, ip: str) -> None:
        """Remove an instance that is registered."""


class NacosRegistry(DemoRegistry):
    """A Nacos 2; its services speak HTTP."""

    title = "Nacos"
    network = 0

    def __init__(self, port: int) -> None:
        self._sim = SimNacos(NacosOptions(port=port))
        super().__init__(port, (port, self._sim))

    @property
    def settings(self) -> str:
        return f'nacos_source: {{enabled: true, address: ["http://{HOST}:{self.port}"], refresh_period: 1s}}'

    @property
    def by_hand(self) -> ByHand:
        url = f"'http://{HOST}:{self.port}/nacos/v1/ns/instance?serviceName=hello&ip={_HELLO_IP}&port=8080'"
        return ByHand(f"-X POST {url}", f"-X DELETE {url}")

    @property
    def status_page(self) -> str:
        return "nacos?registries=true"

    def entry(self, service: str) -> str:
        return f"ns=nacos&name={service}.nacos"

    def register(self, service: str, ip: str) -> None:
        self._sim.registry.register(ServiceKey(service), Instance(ip, 8080))

    def deregister(self, service: str, ip: str) -> None:
        self._sim.registry.deregister(ServiceKey(service), ip, 8080)


class EurekaRegistry(DemoRegistry):
    """A Eureka without its caches of 30 s, so that changes are seen at once; its services speak HTTP."""

    title = "Eureka"
    network = 20

    def __init__(self, port: int) -> None:
        node = NodeOptions(caches=CacheOptions(use_copy=False))
        self._sim = SimEureka(EurekaOptions(port=port, node=node))
        super().__init__(port, (port, self._sim))

    @property
    def settings(self) -> str:
        return f'eureka_source: {{enabled: true, address: ["http://{HOST}:{self.port}/eureka"], refresh_period: 1s}}'

    @property
    def by_hand(self) -> ByHand:
        center = {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"}
        names = {"instanceId": "hello-1", "app": "HELLO", "hostName": _HELLO_IP, "ipAddr": _HELLO_IP, "status": "UP"}
        sent = {"instance": {**names, "port": {"$": 8080, "@enabled": "true"}, "dataCenterInfo": center}}
        url = f"http://{HOST}:{self.port}/eureka/apps/HELLO"
        header = "-H 'Content-Type: application/json'"
        return ByHand(f"-X POST {header} -d '{json.dumps(sent)}' '{url}'", f"-X DELETE '{url}/hello-1'")

    @property
    def status_page(self) -> str:
        return "eureka?registries=true"

    def entry(self, service: str) -> str:
        return f"ns=eureka&name={service}.eureka"

    def register(self, service: str, ip: str) -> None:
        record = Record(
            app=service.upper(),
            id=f"{ip}:{service}:8080",
            ip=ip,
            host=ip,
            vip=service,
            duration_s=_YEAR_S,
            dirty_ms=int(time.time() * 1000),
        )
        self._sim.node.registry.register(record)

    def deregister(self, service: str, ip: str) -> None:
        self._sim.node.registry.cancel(service.upper(), f"{ip}:{service}:8080")


class ZooKeeperRegistry(DemoRegistry):
    """A ZooKeeper with Dubbo providers; nodes come and go by hand over HTTP, as few have a client of it ready."""

    title = "ZooKeeper"
    network = 10

    def __init__(self, port: int, control_port: int) -> None:
        self._control_port = control_port
        self._sim = SimZooKeeper(ZooKeeperOptions(port=port))
        control = Control(self._sim).listener(HOST, control_port)
        super().__init__(port, (port, self._sim), (control_port, control))

    @property
    def settings(self) -> str:
        return f'zookeeper_source: {{enabled: true, address: ["{HOST}:{self.port}"]}}'

    @property
    def by_hand(self) -> ByHand:
        body = json.dumps({"path": _provider_path("hello", _HELLO_IP)})
        url = f"http://{HOST}:{self._control_port}/sim/nodes"
        return ByHand(f"-X POST -d '{body}' '{url}'", f"-X DELETE -d '{body}' '{url}'")

    @property
    def status_page(self) -> str:
        return "sources"

    def entry(self, service: str) -> str:
        return f"ns=dubbo&name={_interface(service).lower()}.dubbo"

    def register(self, service: str, ip: str) -> None:
        create_path(self._sim.state, _provider_path(service, ip))

    def deregister(self, service: str, ip: str) -> None:
        with self._sim.state.change() as transaction:
            transaction.delete(_provider_path(service, ip))


def make_registries(ports: Mapping[str, int]) -> dict[str, DemoRegistry]:
    """Return every registry by its name on the command line; nothing listens yet."""
    return {
        "nacos": NacosRegistry(ports["nacos"]),
        "zookeeper": ZooKeeperRegistry(ports["zookeeper"], ports["zookeeper_control"]),
        "eureka": EurekaRegistry(ports["eureka"]),
    }


def _interface(service: str) -> str:
    return f"com.acme.{service.capitalize()}"


def _provider_path(service: str, ip: str) -> str:
    interface = _interface(service)
    url = f"dubbo://{ip}:20880/{interface}?application={service}&interface={interface}&side=provider"
    return f"/dubbo/{interface}/providers/{quote_plus(url)}"
