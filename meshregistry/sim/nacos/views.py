"""Services as the JSON of Nacos's HTTP API: the same fields in the same order as the real servers.

The bulk catalogue of 10,000 services is answered from bytes kept per service, joined; a changed service
is encoded again when it is next asked for.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

import orjson

from meshregistry.sim.nacos.state import Instance, Namespace, Service

_T = TypeVar("_T")

_HEARTBEAT_INTERVAL_MS = 5000
_HEARTBEAT_TIMEOUT_MS = 15000
_DELETE_TIMEOUT_MS = 30000


class Dialect(StrEnum):
    """The generation of servers that is imitated: 1.4, 2.3, 3.1, and 3.2 which has lost v1."""

    V1 = "1.x"
    V2 = "2.x"
    V3 = "3.x"
    V32 = "3.2"

    @property
    def is_v3(self) -> bool:
        """Whether it has the v3 API."""
        return self in {Dialect.V3, Dialect.V32}


@dataclass(frozen=True, slots=True)
class HostFilter:
    """Which hosts of a service are wanted; no clusters means all of them."""

    clusters: frozenset[str] = frozenset()
    healthy_only: bool = False

    def admits(self, instance: Instance) -> bool:
        """Whether the host is wanted; readers never get a disabled one."""
        in_cluster = not self.clusters or instance.cluster in self.clusters
        return instance.enabled and in_cluster and (instance.healthy or not self.healthy_only)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHead:
    """What a ServiceInfo says of itself; `empty` makes it a lie without hosts."""

    name: str
    group: str
    clusters: str = ""
    time_ms: int
    empty: bool = False


class Views:
    """Renders services for one dialect; with `shuffle`, in random order like the hash sets of Nacos."""

    def __init__(self, dialect: Dialect, *, shuffle: bool = False) -> None:
        self._dialect = dialect
        self._random = random.Random(1) if shuffle else None

    def ordered(self, items: Iterable[_T]) -> list[_T]:
        """The items in the order of this server's mood."""
        listed = list(items)
        if self._random is not None:
            self._random.shuffle(listed)
        return listed

    def catalogue_row(self, service: Service) -> bytes:
        """The service with all its instances, as in the bulk catalogue of this dialect."""
        return self._kept(service, "row", self._encode_row)

    def count_row(self, service: Service) -> dict[str, object]:
        """The service with counts only (both dialects)."""
        instances = service.instances.values()
        return {
            "name": service.key.name,
            "groupName": service.key.group,
            "clusterCount": len({each.cluster for each in instances}),
            "ipCount": len(instances),
            "healthyInstanceCount": sum(each.healthy for each in instances),
            "triggerFlag": "false",
        }

    def hosts(self, service: Service | None, wanted: HostFilter) -> bytes:
        """The JSON array of hosts that readers of the service get; of no service, an empty one."""
        if service is None:
            return b"[]"
        if wanted == HostFilter():
            return self._kept(service, "hosts", lambda each: self._encode_hosts(each, wanted))
        return self._encode_hosts(service, wanted)

    def service_info(self, service: Service | None, head: ServiceHead, wanted: HostFilter) -> bytes:
        """The JSON of a service as v1 readers and subscribers get it (ServiceInfo)."""
        front = {"name": head.name, "groupName": head.group, "clusters": head.clusters, "cacheMillis": 10000}
        back = {
            "lastRefTime": head.time_ms,
            "checksum": "",
            "allIps" if self._dialect.is_v3 else "allIPs": False,
            "reachProtectionThreshold": service is not None and is_protected(service, wanted),
            "valid": True,
        }
        hosts = b"[]" if head.empty else self.hosts(service, wanted)
        return orjson.dumps(front)[:-1] + b',"hosts":' + hosts + b"," + orjson.dumps(back)[1:]

    def _kept(self, service: Service, name: str, encode: Callable[[Service], bytes]) -> bytes:
        if self._random is not None:
            return encode(service)
        if name not in service.rendered:
            service.rendered[name] = encode(service)
        return service.rendered[name]

    def _encode_hosts(self, service: Service, wanted: HostFilter) -> bytes:
        hosts = [each for each in service.instances.values() if wanted.admits(each)]
        if is_protected(service, wanted):
            hosts = [replace(each, healthy=True) for each in hosts]
        return orjson.dumps([instance_record(service, each) for each in self.ordered(hosts)])

    def _encode_row(self, service: Service) -> bytes:
        v3 = self._dialect.is_v3
        cluster_record = _cluster_v3 if v3 else _cluster_v1
        clusters = {name: cluster_record(service, self.ordered(hosts)) for name, hosts in service.clusters().items()}
        row = {
            "namespaceId" if v3 else "namespace": None,
            "serviceName": service.key.name,
            "groupName": service.key.group,
            "clusterMap": clusters,
            "metadata": {},
            "protectThreshold": service.protect_threshold or 0.0,
            "selector": None,
            "ephemeral": None,
        }
        return orjson.dumps(row)


def is_protected(service: Service, wanted: HostFilter) -> bool:
    """Whether so few hosts are healthy that Nacos shows all of them as healthy.

    Observed: of a `healthy_only` reading the share is taken after the filter, so nothing is ever protected there.
    """
    hosts = [each for each in service.instances.values() if wanted.admits(each)]
    if service.protect_threshold is None or not hosts:
        return False
    return sum(each.healthy for each in hosts) / len(hosts) <= service.protect_threshold


def instance_record(service: Service, instance: Instance) -> dict[str, object]:
    """An instance as in every listing but the v1 catalogue."""
    grouped = service.key.grouped
    record: dict[str, object] = {
        "instanceId": f"{instance.ip}#{instance.port}#{instance.cluster}#{grouped}",
        "ip": instance.ip,
        "port": instance.port,
        "weight": float(instance.weight),
        "healthy": instance.healthy,
        "enabled": instance.enabled,
        "ephemeral": instance.ephemeral,
        "clusterName": instance.cluster,
        "serviceName": grouped,
        "metadata": dict(instance.metadata),
        "instanceHeartBeatInterval": _preserved(instance, "heart.beat.interval", _HEARTBEAT_INTERVAL_MS),
        "instanceHeartBeatTimeOut": _preserved(instance, "heart.beat.timeout", _HEARTBEAT_TIMEOUT_MS),
        "ipDeleteTimeout": _preserved(instance, "ip.delete.timeout", _DELETE_TIMEOUT_MS),
    }
    # Nacos reads the generator from the metadata if there is any, and prints no nulls.
    generator = instance.metadata.get("preserved.instance.id.generator") if instance.metadata else "simple"
    if generator is not None:
        record["instanceIdGenerator"] = generator
    return record


def namespace_row(namespace: Namespace, *, kind: int) -> dict[str, object]:
    """A namespace as both generations list it; `kind` is Nacos's number for built-in or created."""
    return {
        "namespace": namespace.id,
        "namespaceShowName": namespace.name,
        "namespaceDesc": namespace.description,
        "quota": 200,
        "configCount": 0,
        "type": kind,
    }


def join_rows(rows: Sequence[bytes], before: bytes = b"", after: bytes = b"") -> bytes:
    """Encoded rows as one JSON array between two texts, in a single copy: it may have 40 MB."""
    if not rows:
        return before + b"[]" + after
    first, last = before + b"[" + rows[0], b"]" + after
    return b"".join((first, *(b"," + row for row in rows[1:]), last))


def _preserved(instance: Instance, name: str, default_ms: int) -> int:
    value = instance.metadata.get(f"preserved.{name}")
    return int(value) if value is not None and value.isdecimal() else default_ms


def _cluster_v1(_service: Service, hosts: list[Instance]) -> dict[str, object]:
    listed = [
        {
            "valid": each.healthy,
            "metadata": dict(each.metadata),
            "port": each.port,
            "ip": each.ip,
            "weight": float(each.weight),
            "enabled": each.enabled,
        }
        for each in hosts
    ]
    return {"clusterName": None, "healthChecker": None, "metadata": None, "hosts": listed}


def _cluster_v3(service: Service, hosts: list[Instance]) -> dict[str, object]:
    return {
        "clusterName": None,
        "healthChecker": None,
        "healthyCheckPort": 80,
        "useInstancePortForCheck": True,
        "metadata": None,
        "hosts": [instance_record(service, each) for each in hosts],
    }
