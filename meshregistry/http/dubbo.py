"""The pages of Dubbo services: what ZooKeeper's services have become, and who calls whom.

Parameters and shapes: Slime pkg/source/zookeeper, the handlers of /zk, /zks and the call models. Different on purpose:
in the istio profile an interface has one entry per protocol, told apart by its host behind the service key.
"""

from collections.abc import Iterator, Mapping

from aiohttp import web

from meshregistry.http.spec_json import JsonObject, spec_json
from meshregistry.http.streaming import send_slices
from meshregistry.http.text import json_members, json_text, yaml_text
from meshregistry.http.views import DubboView, Views
from meshregistry.model.call_model import ApplicationCalls
from meshregistry.model.dubbo_naming import SERVICE_KEY_ANNOTATION, escape_methods
from meshregistry.model.instance import Instance
from meshregistry.model.service_entry import Kind
from meshregistry.wire.resource import Resource

_JSON = {"Content-Type": "application/json; charset=utf-8"}
NOTE_HEADER = "X-Meshregistry-Note"
"""Says why an answer of Slime's shape is empty."""

_YAML = {"Content-Type": "text/yaml; charset=utf-8"}
_MARK = ("registry", "zookeeper")
_METHODS = "methods"
_SLICE_SIZE = 500
_CACHE_OPENING, _CACHE_CLOSING = b'{\n  "cache": {', b"\n  }\n}"

_Table = dict[str, dict[str, Resource]]
"""Interface → service key → resource."""


class DubboPages:
    """Answers from the current snapshot and from what the source remembers; keeps nothing between requests."""

    def __init__(self, views: Views, send_timeout_s: float) -> None:
        self._store = views.snapshot
        self._dubbo = views.dubbo
        self._send_timeout_s = send_timeout_s

    async def zk(self, request: web.Request) -> web.StreamResponse:
        """Return what every interface has become; of one `interfaceName`; with `registry_services` its instances."""
        interface = request.query.get("interfaceName", "")
        if request.query.get("registry_services") == "true":
            return web.Response(body=json_text(_list_instances(self._dubbo, interface)), headers=_JSON)
        table = self._table()
        if interface:
            return web.Response(body=json_text(self._items(interface, table.get(interface, {}))), headers=_JSON)
        return await send_slices(request, self._cache_slices(table), _JSON, self._send_timeout_s)

    async def zks(self, request: web.Request) -> web.StreamResponse:
        """Return the number of endpoints by service key; the entries of one `iface`, or of `all`."""
        table, wanted = self._table(), request.query.get("iface", "")
        if wanted:
            found = {
                key: item
                for interface, resources in table.items()
                if interface in (wanted, wanted.partition(":")[0])
                for key, item in self._items(interface, resources).items()
                if wanted in (interface, key)
            }
            return web.Response(body=json_text(found), headers=_JSON)
        if "all" in request.query:
            return await send_slices(request, json_members(self._all_slices(table)), _JSON, self._send_timeout_s)
        counts = {key: each.endpoint_count for resources in table.values() for key, each in resources.items()}
        return web.Response(body=json_text({**counts, "count-iface": len(table)}), headers=_JSON)

    async def calls(self, request: web.Request) -> web.Response:
        """Return who provides and calls what now; of one `app`."""
        return self._answer_calls(self._dubbo.calls(), request)

    async def sidecar_calls(self, request: web.Request) -> web.Response:
        """Return the same as it stands in the Sidecars."""
        return self._answer_calls(self._dubbo.used_calls(), request)

    def _answer_calls(self, calls: Mapping[str, ApplicationCalls], request: web.Request) -> web.Response:
        application = request.query.get("app", "")
        found = {
            name: {
                "application": name,
                "provideservices": list(each.provides),
                "consumeservices": list(each.consumes),
            }
            for name, each in calls.items()
            if application in ("", name)
        }
        why = self._dubbo.why_no_calls()
        return web.Response(body=yaml_text(found), headers={**_YAML, **({NOTE_HEADER: why} if why else {})})

    def _table(self) -> _Table:
        table: _Table = {}
        for _, resource in sorted(self._store.current.collection(Kind.SERVICE_ENTRY).resources.items()):
            if _MARK in resource.record.labels:
                interface, key = _identify(resource)
                by_key = table.setdefault(interface, {})
                by_key[key if key not in by_key else f"{key}@{resource.entry.hosts[0]}"] = resource
        return table

    def _cache_slices(self, table: _Table) -> Iterator[bytes]:
        opening, closing = _CACHE_OPENING, _CACHE_CLOSING
        for run in _slice(table):
            text = json_text({"cache": {interface: self._items(interface, table[interface]) for interface in run}})
            yield opening + text[len(_CACHE_OPENING) : -len(_CACHE_CLOSING)]
            opening = b","
        yield closing if opening == b"," else json_text({"cache": {}})

    def _all_slices(self, table: _Table) -> Iterator[dict[str, JsonObject]]:
        for run in _slice(table):
            yield {key: item for interface in run for key, item in self._items(interface, table[interface]).items()}

    def _items(self, interface: str, resources: Mapping[str, Resource]) -> dict[str, JsonObject]:
        methods = {service: _unite_methods(instances) for _, service, instances in self._dubbo.instances(interface)}
        return {
            key: {
                "ServiceEntry": spec_json(resource.record),
                "Meta": _meta(resource, methods.get(key.partition("@")[0], "")),
            }
            for key, resource in resources.items()
        }


def _identify(resource: Resource) -> tuple[str, str]:
    """Return the interface and the service key of an entry; its name for one that is not Dubbo's."""
    record = resource.record
    key = dict(record.annotations).get(SERVICE_KEY_ANNOTATION, record.name)
    return dict(record.labels).get("path", "") or key.partition(":")[0], key


def _meta(resource: Resource, methods: str) -> JsonObject:
    record = resource.record
    labels = {**dict(record.labels), **({_METHODS: methods} if methods else {})}
    return {
        "Name": record.name,
        "Namespace": record.namespace,
        "Version": resource.version,
        "Labels": labels,
        "Annotations": dict(record.annotations),
    }


def _unite_methods(instances: tuple[Instance, ...]) -> str:
    """Return all methods of a service as Slime writes them into a label."""
    methods = {name for instance in instances for name in dict(instance.metadata).get(_METHODS, "").split(",")}
    return escape_methods(",".join(methods))


def _list_instances(dubbo: DubboView, interface: str) -> list[JsonObject]:
    return [
        {
            "interface": found,
            "address": instance.address,
            "port": instance.port,
            "metadata": dict(instance.metadata),
        }
        for found, _, instances in dubbo.instances(interface)
        for instance in instances
    ]


def _slice(table: _Table) -> Iterator[list[str]]:
    """Yield runs of interfaces with some hundred endpoints together."""
    run: list[str] = []
    weight = 0
    for interface in table:
        run.append(interface)
        weight += sum(1 + each.endpoint_count for each in table[interface].values())
        if weight >= _SLICE_SIZE:
            yield run
            run, weight = [], 0
    if run:
        yield run
