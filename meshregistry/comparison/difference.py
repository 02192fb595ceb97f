"""Finds the differences of two pages, host by host and endpoint by endpoint. Pure.

What makes no difference to a mesh is none: the order of things, an endpoint that stands twice, versions and creation
times, weight 1 and none, a host without endpoints on one side that the other side does not have (Slime keeps emptied
services for ever). The last two kinds are counted.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from meshregistry.comparison.page import Endpoint, Entry, Page, ServiceResource

_UNIMPORTANT = frozenset({"ResourceVersion"})

Value = str | None


class What(StrEnum):
    """What differs."""

    HOST = "host"
    """The host is on one side only."""

    ENDPOINT = "endpoint"
    """The endpoint is on one side only."""

    FIELD = "field"
    """A field of the host's entry differs."""

    ENDPOINT_FIELD = "endpoint_field"
    SIDECAR = "sidecar"


class Difference(msgspec.Struct, frozen=True):
    """One difference; None is what a side does not have."""

    host: str
    """The host, or a Sidecar's `namespace/name`."""

    what: What
    subject: str
    """The endpoint, ending with ` field` where one of its fields differs, or the field of the host."""

    there: Value
    ours: Value


class Comparison(msgspec.Struct, frozen=True):
    """What a comparison found; `there` is the other side."""

    differences: tuple[Difference, ...]
    hosts_there: int
    hosts_ours: int
    endpoints_there: int
    endpoints_ours: int
    empty_there: int
    """Hosts without endpoints there that we do not have."""

    empty_ours: int

    hosts_both: int

    @property
    def hosts_equal(self) -> int:
        """Hosts that both sides have without any difference."""
        inside = (What.FIELD, What.ENDPOINT, What.ENDPOINT_FIELD)
        return self.hosts_both - len({each.host for each in self.differences if each.what in inside})


class _Host(msgspec.Struct):
    """One host of one side: the union of the entries that claim it."""

    fields: dict[str, str]
    endpoints: dict[str, dict[str, str]]


def compare(there: Page, ours: Page) -> Comparison:
    """Return the differences of two pages, sorted."""
    hosts_there, hosts_ours = _list_hosts(there), _list_hosts(ours)
    found = [
        difference
        for host in sorted(hosts_there.keys() | hosts_ours.keys())
        for difference in _compare_host(host, hosts_there.get(host), hosts_ours.get(host))
    ]
    return Comparison(
        (*found, *_compare_sidecars(there.sidecars, ours.sidecars)),
        len(hosts_there),
        len(hosts_ours),
        sum(len(host.endpoints) for host in hosts_there.values()),
        sum(len(host.endpoints) for host in hosts_ours.values()),
        _count_empty(hosts_there, hosts_ours),
        _count_empty(hosts_ours, hosts_there),
        len(hosts_there.keys() & hosts_ours.keys()),
    )


def confirm(earlier: Comparison, later: Comparison) -> Comparison:
    """Return the later comparison with those differences alone that the earlier one has, too."""
    known = frozenset(earlier.differences)
    return msgspec.structs.replace(later, differences=tuple(each for each in later.differences if each in known))


def _list_hosts(page: Page) -> dict[str, _Host]:
    hosts: dict[str, _Host] = {}
    for resource in sorted(page.entries, key=lambda each: (each.meta.namespace, each.meta.name)):
        for name in resource.entry.hosts:
            host = hosts.setdefault(name, _Host({}, {}))
            _join_fields(host.fields, _entry_fields(resource))
            for endpoint in resource.entry.endpoints:
                host.endpoints.setdefault(_identify(endpoint), _endpoint_fields(endpoint))
    return hosts


def _join_fields(fields: dict[str, str], more: Mapping[str, str]) -> None:
    """Add the fields of a further entry of the same host; what differs between them stands side by side."""
    for name, value in more.items():
        known = fields.get(name)
        fields[name] = value if known in (None, value) else f"{known} + {value}"


def _entry_fields(resource: ServiceResource) -> dict[str, str]:
    meta, entry = resource.meta, resource.entry
    fields = {
        "resource": f"{meta.namespace}/{meta.name}",
        "ports": _ports_text(entry),
        "location": entry.location,
        "resolution": entry.resolution,
        "addresses": _join(entry.addresses),
        "exportTo": _join(entry.export_to),
        "subjectAltNames": _join(entry.subject_alt_names),
    }
    fields |= {f"labels.{key}": value for key, value in (meta.labels or {}).items()}
    fields |= {
        f"annotations.{key}": value for key, value in (meta.annotations or {}).items() if key not in _UNIMPORTANT
    }
    return {name: value for name, value in fields.items() if value or name.startswith(("labels.", "annotations."))}


def _ports_text(entry: Entry) -> str:
    ports = sorted((port.number, port.protocol, port.name, port.target_port) for port in entry.ports)
    return ", ".join(
        f"{number} {protocol} {name}" + (f" -> {target}" if target else "") for number, protocol, name, target in ports
    )


def _join(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))


def _identify(endpoint: Endpoint) -> str:
    """Return what tells an endpoint from others: its address and the ports that it is reached at."""
    numbers = sorted({*endpoint.ports.values()})
    return f"{endpoint.address}:{','.join(map(str, numbers))}"


def _endpoint_fields(endpoint: Endpoint) -> dict[str, str]:
    fields = {
        "ports": ", ".join(f"{name}={number}" for name, number in sorted(endpoint.ports.items())),
        "locality": endpoint.locality,
        "network": endpoint.network,
        "serviceAccount": endpoint.service_account,
        "weight": str(endpoint.weight or 1),
    }
    found = {name: value for name, value in fields.items() if value}
    return found | {f"labels.{key}": value for key, value in endpoint.labels.items()}


def _compare_host(host: str, there: _Host | None, ours: _Host | None) -> Iterator[Difference]:
    if there is None or ours is None:
        only = ours or there
        if only is not None and only.endpoints:
            count = f"{len(only.endpoints)} endpoints"
            yield Difference(host, What.HOST, "", count if ours is None else None, count if there is None else None)
        return
    for field, one, other in _unequal(there.fields, ours.fields):
        yield Difference(host, What.FIELD, field, one, other)
    for name in sorted(there.endpoints.keys() | ours.endpoints.keys()):
        theirs, own = there.endpoints.get(name), ours.endpoints.get(name)
        if theirs is None or own is None:
            yield Difference(
                host, What.ENDPOINT, name, *(None if each is None else "present" for each in (theirs, own))
            )
            continue
        for field, one, other in _unequal(theirs, own):
            yield Difference(host, What.ENDPOINT_FIELD, f"{name} {field}", one, other)


def _unequal(there: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[tuple[str, Value, Value]]:
    for name in sorted(there.keys() | ours.keys()):
        if there.get(name) != ours.get(name):
            yield name, there.get(name), ours.get(name)


def _count_empty(hosts: Mapping[str, _Host], others: Mapping[str, _Host]) -> int:
    return sum(name not in others and not host.endpoints for name, host in hosts.items())


def _compare_sidecars(there: Mapping[str, object], ours: Mapping[str, object]) -> Iterator[Difference]:
    for name in sorted(there.keys() | ours.keys()):
        one, other = (_sidecar_text(side.get(name)) for side in (there, ours))
        if one != other:
            yield Difference(name, What.SIDECAR, "", one, other)


def _sidecar_text(spec: object) -> Value:
    return None if spec is None else msgspec.json.encode(spec, order="deterministic").decode("utf-8")
