"""Application-level discovery (Dubbo 2.7.5+, 3.x): instances of applications, their metadata, and who maps to whom.

Rules: Dubbo ServiceInstanceMetadataUtils, MetadataInfo, ServiceNameMapping. With local metadata (the default of 3.x)
the registry has no group and no version of a service: only the provider's own RPC knows them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from meshregistry.model.dubbo_key import DUBBO_NAMESPACE, PROTOCOL
from meshregistry.model.grammar import is_fqdn, is_ip
from meshregistry.model.instance import Pairs, sort_pairs
from meshregistry.sources.zookeeper.curator import CuratorNode

MAX_METADATA_BYTES = 8 * 1_048_576
_FRAMEWORK_SERVICES = frozenset(
    ("org.apache.dubbo.metadata.MetadataService", "org.apache.dubbo.metadata.MetadataServiceV2")
)
_FRAMEWORK_KEYS = frozenset(("meta-v", "timestamp"))
_NOT_EXPORTED = "0"


class Registrant(NamedTuple):
    """One process of an application, by what stays the same of it when its nodes go and come back."""

    application: str
    address: str
    started: str
    """Milliseconds as registered: Dubbo 3 keeps the start of the process through updates and new sessions."""


class Offer(NamedTuple):
    """One interface on one port of one application instance."""

    interface: str
    scheme: str
    address: str
    port: int
    application: str
    params: Pairs
    timestamp: str
    is_exact: bool
    """Whether the application's metadata says so; otherwise only the mapping does, without group and version."""

    @property
    def registrant(self) -> Registrant:
        """Who offers it."""
        return Registrant(self.application, self.address, self.timestamp)


class ApplicationInstance(NamedTuple):
    """One instance of an application."""

    application: str
    address: str
    port: int
    revision: str
    """Names the metadata that describes it; equal revisions of an application have equal metadata."""

    endpoints: tuple[tuple[str, int], ...]
    """Scheme and port of every protocol it serves."""

    timestamp: str
    params: Pairs
    """What the application adds to its metadata."""


class ExportedService(NamedTuple):
    """One service in an application's metadata; port 0 is the endpoint's of that scheme."""

    interface: str
    scheme: str
    port: int
    params: Pairs


def read_instance(node: CuratorNode) -> ApplicationInstance | None:
    """Return the application instance of a Dubbo node; None for one that exports nothing or cannot be reached."""
    revision = node.metadata.get("dubbo.metadata.revision", "")
    if not (node.is_dubbo and node.is_enabled and revision != _NOT_EXPORTED):
        return None
    if not (is_ip(node.address) or is_fqdn(node.address)) or not node.name:
        return None
    custom = {
        key: value
        for key, value in node.metadata.items()
        if not key.startswith("dubbo.") and key not in _FRAMEWORK_KEYS and key != "@class"
    }
    return ApplicationInstance(
        node.name,
        node.address,
        node.port,
        revision,
        _read_endpoints(node.metadata.get("dubbo.endpoints", "")),
        node.metadata.get("timestamp", "") or str(node.registered_ms),
        sort_pairs(custom),
    )


def read_metadata(data: bytes) -> tuple[ExportedService, ...] | None:
    """Return the services in `/dubbo/metadata/<application>/<revision>`, None when it cannot be understood."""
    if len(data) > MAX_METADATA_BYTES:
        return None
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    services = tree.get("services") if isinstance(tree, dict) else None
    if not isinstance(services, dict):
        return None
    exported = [_read_service(each) for each in services.values() if isinstance(each, dict)]
    return tuple(sorted(each for each in exported if each.interface and each.interface not in _FRAMEWORK_SERVICES))


def read_mapping(data: bytes) -> tuple[str, ...]:
    """Return the applications in `/dubbo/mapping/<interface>`: a comma list. 2.7 has child nodes instead."""
    names = {name.strip() for name in data.decode("utf-8", "replace").split(",")}
    return tuple(sorted(name for name in names if name))


def list_exact_offers(instance: ApplicationInstance, services: Iterable[ExportedService]) -> tuple[Offer, ...]:
    """Return what an instance offers by its application's metadata."""
    ports = dict(instance.endpoints)
    offers = []
    for service in services:
        port = service.port or ports.get(service.scheme, 0)
        if 1 <= port <= 65535:
            offers.append(_offer(instance, service.interface, (service.scheme, port), service.params, is_exact=True))
    return tuple(offers)


def guess_offers(instance: ApplicationInstance, interface: str) -> tuple[Offer, ...]:
    """Return what an instance of an application that maps to the interface may offer: it on every port."""
    return tuple(_offer(instance, interface, endpoint, (), is_exact=False) for endpoint in instance.endpoints)


def offer_application(instance: ApplicationInstance) -> tuple[Offer, ...]:
    """Return the application itself as a service, on every port of the instance."""
    return tuple(_offer(instance, instance.application, each, (), is_exact=True) for each in instance.endpoints)


def _offer(
    instance: ApplicationInstance, interface: str, endpoint: tuple[str, int], params: Pairs, *, is_exact: bool
) -> Offer:
    merged = {**dict(instance.params), **dict(params), "application": instance.application, "interface": interface}
    return Offer(
        interface,
        endpoint[0],
        instance.address,
        endpoint[1],
        instance.application,
        sort_pairs(merged),
        instance.timestamp,
        is_exact,
    )


def _read_service(tree: Mapping[str, Any]) -> ExportedService:
    params = tree.get("params")
    texts = {key: str(value) for key, value in params.items()} if isinstance(params, dict) else {}
    for name in ("group", "version"):
        if tree.get(name):
            texts[name] = str(tree[name])
    texts.pop(PROTOCOL, None)
    port = tree.get("port")
    return ExportedService(
        str(tree.get("name") or ""),
        str(tree.get(PROTOCOL) or DUBBO_NAMESPACE).lower(),
        port if isinstance(port, int) else 0,
        sort_pairs(texts),
    )


def _read_endpoints(text: str) -> tuple[tuple[str, int], ...]:
    try:
        tree = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ()
    endpoints = set()
    for each in tree if isinstance(tree, list) else ():
        scheme, port = (each.get("protocol"), each.get("port")) if isinstance(each, dict) else (None, None)
        if isinstance(scheme, str) and isinstance(port, int) and 1 <= port <= 65535:
            endpoints.add((scheme.lower(), port))
    return tuple(sorted(endpoints))
