"""Pages for humans with a question: clients, sources, registries, rejects, effective settings."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from aiohttp import web

from meshregistry.http.spec_json import spec_json
from meshregistry.http.staleness import stale_header
from meshregistry.http.streaming import send_slices
from meshregistry.http.text import json_array, json_arrays, json_members, json_object, json_report, json_text
from meshregistry.http.views import RegistriesView, Views
from meshregistry.http.xds_cache import slice_resources
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Kind
from meshregistry.wire.resource import Resource

JSON = "application/json; charset=utf-8"
_REGISTRY_LABEL = "registry"
_SLICE_SIZE = 500
_STEP_SIZE = 1000
"""Rejects looked at in one turn."""

_DEFAULT_LIMIT = 1000
_MOST_SHOWN = 10_000
_MOST_DIGITS = 9


class DebugPages:
    """Answers the small debug pages from the views."""

    def __init__(self, views: Views, send_timeout_s: float) -> None:
        self._views = views
        self._send_timeout_s = send_timeout_s

    async def clients(self, request: web.Request) -> web.StreamResponse:
        """Return connection id → what is known of that client."""
        return await self._send(request, json_object(self._views.clients.clients()))

    async def sources(self, request: web.Request) -> web.StreamResponse:
        """Return source kind → the status of its registries."""
        return await self._send(request, json_arrays(self._views.sources.sources()))

    async def args(self, request: web.Request) -> web.Response:
        """Return the effective settings, without secrets: by Slime's names, or ours with `format=yaml`."""
        if request.query.get("format") == "yaml":
            return web.Response(text=self._views.args())
        return json_answer(self._views.slime_args())

    async def rejects(self, request: web.Request) -> web.StreamResponse:
        """Return the counts by reason and at most `limit` rejects, of one `resource` or `reason` when asked."""
        limit = min(read_limit(request.query), _MOST_SHOWN)
        return await self._send(request, self._reject_slices(request.query, limit))

    async def _send(self, request: web.Request, slices: Iterator[bytes]) -> web.StreamResponse:
        return await send_slices(request, slices, {"Content-Type": JSON}, self._send_timeout_s)

    def _reject_slices(self, query: Mapping[str, str], limit: int) -> Iterator[bytes]:
        resource, reason = query.get("resource"), query.get("reason")
        shown: list[Reject] = []
        reasons: Counter[str] = Counter()
        walk = self._views.rejects.walk_rejects()
        while run := tuple(islice(walk, _STEP_SIZE)):
            found = [each for each in run if resource in (None, each.resource) and reason in (None, each.reason)]
            reasons.update(each.reason for each in found)
            shown = sorted((*shown, *found))[:limit]
            yield b""
        yield from json_report({"total": reasons.total(), "reasons": dict(sorted(reasons.items()))}, "rejects", shown)


class RegistryPage:
    """Answers the page of one source kind, as Slime's `/nacos` and `/eureka` do."""

    def __init__(self, kind: str, registries: RegistriesView, views: Views, send_timeout_s: float) -> None:
        self._kind = kind
        self._registries = registries
        self._store = views.snapshot
        self._staleness = views.staleness
        self._send_timeout_s = send_timeout_s

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Return the source's ServiceEntry specs by name, or its registries when asked for with `registries=true`."""
        is_about_servers = request.query.get("registries") == "true"
        slices = json_array(self._registries.registries()) if is_about_servers else self._spec_slices()
        headers = {"Content-Type": JSON, **stale_header(self._staleness)}
        return await send_slices(request, slices, headers, self._send_timeout_s)

    def _spec_slices(self) -> Iterator[bytes]:
        # A generator, so that the selection happens in the first slice's turn too.
        resources = self._store.current.collection(Kind.SERVICE_ENTRY).resources
        mark = (_REGISTRY_LABEL, self._kind)
        yield from json_members(
            _specs([resource for _, resource in sorted(resources.items()) if mark in resource.record.labels])
        )


def _specs(resources: list[Resource]) -> Iterator[dict[str, object]]:
    """Yield slices of name → spec; a name that several namespaces share is told apart by `namespace/name`."""
    shared = Counter(resource.record.name for resource in resources)
    for run in slice_resources(resources, _SLICE_SIZE):
        yield {
            resource.name if shared[resource.record.name] > 1 else resource.record.name: spec_json(resource.entry)
            for resource in run
        }


def json_answer(value: object) -> web.Response:
    """Return a value as an answer in JSON."""
    return web.Response(body=json_text(value), headers={"Content-Type": JSON})


def read_limit(parameters: Mapping[str, str], default: int = _DEFAULT_LIMIT) -> int:
    """Return how many items are asked for; raises HTTPBadRequest."""
    return read_number(parameters, "limit", default)


def read_number(parameters: Mapping[str, str], name: str, default: int) -> int:
    """Return a parameter that must be a number of at most nine digits; raises HTTPBadRequest."""
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise web.HTTPBadRequest(text=f"{name} must be a number\n")
    return int(text)
