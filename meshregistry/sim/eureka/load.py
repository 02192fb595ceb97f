"""Content for the simulated server: many applications at once, and single changes to them."""

import ipaddress
import itertools
from dataclasses import dataclass
from typing import Literal

from meshregistry.sim.eureka.node import Node, Operation
from meshregistry.sim.eureka.records import Record
from meshregistry.sim.eureka.registry import Registry

_LOADED, _REPLACED = 10, 11  # first octets of the addresses
_YEAR_S = 365 * 24 * 3600

ChurnKind = Literal["metadata", "replace", "status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`applications` applications named `APP-00000`… with `instances` registrations each, which never expire."""

    applications: int
    instances: int


@dataclass(frozen=True, slots=True)
class Churned:
    """What a churn step changed; for a replacement `ip` is the new address."""

    application: str
    id: str
    ip: str
    kind: ChurnKind
    step: int


def populate(registry: Registry, load: Load, now_ms: int) -> None:
    """Register a load; the same numbers give the same addresses each time."""
    addresses = itertools.count(1)
    for number in range(load.applications):
        for _ in range(load.instances):
            registry.register(_record(f"APP-{number:05d}", _LOADED, next(addresses), now_ms))


class Churn:
    """Changes one registration per step, application by application; owner of the step counter. Peers are told."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._steps = itertools.count()

    def step(self, kind: ChurnKind, now_ms: int) -> Churned | None:
        """Change a registration of the next application; None if there is none.

        `metadata` puts a new `step` into its metadata, `replace` puts one at a new address in its place,
        `status` takes it out of service or back into it.
        """
        step = next(self._steps)
        names = list(self._node.registry.applications)
        if not names:
            return None
        name = names[step % len(names)]
        record = next(iter(self._node.registry.applications[name].values())).record
        if kind == "replace":
            self._repeat(lambda registry: registry.cancel(name, record.id))
            new = _record(name, _REPLACED, step, now_ms)
            self._repeat(lambda registry: registry.register(new))
            return Churned(name, new.id, new.ip, kind, step)
        if kind == "metadata":
            self._repeat(lambda registry: registry.merge_metadata(name, record.id, {"step": str(step)}))
        else:
            status = "UP" if record.status == "OUT_OF_SERVICE" else "OUT_OF_SERVICE"
            self._repeat(lambda registry: registry.override(name, record.id, status))
        return Churned(name, record.id, record.ip, kind, step)

    def _repeat(self, operation: Operation) -> None:
        self._node.change(operation, operation)


def _record(application: str, network: int, number: int, now_ms: int) -> Record:
    ip = str(ipaddress.IPv4Address((network << 24) + number))
    name = application.lower()
    base = f"http://{ip}:8080/"
    return Record(
        app=application,
        id=f"{ip}:{name}:8080",
        ip=ip,
        host=ip,
        metadata={"management.port": "8080", "version": f"v{number % 2 + 1}", "zone": f"az-{number % 3 + 1}"},
        vip=name,
        secure_vip=name,
        urls={
            "homePageUrl": base,
            "statusPageUrl": f"{base}actuator/info",
            "healthCheckUrl": f"{base}actuator/health",
        },
        duration_s=_YEAR_S,
        dirty_ms=now_ms,
    )
