"""Content for the simulated server: Dubbo providers and Spring Cloud applications, and changes to them."""

import ipaddress
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote_plus

import orjson

from meshregistry.sim.zookeeper.state import State
from meshregistry.sim.zookeeper.tree import Node, Transaction

_DUBBO_PORT, _SPRING_PORT = 20880, 8080
_DUBBO_NETWORK, _REPLACED_NETWORK, _SPRING_NETWORK = 10, 11, 12  # first octets of the addresses
_STARTED_MS = 1_700_000_000_000
_SPRING_CLASS = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"
_URI_PARTS = [
    {"value": "scheme", "variable": True},
    {"value": "://", "variable": False},
    {"value": "address", "variable": True},
    {"value": ":", "variable": False},
    {"value": "port", "variable": True},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`interfaces` Dubbo interfaces `com.example.Service00000`… with `providers` providers each below `dubbo_root`,
    and `applications` Spring Cloud applications `app-00000`… with `instances` instances each below `spring_root`."""

    interfaces: int = 0
    providers: int = 3
    applications: int = 0
    instances: int = 2
    dubbo_root: str = "/dubbo"
    spring_root: str = "/services"


@dataclass(frozen=True, slots=True)
class Churned:
    """A provider that went and the one that came in its place, as paths."""

    gone: str
    come: str


def populate(state: State, load: Load) -> None:
    """Create a load below roots that may be there already; the same numbers give the same nodes each time."""
    numbers = itertools.count(1)
    with state.change() as transaction:
        for interface in range(load.interfaces):
            name = f"com.example.Service{interface:05d}"
            category = f"{load.dubbo_root}/{name}/providers"
            _ensure(state, transaction, category)
            for _ in range(load.providers):
                transaction.create(f"{category}/{_provider(name, _DUBBO_NETWORK, next(numbers))}")
        for application in range(load.applications):
            name = f"app-{application:05d}"
            _ensure(state, transaction, f"{load.spring_root}/{name}")
            for _ in range(load.instances):
                number = next(numbers)
                path = f"{load.spring_root}/{name}/{_identifier(number)}"
                transaction.create(path, _spring_instance(name, number))


def create_path(state: State, path: str) -> None:
    """Create a node and what is missing above it; nothing if it is there. Raises Refused for a path that is none."""
    with state.change() as transaction:
        _ensure(state, transaction, path)


class Churn:
    """Replaces one provider per step, interface by interface; owner of the step counter."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state
        self._steps = itertools.count()

    def step(self, root: str) -> Churned | None:
        """Replace a provider of the next interface below the root; None if there is none."""
        state, step = self._state(), next(self._steps)
        top = state.tree.find(root)
        interfaces = [name for name in (top.children if top else ()) if _providers(state, root, name)]
        if not interfaces:
            return None
        name = interfaces[step % len(interfaces)]
        category = f"{root}/{name}/providers"
        gone = f"{category}/{next(iter(state.tree.get(category).children))}"
        with state.change() as transaction:
            come = f"{category}/{_provider(name, _REPLACED_NETWORK, transaction.zxid)}"
            transaction.delete(gone)
            transaction.create(come)
        return Churned(gone, come)


def _providers(state: State, root: str, interface: str) -> dict[str, None]:
    node: Node | None = state.tree.find(f"{root}/{interface}/providers")
    return node.children if node else {}


def _ensure(state: State, transaction: Transaction, path: str) -> None:
    parts = path.split("/")
    for depth in range(2, len(parts) + 1):
        above = "/".join(parts[:depth])
        if state.tree.find(above) is None:
            transaction.create(above)


def _provider(interface: str, network: int, number: int) -> str:
    parameters = {
        "application": f"shop-{number % 10}",
        "deprecated": "false",
        "dubbo": "2.0.2",
        "dynamic": "true",
        "generic": "false",
        "interface": interface,
        "methods": "create,find",
        "release": "3.3.6",
        "side": "provider",
        "timestamp": str(_STARTED_MS + number),
        "version": "1.0.0",
        "zone": f"az-{number % 3 + 1}",
    }
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return quote_plus(f"dubbo://{_address(network, number)}:{_DUBBO_PORT}/{interface}?{query}", safe="*")


def _spring_instance(name: str, number: int) -> bytes:
    metadata = {"instance_status": "UP", "version": f"v{number % 2 + 1}", "zone": f"az-{number % 3 + 1}"}
    return orjson.dumps(
        {
            "name": name,
            "id": _identifier(number),
            "address": _address(_SPRING_NETWORK, number),
            "port": _SPRING_PORT,
            "sslPort": None,
            "payload": {"@class": _SPRING_CLASS, "id": name, "name": name, "metadata": metadata},
            "registrationTimeUTC": _STARTED_MS + number,
            "serviceType": "DYNAMIC",
            "uriSpec": {"parts": _URI_PARTS},
        }
    )


def _identifier(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _address(network: int, number: int) -> str:
    return str(ipaddress.IPv4Address((network << 24) + number))
