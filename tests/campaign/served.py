"""What an istiod holds of each endpoint, in the terms of the mesh, and in what two of that differ.

Nothing here is Meshregistry's: what must be held is written down in each registry of the campaign (`Registry.expect`).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from meshregistry.watch.model import ConfigKey, IstiodModel, StoredConfig
from meshregistry.watch.resources import Resolution, ServiceEntrySpec

Pairs = tuple[tuple[str, str], ...]
"""Names and values, sorted."""

MESH_INTERNAL = 1
"""ServiceEntry.Location."""


class Endpoint(NamedTuple):
    """One registration: the source that serves it, its service and its address."""

    source: str
    service: str
    address: str


class Port(NamedTuple):
    """A service port, and which port of the endpoint is behind it; 0 for the same."""

    number: int
    protocol: str
    name: str
    own: int


class Served(NamedTuple):
    """An endpoint with what its entry says of it."""

    hosts: tuple[str, ...]
    ports: tuple[Port, ...]
    """By number."""

    weight: int
    labels: Pairs
    entry_labels: Pairs
    virtual_addresses: int = 0
    """How many the entry has: a host with a TCP port needs one."""

    network: str = ""
    locality: str = ""
    service_account: str = ""
    resolution: int = Resolution.STATIC
    location: int = MESH_INTERNAL


World = Mapping[Endpoint, tuple[Served, ...]]
"""Everything that is held. More than one of an endpoint: its address stands in its service more than once."""


class View:
    """What one istiod holds. It reads each stored config once, so that a change costs what it changes."""

    def __init__(self) -> None:
        self._known: dict[ConfigKey, tuple[StoredConfig, World]] = {}

    def read(self, model: IstiodModel) -> World:
        """Return everything that it holds now; what did not change is the same object as before."""
        known = self._known
        self._known = {key: _read_again(config, known.get(key)) for key, config in model.configs.items()}
        return _join(part for _, part in self._known.values())


def versions_of(model: IstiodModel) -> dict[ConfigKey, str]:
    """Return the version of everything that an istiod holds."""
    return {key: config.version for key, config in model.configs.items()}


def list_ports(protocol: str, prefix: str, numbers: Iterable[int], own: int) -> tuple[Port, ...]:
    """Return the service ports of one protocol, each of which reaches an endpoint on its own port."""
    return tuple(Port(number, protocol, f"{prefix}-{number}", own) for number in sorted(numbers))


def compare(held: World, truth: World) -> list[str]:
    """Return in words in what they differ, a line for each endpoint in order."""
    differing = (each for each in held.keys() | truth.keys() if held.get(each) != truth.get(each))
    return [f"{name(each)}: {_tell(held.get(each, ()), truth.get(each, ()))}" for each in sorted(differing)]


def name(endpoint: Endpoint) -> str:
    """Return an endpoint in words."""
    return " ".join(endpoint)


def _read_again(config: StoredConfig, known: tuple[StoredConfig, World] | None) -> tuple[StoredConfig, World]:
    return known if known is not None and known[0] is config else (config, _read(config))


def _read(config: StoredConfig) -> World:
    spec = config.spec
    if not isinstance(spec, ServiceEntrySpec):
        return {}
    service = (spec.hosts[0] if spec.hosts else config.key.name).partition(".")[0]
    found: dict[Endpoint, tuple[Served, ...]] = {}
    for each in spec.endpoints:
        ports = (
            Port(port.number, port.protocol, port.name, each.ports.get(port.name, port.target_port))
            for port in spec.ports
        )
        served = Served(
            spec.hosts,
            tuple(sorted(ports)),
            each.weight,
            sort(each.labels),
            sort(config.labels),
            len(spec.addresses),
            each.network,
            each.locality,
            each.service_account,
            spec.resolution,
            spec.location,
        )
        endpoint = Endpoint(config.key.namespace, service, each.address)
        found[endpoint] = (*found.get(endpoint, ()), served)
    return found


def _join(parts: Iterable[World]) -> World:
    joined: dict[Endpoint, tuple[Served, ...]] = {}
    for part in parts:
        for endpoint, served in part.items():
            joined[endpoint] = (*joined[endpoint], *served) if endpoint in joined else served
    return joined


def _tell(held: tuple[Served, ...], truth: tuple[Served, ...]) -> str:
    if not held:
        return "missing"
    if not truth:
        return "not registered"
    if len(held) != len(truth):
        return f"held {len(held)} times"
    differing = (
        f"{field} {getattr(have, field)!r} instead of {getattr(want, field)!r}"
        for have, want in zip(held, truth, strict=True)
        for field in Served._fields
        if getattr(have, field) != getattr(want, field)
    )
    return "; ".join(differing)


def sort(labels: Mapping[str, str]) -> Pairs:
    """Return labels as pairs."""
    return tuple(sorted(labels.items()))
