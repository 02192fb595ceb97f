"""Rules that concern several fields: Slime's macros (`Rectify`), its checks (`Validate`), and the guard per source.

Source: Slime pkg/bootstrap/args.go.
"""

import re
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from meshregistry.settings.eureka import EurekaSource
from meshregistry.settings.fields import Secret
from meshregistry.settings.findings import Path
from meshregistry.settings.guard import Guard
from meshregistry.settings.nacos import NacosSource
from meshregistry.settings.root import Settings
from meshregistry.settings.source import Source
from meshregistry.settings.zookeeper import NO_CONSUMERS, ZookeeperSource

_match_header_name = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_PROTECTION_OFF = {"empty_grace": 0.0, "mass_ratio": 0.0}


class Conflict(NamedTuple):
    """Fields that do not fit together; `path` is where to mend it."""

    path: Path
    involved: tuple[Path, ...]
    message: str


def rectify(settings: Settings, explicit: Container[Path]) -> Settings:
    """Return the settings with macros expanded and every source's guard complete.

    `explicit` holds the paths that a file or the environment set. Applying it twice changes nothing.
    """
    sources: dict[str, Source] = {
        "nacos_source": _expand_nacos(settings.nacos_source),
        "zookeeper_source": _expand_zookeeper(settings.zookeeper_source),
        "eureka_source": _expand_eureka(settings.eureka_source),
        "k8s_source": settings.k8s_source,
    }
    guarded = {
        name: source.model_copy(update={"guard": _source_guard(settings, name, explicit)})
        for name, source in sources.items()
    }
    return settings.model_copy(update=guarded)


def _expand_nacos(source: NacosSource) -> NacosSource:
    update: dict[str, object] = {}
    if source.enabled and source.gateway_model:
        update |= {"instance_port_as_svc_port": False, "k8s_domain_suffix": False}
    if source.enabled and source.nsf_nacos:
        update |= {"enable_project_code": True, "dom_suffix": "nsf"}
    return source.model_copy(update=update)


def _expand_eureka(source: EurekaSource) -> EurekaSource:
    update: dict[str, object] = {}
    if source.gateway_model:
        update |= {"instance_port_as_svc_port": False, "k8s_domain_suffix": False}
    if source.nsf_eureka:
        update |= {"enable_project_code": True, "app_suffix": "nsf"}
    return source.model_copy(update=update)


def _expand_zookeeper(source: ZookeeperSource) -> ZookeeperSource:
    update: dict[str, object] = {"consumer_path": source.consumer_path or "/consumers"}
    if source.gateway_model:
        update = {
            "svc_port": 80,
            "instance_port_as_svc_port": False,
            "host_suffix": ".dubbo",
            "enable_dubbo_sidecar": False,
            "consumer_path": source.consumer_path or NO_CONSUMERS,
        }
    return source.model_copy(update=update)


def _source_guard(settings: Settings, name: str, explicit: Container[Path]) -> Guard:
    """Return a source's guard: its own keys, then its protection switch, then the top-level guard.

    A switch that is off only by the profile's default yields to what the top-level guard says in so many words.
    """
    source = settings.sources()[name]
    switched = (name, "enable_empty_protection") in explicit
    update: dict[str, object] = {}
    for key in Guard.model_fields:
        if (name, "guard", key) in explicit:
            update[key] = getattr(source.guard, key)
        elif not source.enable_empty_protection and (switched or ("guard", key) not in explicit):
            update |= {key: _PROTECTION_OFF[key]} if key in _PROTECTION_OFF else {}
    return settings.guard.model_copy(update=update)


def find_conflicts(settings: Settings) -> Iterator[Conflict]:
    """Yield what does not fit together in enabled sources; the settings must have been rectified."""
    for name in ("nacos_source", "zookeeper_source", "eureka_source"):
        source = settings.sources()[name]
        if source.enabled:
            yield from _source_conflicts(name, source)
    yield from _missing_addresses(settings)
    yield from _zookeeper_conflicts(settings.zookeeper_source)
    yield from _header_conflicts("nacos_source", settings.nacos_source.client_headers)
    yield from _header_conflicts("eureka_source", settings.eureka_source.client_headers)
    yield from _tls_conflicts(settings)


def _header_conflicts(source: str, headers: Mapping[str, Secret]) -> Iterator[Conflict]:
    for name, value in headers.items():
        here: Path = (source, "client_headers", name)
        if not _match_header_name(name):
            yield Conflict(here, (here,), "not a header name")
        elif not value.get_secret_value().isprintable():
            yield Conflict(here, (here,), "a header value cannot hold line breaks or control characters")


def _tls_conflicts(settings: Settings) -> Iterator[Conflict]:
    tls = settings.mcp.tls
    if bool(tls.certificate) != bool(tls.key):
        missing: Path = ("mcp", "tls", "key" if tls.certificate else "certificate")
        yield Conflict(missing, (missing,), "certificate and key belong together")
    if not tls.client_ca and (tls.require_client_certificate or tls.client_names):
        here: Path = ("mcp", "tls", "client_ca")
        yield Conflict(here, (here,), "needed to judge client certificates")


def _source_conflicts(name: str, source: Source) -> Iterator[Conflict]:
    def conflict(message: str, *fields: str) -> Conflict:
        return Conflict((name, fields[0]), tuple((name, field) for field in fields), message)

    if source.mock_service_entry_name and not source.mock_service_name:
        message = "must be set when mock_service_entry_name is"
        yield conflict(message, "mock_service_name", "mock_service_entry_name")
    if not source.instance_port_as_svc_port and not source.svc_port:
        message = "must be set when instance_port_as_svc_port is false"
        yield conflict(message, "svc_port", "instance_port_as_svc_port", "gateway_model")
    if not source.svc_protocol:
        yield conflict("must not be empty", "svc_protocol")
    if source.refresh_period <= 0:
        yield conflict("must be longer than 0", "refresh_period")


def _missing_addresses(settings: Settings) -> Iterator[Conflict]:
    nacos, eureka, zookeeper = settings.nacos_source, settings.eureka_source, settings.zookeeper_source
    if nacos.enabled:
        servers = [bool(server.address) for server in nacos.servers]
        yield from _missing("nacos_source", servers, own=bool(nacos.address))
    if eureka.enabled:
        servers = [bool(server.address) for server in eureka.servers]
        yield from _missing("eureka_source", servers, own=bool(eureka.address))
    if zookeeper.enabled:
        servers = [bool(server.address) for server in zookeeper.servers]
        yield from _missing("zookeeper_source", servers, own=bool(zookeeper.address))


def _zookeeper_conflicts(source: ZookeeperSource) -> Iterator[Conflict]:
    if not source.enabled:
        return
    everywhere: Path = ("zookeeper_source", "servers")
    ids = [server.registry_id for server in source.servers]
    for index, registry_id in enumerate(ids):
        if registry_id in ids[:index]:
            here: Path = (*everywhere, index, "registry_id")
            yield Conflict(here, (here, everywhere), f"{registry_id!r} is the id of another registry, too")
    for index, server in enumerate(source.active_servers()):
        if not server.registry_root_node.strip("/ "):
            place: Path = (*everywhere, index) if source.servers else ("zookeeper_source",)
            here = (*place, "registry_root_node")
            yield Conflict(here, (here, everywhere), "must name a node below /")


def _missing(name: str, servers: list[bool], *, own: bool) -> Iterator[Conflict]:
    message = "an enabled source needs an address"
    everywhere: Path = (name, "servers")
    if not servers and not own:
        here: Path = (name, "address")
        yield Conflict(here, (here, everywhere), message)
    for index, given in enumerate(servers):
        if not given:
            yield Conflict((name, "servers", index, "address"), ((name, "servers", index), everywhere), message)
