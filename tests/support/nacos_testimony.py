"""What the judges register, written by hand: as instances, and as ServiceEntries of the istio profile."""

from collections.abc import Iterable, Mapping

from meshregistry.model.instance import Instance, sort_pairs

VOLATILE = {"timestamp", "dubbo.metadata.revision"}
"""Metadata that is different in every run."""

GREET = "providers-fixtures.greetservice-95446179"
BLUE = "providers-fixtures.greetservice-1.0.0-blue-d8ab559c"
ENTRIES = {f"{name}.nacos" for name in ("shop-spring", "shop-sdk", "shop-dubbo", GREET, BLUE)}
"""Names of the resources of the group DEFAULT_GROUP; a digest marks names that had to be repaired."""

_SPRING = {"preserved.register.source": "SPRING_CLOUD", "version": "v1"}
_DUBBO_ADDRESS = "10.20.30.40"
_PROVIDER = {
    "application": "shop-dubbo",
    "category": "providers",
    "deprecated": "false",
    "dubbo": "2.0.2",
    "dynamic": "true",
    "generic": "false",
    "interface": "fixtures.GreetService",
    "methods": "greet",
    "path": "fixtures.GreetService",
    "prefer.serialization": "hessian2,fastjson2",
    "protocol": "dubbo",
    "release": "3.3.6",
    "service-name-mapping": "true",
    "side": "provider",
}
_BLUE = {**_PROVIDER, "group": "blue", "revision": "1.0.0", "version": "1.0.0"}
_PROTOCOL_NAMES = {"HTTP": "http", "TCP": "tcp-dubbo"}


def instances(ports: Mapping[str, int]) -> dict[str, tuple[Instance, ...]]:
    """Return what is published of the group DEFAULT_GROUP when the judges listen on these ports."""
    dubbo, python = ports["shop-dubbo"], ports["shop-sdk"]
    return {
        "shop-spring": (_one("127.0.0.1", ports["shop-spring"], _SPRING),),
        "shop-dubbo": (_one(_DUBBO_ADDRESS, dubbo, _application(dubbo)),),
        "providers:fixtures.GreetService::": (_one(_DUBBO_ADDRESS, dubbo, _PROVIDER),),
        "providers:fixtures.GreetService:1.0.0:blue": (_one(_DUBBO_ADDRESS, dubbo, _BLUE),),
        "shop-sdk": (Instance("127.0.0.1", python, "EAST", weight=2.5, metadata=(("version", "v2"),)),),
    }


def batch(ports: Mapping[str, int]) -> dict[str, tuple[Instance, ...]]:
    """Return what is published of the group BATCH."""
    return {"shop-sdk-batch": tuple(_one(f"127.0.0.{last}", ports["shop-sdk"], {}) for last in (2, 3))}


def settle(found: Iterable[Instance]) -> tuple[Instance, ...]:
    """Return the instances without their volatile metadata."""
    return tuple(
        Instance(
            each.address,
            each.port,
            each.cluster,
            healthy=each.healthy,
            enabled=each.enabled,
            weight=each.weight,
            metadata=tuple(pair for pair in each.metadata if pair[0] not in VOLATILE),
        )
        for each in found
    )


def entries(ports: Mapping[str, int]) -> dict[str, object]:
    """Return the specs of the group's ServiceEntries, without virtual addresses, by resource name.

    A value that is no label value is left out.
    """
    dubbo = ports["shop-dubbo"]
    provider = {name: value for name, value in _PROVIDER.items() if name != "prefer.serialization"}
    blue = {name: value for name, value in _BLUE.items() if name != "prefer.serialization"}
    application = {name: _application(dubbo)[name] for name in ("dubbo.metadata.storage-type", "meta-v")}
    return {
        "shop-spring.nacos": _entry("shop-spring", "HTTP", _endpoint("127.0.0.1", ports["shop-spring"], _SPRING)),
        "shop-sdk.nacos": _entry("shop-sdk", "HTTP", _endpoint("127.0.0.1", ports["shop-sdk"], {"version": "v2"}, 250)),
        "shop-dubbo.nacos": _entry("shop-dubbo", "TCP", _endpoint(_DUBBO_ADDRESS, dubbo, application)),
        f"{GREET}.nacos": _entry(GREET, "TCP", _endpoint(_DUBBO_ADDRESS, dubbo, provider)),
        f"{BLUE}.nacos": _entry(BLUE, "TCP", _endpoint(_DUBBO_ADDRESS, dubbo, blue)),
    }


def trim(spec: Mapping[str, object]) -> dict[str, object]:
    """Return a spec without virtual addresses and volatile labels."""
    endpoints = spec["endpoints"]
    assert isinstance(endpoints, list)
    trimmed = [
        {**each, "labels": {name: value for name, value in each["labels"].items() if name not in VOLATILE}}
        for each in endpoints
    ]
    return {name: value for name, value in spec.items() if name != "addresses"} | {"endpoints": trimmed}


def _one(address: str, port: int, metadata: dict[str, str]) -> Instance:
    return Instance(address, port, "DEFAULT", metadata=sort_pairs(metadata))


def _application(port: int) -> dict[str, str]:
    url_params = (
        '{"prefer.serialization":"hessian2,fastjson2","version":"1.0.0","dubbo":"2.0.2","release":"3.3.6",'
        f'"side":"provider","port":"{port}","protocol":"dubbo"}}'
    )
    return {
        "dubbo.endpoints": f'[{{"port":{port},"protocol":"dubbo"}}]',
        "dubbo.metadata-service.url-params": url_params,
        "dubbo.metadata.storage-type": "local",
        "meta-v": "1.0.0",
    }


def _endpoint(address: str, port: int, labels: dict[str, str], weight: int = 100) -> dict[str, object]:
    return {"address": address, "port": port, "labels": labels, "weight": weight}


def _entry(name: str, protocol: str, endpoint: dict[str, object]) -> dict[str, object]:
    """One endpoint, reachable at the service port 80 and at its own."""
    port, prefix = endpoint.pop("port"), _PROTOCOL_NAMES[protocol]
    return {
        "hosts": [f"{name}.nacos.svc.cluster.local"],
        "ports": [{"number": each, "protocol": protocol, "name": f"{prefix}-{each}"} for each in (80, port)],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "endpoints": [{**endpoint, "ports": {f"{prefix}-80": port, f"{prefix}-{port}": port}}],
    }
