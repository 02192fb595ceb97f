"""The page `/xdsCache`: the snapshot that clients are served, with Slime's parameters and shapes.

Source of the rules: Slime pkg/mcpoverxds/mcpcontroller.go, HandleXdsCache. Different on purpose: items are sorted;
`name` works without `ns` and type; `ver` is a sequence number, as the header `X-Meshregistry-Sequence` of an earlier
answer gave it, because versions are content hashes here and have no order; nothing that is gone is listed.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

import msgspec
from aiohttp import web

from meshregistry.http.spec_json import JsonObject, config_item, kubernetes_item, timestamp_text
from meshregistry.http.staleness import stale_header
from meshregistry.http.streaming import send_slices
from meshregistry.http.text import json_documents, json_list, json_lists, yaml_documents, yaml_list, yaml_lists
from meshregistry.http.views import Views
from meshregistry.model.service_entry import ISTIO_KINDS, Kind
from meshregistry.store.snapshot import Snapshot
from meshregistry.wire.resource import Resource

SEQUENCE_HEADER = "X-Meshregistry-Sequence"
COMPLETE_HEADER = "X-Meshregistry-Complete"
"""Sources whose part was restored and is not confirmed yet; missing when there are none."""

_GROUP = "networking.istio.io"
_API_VERSIONS = ("v1alpha3", "v1beta1", "v1")
_SEQUENCE_DIGITS = 19
_JSON_SLICE_SIZE = 200
_YAML_SLICE_SIZE = 40
"""Resources and endpoints per slice: a few milliseconds of work."""

_Choice = TypeVar("_Choice", bound=StrEnum)
_Group = tuple[str, list[Resource]]


class Format(StrEnum):
    """Parameter `format`."""

    JSON = "json"
    YAML = "yaml"


class Layout(StrEnum):
    """Parameter `layout`: an object of lists by type, one list, or one document per item."""

    GVK = "gvk"
    LIST = "list"
    PLAIN = "plain"


class CacheQuery(msgspec.Struct, frozen=True):
    """What of the snapshot is asked for, and in which shape."""

    types: Mapping[str, Kind]
    """Type name to print → kind; empty when a type was asked that no source produces."""

    namespace: str
    name: str
    since: int
    """Sequence number after which a resource must have changed; 0 for all."""

    format: Format
    layout: Layout
    kubernetes: bool


class Shape(msgspec.Struct, frozen=True):
    """What all items have in common."""

    created: str
    """Their creation time, RFC 3339."""

    version_annotation: bool = True


class XdsCachePage:
    """Answers `/xdsCache` from the current snapshot; keeps nothing between requests."""

    def __init__(self, views: Views, send_timeout_s: float) -> None:
        self._store = views.snapshot
        self._staleness = views.staleness
        self._shape = Shape(timestamp_text(views.create_time), views.version_annotation)
        self._send_timeout_s = send_timeout_s

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Stream the selected resources; 400 for a parameter with an unsupported value."""
        query = parse_query(request.query)
        snapshot = self._store.current
        headers = {
            "Content-Type": _content_type(query),
            SEQUENCE_HEADER: str(snapshot.sequence),
            COMPLETE_HEADER: str(snapshot.complete).lower(),
            **stale_header(self._staleness),
        }
        return await send_slices(request, self._slices(snapshot, query), headers, self._send_timeout_s)

    def _slices(self, snapshot: Snapshot, query: CacheQuery) -> Iterator[bytes]:
        # A generator, so that the selection happens in the first slice's turn too.
        yield from render(query, select(snapshot, query), self._shape)


def parse_query(parameters: Mapping[str, str]) -> CacheQuery:
    """Return the query of a request; raises HTTPBadRequest for an unsupported value."""
    return CacheQuery(
        types=_types(parameters.get("res") or parameters.get("typeUrl") or parameters.get("gvk") or ""),
        namespace=parameters.get("ns", ""),
        name=parameters.get("name", ""),
        since=_sequence(parameters.get("ver", "")),
        format=_choose(Format, "format", parameters.get("format") or Format.JSON),
        layout=_choose(Layout, "layout", parameters.get("layout") or Layout.GVK),
        kubernetes=bool(parameters.get("k8sRsc")),
    )


def select(snapshot: Snapshot, query: CacheQuery) -> list[_Group]:
    """Return type name → resources that the query asks for, sorted by name; types without any are left out.

    A sequence number of the future stems from an earlier process: all may have changed since, so it selects all.
    """
    since = query.since if query.since <= snapshot.sequence else 0
    groups = ((type_name, _matches(snapshot, kind, query, since)) for type_name, kind in query.types.items())
    return [(type_name, resources) for type_name, resources in groups if resources]


def render(query: CacheQuery, groups: list[_Group], shape: Shape) -> Iterator[bytes]:
    """Yield the document in parts; each is built when it is asked for."""
    in_yaml = query.format is Format.YAML
    item = (
        partial(kubernetes_item, created=shape.created)
        if query.kubernetes
        else partial(config_item, created=shape.created, with_version=shape.version_annotation)
    )
    size = _YAML_SLICE_SIZE if in_yaml else _JSON_SLICE_SIZE
    parts = [(name, _items(name, resources, item, size)) for name, resources in groups]
    if query.layout is Layout.GVK:
        return (yaml_lists if in_yaml else json_lists)(parts)
    items = (part for _, slices in parts for part in slices)
    if query.layout is Layout.PLAIN:
        return (yaml_documents if in_yaml else json_documents)(items)
    return (yaml_list if in_yaml else json_list)(items)


def render_page(snapshot: Snapshot, create_time: datetime) -> bytes:
    """Return the whole page as it is without parameters."""
    query = parse_query({})
    return b"".join(render(query, select(snapshot, query), Shape(timestamp_text(create_time))))


def slice_resources(resources: list[Resource], size: int) -> Iterator[list[Resource]]:
    """Yield runs of resources with about `size` resources and endpoints together."""
    run: list[Resource] = []
    weight = 0
    for resource in resources:
        run.append(resource)
        weight += 1 + resource.endpoint_count
        if weight >= size:
            yield run
            run, weight = [], 0
    if run:
        yield run


def _items(
    type_name: str, resources: list[Resource], shape: Callable[[Resource, str], JsonObject], size: int
) -> Iterator[list[JsonObject]]:
    for run in slice_resources(resources, size):
        yield [shape(resource, type_name) for resource in run]


def _matches(snapshot: Snapshot, kind: Kind, query: CacheQuery, since: int) -> list[Resource]:
    collection = snapshot.collection(kind)
    return [
        resource
        for name, resource in sorted(collection.resources.items())
        if (not query.namespace or resource.record.namespace == query.namespace)
        and (not query.name or resource.record.name == query.name)
        and (not since or collection.sequences[name] > since)
    ]


def _types(asked: str) -> Mapping[str, Kind]:
    """Return the types an asked `group/version/kind` names; "" is all, in Slime's API version."""
    if not asked:
        return {f"{_GROUP}/{_API_VERSIONS[0]}/{kind}": kind for kind in ISTIO_KINDS}
    group_version, _, kind = asked.rpartition("/")
    known = group_version in {f"{_GROUP}/{version}" for version in _API_VERSIONS} and kind in ISTIO_KINDS
    return {asked: Kind(kind)} if known else {}


def _sequence(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _SEQUENCE_DIGITS):
        raise web.HTTPBadRequest(text=f"ver must be a sequence number, see the header {SEQUENCE_HEADER}\n")
    return int(text)


def _choose(choices: type[_Choice], parameter: str, value: str) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        known = ", ".join(choices)
        raise web.HTTPBadRequest(text=f"unsupported {parameter} {value[:100]!r}, known are {known}\n") from None


def _content_type(query: CacheQuery) -> str:
    if query.format is Format.YAML:
        return "application/yaml; charset=utf-8"
    return f"{'text/plain' if query.layout is Layout.PLAIN else 'application/json'}; charset=utf-8"
