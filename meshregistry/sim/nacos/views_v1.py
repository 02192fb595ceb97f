"""A service as a 1.4 server shows it to readers, known from its source: no such server was at hand.

Source: alibaba/nacos 1.4.8, naming/controllers/InstanceController.java, doSrvIpxt.
"""

import hashlib
from dataclasses import replace

from meshregistry.sim.nacos.state import Instance, Service, ServiceKey
from meshregistry.sim.nacos.views import HostFilter, is_protected

_CACHE_MS = 3000


def service_record(
    service: Service | None, key: ServiceKey, wanted: HostFilter, clusters: str, time_ms: int
) -> dict[str, object]:
    """The answer of `/v1/ns/instance/list`; of an unknown service it says less."""
    head: dict[str, object] = {"name": key.grouped, "clusters": clusters, "cacheMillis": _CACHE_MS}
    if service is None:
        return {"hosts": [], **head}
    hosts = [_host(each, key) for each in _shown(service, wanted)]
    return {
        "hosts": hosts,
        "dom": key.name,
        **head,
        "lastRefTime": time_ms,
        "checksum": hashlib.md5(repr(hosts).encode(), usedforsecurity=False).hexdigest(),
        "useSpecifiedURL": False,
        "env": "",
        "metadata": {},
    }


def _shown(service: Service, wanted: HostFilter) -> list[Instance]:
    """The hosts; of a protected service all are healthy, asked for healthy ones only or not."""
    if is_protected(service, replace(wanted, healthy_only=False)):
        everybody = [replace(each, healthy=True) for each in service.instances.values()]
        return [each for each in everybody if wanted.admits(each)]
    return [each for each in service.instances.values() if wanted.admits(each)]


def _host(instance: Instance, key: ServiceKey) -> dict[str, object]:
    return {
        "ip": instance.ip,
        "port": instance.port,
        "valid": instance.healthy,
        "healthy": instance.healthy,
        "marked": False,
        "instanceId": f"{instance.ip}#{instance.port}#{instance.cluster}#{key.grouped}",
        "metadata": dict(instance.metadata),
        "enabled": instance.enabled,
        "weight": float(instance.weight),
        "clusterName": instance.cluster,
        "serviceName": key.name,
        "ephemeral": instance.ephemeral,
    }
