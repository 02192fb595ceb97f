"""The pages of Dubbo services: what ZooKeeper's services have become, and who calls whom.

Parameters and shapes: Slime pkg/source/zookeeper, the handlers of /zk, /zks and the call models; metadata is that of
its libistio pkg/config/resource. Different on purpose: in the istio profile an interface has one entry per protocol,
told apart by its host behind the service key; instances are told as they were registered; an application that nobody
knows has no call model.
"""

from collections.abc import Generator, Iterator, Mapping

from aiohttp import web

from meshregistry.http.spec_json import JsonObject, spec_json, timestamp_text
from meshregistry.http.staleness import stale_header
from meshregistry.http.streaming import send_slices, step_through
from meshregistry.http.text import json_member, json_object, json_objects, json_text, yaml_text
from meshregistry.http.views import Views
from meshregistry.model.call_model import ApplicationCalls, CallSteps
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
_CACHE = "cache"
_YES = frozenset(("1", "t", "T", "true", "True", "TRUE"))
"""What Go's strconv.ParseBool takes for true."""

_STEP_SIZE = 1000
"""Resources or services looked at in one turn."""

_CALLS_SIZE = 200
"""Services per slice of a call model: YAML takes 20 us for each."""

_Table = dict[str, dict[str, Resource]]
"""Interface → service key → resource."""

_Registered = dict[str, dict[str, tuple[Instance, ...]]]
"""Interface → service key → instances."""


class DubboPages:
    """Answers from the current snapshot and from what the source remembers; keeps nothing between requests."""

    def __init__(self, views: Views, send_timeout_s: float) -> None:
        self._store = views.snapshot
        self._dubbo = views.dubbo
        self._staleness = views.staleness
        self._created = timestamp_text(views.create_time)
        self._send_timeout_s = send_timeout_s

    async def zk(self, request: web.Request) -> web.StreamResponse:
        """Return what every interface has become; of one `interfaceName`; with `registry_services` its instances."""
        interface = request.query.get("interfaceName", "")
        if request.query.get("registry_services") in _YES:
            slices = self._instance_slices(interface)
        else:
            slices = self._interface_slices(interface) if interface else self._cache_slices()
        return await send_slices(request, slices, {**_JSON, **stale_header(self._staleness)}, self._send_timeout_s)

    async def zks(self, request: web.Request) -> web.StreamResponse:
        """Return the number of endpoints by service key; what one `iface` or service has become, or `all` have."""
        if wanted := request.query.get("iface", ""):
            slices = self._wanted_slices(wanted)
        else:
            slices = self._all_slices() if request.query.get("all") else self._count_slices()
        return await send_slices(request, slices, {**_JSON, **stale_header(self._staleness)}, self._send_timeout_s)

    async def calls(self, request: web.Request) -> web.StreamResponse:
        """Return who provides and calls what now; of one `app`."""
        return await self._send_calls(request, self._dubbo.calls())

    async def sidecar_calls(self, request: web.Request) -> web.StreamResponse:
        """Return the same as it stands in the Sidecars."""
        return await self._send_calls(request, self._dubbo.used_calls())

    async def _send_calls(self, request: web.Request, steps: CallSteps) -> web.StreamResponse:
        slices = _call_slices(steps, request.query.get("app", ""))
        why = self._dubbo.why_no_calls()
        headers = {**_YAML, **stale_header(self._staleness), **({NOTE_HEADER: why} if why else {})}
        return await send_slices(request, slices, headers, self._send_timeout_s)

    def _make_table(self) -> Generator[bytes, None, _Table]:
        """Find the entries of Dubbo in steps, each of them an empty slice."""
        table: _Table = {}
        resources = sorted(self._store.current.collection(Kind.SERVICE_ENTRY).resources.items())
        for number, (_, resource) in enumerate(resources):
            if _MARK in resource.record.labels:
                interface, key = _identify(resource)
                by_key = table.setdefault(interface, {})
                by_key[key if key not in by_key else f"{key}@{resource.entry.hosts[0]}"] = resource
            if not (number + 1) % _STEP_SIZE:
                yield b""
        return table

    def _interface_slices(self, interface: str) -> Iterator[bytes]:
        table = yield from self._make_table()
        known = interface in table
        parts = json_object(self._items(interface, table[interface]).items()) if known else iter([json_text(None)])
        yield from json_member(_CACHE, parts)

    def _cache_slices(self) -> Iterator[bytes]:
        table = yield from self._make_table()
        yield from json_member(_CACHE, self._print(table))

    def _all_slices(self) -> Iterator[bytes]:
        table = yield from self._make_table()
        yield from self._print(table)

    def _wanted_slices(self, wanted: str) -> Iterator[bytes]:
        table = yield from self._make_table()
        if wanted in table:
            yield from self._print({wanted: table[wanted]})
            return
        interface = wanted.partition(":")[0]
        items = self._items(interface, table.get(interface, {}))
        yield from json_object((key, item) for key, item in items.items() if key.partition("@")[0] == wanted)

    def _count_slices(self) -> Iterator[bytes]:
        table = yield from self._make_table()
        counts = {key: each.endpoint_count for resources in table.values() for key, each in resources.items()}
        yield from json_object({**counts, "count-iface": len(counts)}.items())

    def _instance_slices(self, interface: str) -> Iterator[bytes]:
        registered = yield from self._list_registered(interface)
        if not interface:
            parts = json_objects((name, _list(name, services)) for name, services in registered.items())
        elif interface in registered:
            parts = json_object(_list(interface, registered[interface]))
        else:
            parts = iter([json_text(None)])
        yield from json_member(_CACHE, parts)

    def _list_registered(self, interface: str) -> Generator[bytes, None, _Registered]:
        """Find what was registered in steps, each of them an empty slice; several registries may hold a service."""
        registered: _Registered = {}
        for number, (name, key, instances) in enumerate(self._dubbo.instances(interface)):
            services = registered.setdefault(name, {})
            services[key] = services.get(key, ()) + instances
            if not (number + 1) % _STEP_SIZE:
                yield b""
        return registered

    def _print(self, table: _Table) -> Iterator[bytes]:
        return json_objects((interface, self._items(interface, found).items()) for interface, found in table.items())

    def _items(self, interface: str, resources: Mapping[str, Resource]) -> dict[str, JsonObject]:
        methods = {service: _unite_methods(instances) for _, service, instances in self._dubbo.instances(interface)}
        return {
            key: {
                "ServiceEntry": spec_json(resource.record),
                "Meta": self._meta(resource, methods.get(key.partition("@")[0], "")),
            }
            for key, resource in resources.items()
        }

    def _meta(self, resource: Resource, methods: str) -> JsonObject:
        record = resource.record
        return {
            "Schema": None,
            "FullName": {"Namespace": record.namespace, "Name": record.name},
            "CreateTime": self._created,
            "Version": resource.version,
            "Labels": {**dict(record.labels), **({_METHODS: methods} if methods else {})},
            "Annotations": dict(record.annotations),
        }


def _identify(resource: Resource) -> tuple[str, str]:
    """Return the interface and the service key of an entry; its name for one that is not Dubbo's."""
    record = resource.record
    key = dict(record.annotations).get(SERVICE_KEY_ANNOTATION, record.name)
    return dict(record.labels).get("path", "") or key.partition(":")[0], key


def _unite_methods(instances: tuple[Instance, ...]) -> str:
    """Return all methods of a service as Slime writes them into a label."""
    methods = {name for instance in instances for name in dict(instance.metadata).get(_METHODS, "").split(",")}
    return escape_methods(",".join(methods))


def _list(interface: str, services: Mapping[str, tuple[Instance, ...]]) -> Iterator[tuple[str, object]]:
    for key, instances in services.items():
        yield key, [_instance_json(interface, instance) for instance in instances]


def _instance_json(interface: str, instance: Instance) -> JsonObject:
    return {
        "interface": interface,
        "address": instance.address,
        "port": instance.port,
        "metadata": dict(instance.metadata),
    }


def _call_slices(steps: CallSteps, application: str) -> Iterator[bytes]:
    calls = yield from step_through(steps)
    names = calls if not application else {application} & calls.keys()
    for name in names:
        yield from _print_calls(name, calls[name])
    if not names:
        yield yaml_text({})


def _print_calls(name: str, calls: ApplicationCalls) -> Iterator[bytes]:
    """Yield the document of one application; an application may call all services there are."""
    yield yaml_text({name: {"application": name}})
    for key, services in (("provideservices", calls.provides), ("consumeservices", calls.consumes)):
        if not services:
            yield _indent({key: {}}, 0)
        for start in range(0, len(services), _CALLS_SIZE):
            members: dict[str, object] = {service: {} for service in services[start : start + _CALLS_SIZE]}
            yield _indent({key: members}, 1 if start else 0)


def _indent(value: Mapping[str, object], skipped: int) -> bytes:
    """Return a member of an inner mapping as YAML, without so many lines at its beginning."""
    return b"".join(b"  " + line for line in yaml_text(value).splitlines(keepends=True)[skipped:])
