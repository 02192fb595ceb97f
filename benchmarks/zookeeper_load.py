"""What the measured ZooKeeper holds: Dubbo interfaces with providers, named as long as real ones are."""

import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlsplit

ROOT = "/dubbo"
BASELINE_RUNS = 3
_PART = 10
_PORT = 20880


class Load(NamedTuple):
    """So many interfaces, each with so many providers; the same numbers give the same nodes."""

    interfaces: int
    providers: int

    def category(self, interface: int) -> str:
        """Return the path above the providers of an interface."""
        return f"{ROOT}/{_name(interface)}/providers"

    def provider(self, interface: int, number: int) -> str:
        """Return the path of a provider; numbers from `providers` on are not among `paths`."""
        total = interface * (self.providers + 1) + number
        address = f"10.{total >> 16 & 255}.{total >> 8 & 255}.{total & 255}"
        return f"{self.category(interface)}/{_encode(interface, address, total)}"

    def paths(self) -> Iterator[str]:
        """Yield every node, parents first."""
        yield ROOT
        for interface in range(self.interfaces):
            category = self.category(interface)
            yield category.rpartition("/")[0]
            yield category
            for number in range(self.providers):
                yield self.provider(interface, number)


def parse_providers(load: Load) -> float:
    """Return the baseline: seconds that the standard library takes to parse all provider names, median of three.

    A tenth of them is parsed, the time multiplied.
    """
    names = [load.provider(each, 0).rpartition("/")[2] for each in range(load.interfaces * load.providers // _PART)]
    runs = []
    for _ in range(BASELINE_RUNS):
        started = time.perf_counter()
        for name in names:
            dict(parse_qsl(urlsplit(unquote_plus(name)).query))
        runs.append(time.perf_counter() - started)
    return statistics.median(runs) * _PART


def _name(interface: int) -> str:
    return f"com.acme.orders.api.Service{interface:05d}"


def _encode(interface: int, address: str, number: int) -> str:
    """Return a node name as Dubbo 3.3 writes it, some 620 bytes: an application has a hundredth of the interfaces."""
    name = _name(interface)
    params = {
        "anyhost": "true",
        "application": f"app-{interface % 100}",
        "background": "false",
        "deprecated": "false",
        "dubbo": "2.0.2",
        "dynamic": "true",
        "executor-management-mode": "isolation",
        "file-cache": "true",
        "generic": "false",
        "interface": name,
        "methods": "create,query,cancel,update,list,count",
        "pid": str(1000 + number % 30000),
        "prefer.serialization": "hessian2,fastjson2",
        "release": "3.3.6",
        "revision": "1.4.2",
        "service-name-mapping": "true",
        "side": "provider",
        "timeout": "3000",
        "timestamp": str(1_795_368_627_356 + number),
        "version": "1.0.0",
        "zone": f"az-{number % 3}",
    }
    query = "&".join(f"{key}={value}" for key, value in params.items())
    return quote_plus(f"dubbo://{address}:{_PORT}/{name}?{query}", safe="*")
