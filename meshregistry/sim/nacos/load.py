"""Content for the simulated server: many services at once, and single changes to them."""

import ipaddress
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from meshregistry.sim.nacos.state import DEFAULT_GROUP, PUBLIC, Instance, InstanceChange, Registry, ServiceKey

_PORT = 8080
_LOADED, _REPLACED = 10, 11  # first octets of the addresses

ChurnKind = Literal["metadata", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`services` services named `svc-00000`… with `instances` instances each."""

    services: int
    instances: int
    namespace: str = PUBLIC
    group: str = DEFAULT_GROUP

    def service_keys(self) -> Iterator[ServiceKey]:
        """The services of this load."""
        return (ServiceKey(f"svc-{n:05d}", self.group, self.namespace) for n in range(self.services))


@dataclass(frozen=True, slots=True)
class Churned:
    """What a churn step changed; for a replacement `ip` is the new address."""

    service: str
    ip: str
    port: int
    kind: ChurnKind
    step: int


def populate(registry: Registry, load: Load) -> None:
    """Register a load; the same numbers give the same addresses each time."""
    addresses = itertools.count(1)
    for key in load.service_keys():
        for _ in range(load.instances):
            registry.register(key, _instance(_LOADED, next(addresses)))


class Churn:
    """Changes one instance per step, service by service; owner of the step counter."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._steps = itertools.count()

    def step(self, namespace: str, kind: ChurnKind, service: str | None = None) -> Churned | None:
        """Change an instance of the named service or of the next one; None if there is nothing to change.

        `metadata` puts a new `step` into its metadata, `replace` moves it to a new address.
        """
        step = next(self._steps)
        candidates = [
            each for each in self._registry.services(namespace) if each.instances and service in (None, each.key.name)
        ]
        if not candidates:
            return None
        chosen = candidates[step % len(candidates)]
        instance = next(iter(chosen.instances.values()))
        if kind == "replace":
            self._registry.deregister(chosen.key, instance.ip, instance.port)
            instance = _instance(_REPLACED, step)
            self._registry.register(chosen.key, instance)
        else:
            change = InstanceChange(metadata={"step": str(step)})
            self._registry.update(chosen.key, instance.ip, instance.port, change)
        return Churned(chosen.key.name, instance.ip, instance.port, kind, step)


def _instance(network: int, number: int) -> Instance:
    ip = str(ipaddress.IPv4Address((network << 24) + number))
    metadata = {
        "preserved.register.source": "SPRING_CLOUD",
        "version": f"v{number % 2 + 1}",
        "zone": f"az-{number % 3 + 1}",
    }
    return Instance(ip, _PORT, metadata=metadata)
