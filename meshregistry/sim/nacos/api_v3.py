"""The v3 HTTP API of 3.x: the client calls, the admin calls a reader needs, the state probes."""

from collections.abc import Callable

import orjson

from meshregistry.sim.nacos import params
from meshregistry.sim.nacos.access import Access
from meshregistry.sim.nacos.exchange import Call, Refused, Reply, Route, Routes, envelope
from meshregistry.sim.nacos.state import (
    DEFAULT_CLUSTER,
    PUBLIC,
    Namespace,
    Registry,
    RegistryRefusal,
    Service,
    matching,
)
from meshregistry.sim.nacos.views import Dialect, HostFilter, Views, join_rows, namespace_row

_PAGE_SIZE = 100
_VERSIONS = {Dialect.V3: "3.1.0", Dialect.V32: "3.2.0"}
_REFUSALS = {
    21004: "instance error",
    21007: "service already exist",
    21008: "service not exist",
    21009: "service delete failure",
    22002: "namespace already exist",
    30000: "server error",
}


class ApiV3:
    """The handlers; they read and change the registry they are given."""

    def __init__(self, registry: Registry, views: Views, access: Access, dialect: Dialect) -> None:
        self._dialect = dialect
        self._registry = registry
        self._views = views
        self._access = access

    def routes(self) -> Routes:
        """Everything of v3 that is imitated."""
        return {
            ("GET", "/nacos/v3/client/ns/instance/list"): Route(self.instance_list),
            ("POST", "/nacos/v3/client/ns/instance"): Route(self.register),
            ("DELETE", "/nacos/v3/client/ns/instance"): Route(self.deregister),
            ("GET", "/nacos/v3/admin/ns/service/list"): Route(self.service_list),
            ("POST", "/nacos/v3/admin/ns/service"): Route(self.create_service),
            ("DELETE", "/nacos/v3/admin/ns/service"): Route(self.remove_service),
            ("PUT", "/nacos/v3/admin/ns/instance"): Route(self.update),
            ("GET", "/nacos/v3/admin/core/namespace/list"): Route(self.namespaces),
            ("POST", "/nacos/v3/admin/core/namespace"): Route(self.create_namespace),
            ("GET", "/nacos/v3/admin/core/state"): Route(self.state, protected=False),
            ("GET", "/nacos/v3/admin/core/state/liveness"): Route(_alive, protected=False),
            ("GET", "/nacos/v3/admin/core/state/readiness"): Route(_alive, protected=False),
            ("POST", "/nacos/v3/auth/user/login"): Route(self._access.login, protected=False),
        }

    def instance_list(self, call: Call) -> Reply:
        """One service's enabled hosts; without `clusterName` only those of the cluster DEFAULT."""
        _require(call, "serviceName", "String")
        clusters = call.params.get("clusterName", "") or DEFAULT_CLUSTER
        service = self._registry.find(params.plain_service_key(call))
        hosts = self._views.hosts(service, HostFilter(frozenset(clusters.split(","))))
        return Reply(b'{"code":0,"message":"success","data":' + hosts + b"}")

    def register(self, call: Call) -> Reply:
        """Register or overwrite an instance; with `heartBeat=true` only greet one that is known."""
        _require(call, "serviceName", "String")
        _require(call, "port", "Integer")
        key = params.plain_service_key(call)
        if call.flag("heartBeat", default=False):
            service = self._registry.find(key)
            if service is None or params.address(call) not in service.instances:
                return envelope(None, code=21003, message="instance not found")
            return envelope("ok")
        params.check_names(key)
        return _done(lambda: self._registry.register(key, params.instance(call)))

    def deregister(self, call: Call) -> Reply:
        """Deregister an instance; one that is not there, or of the other kind, is no error."""
        _require(call, "serviceName", "String")
        key, (ip, port) = params.plain_service_key(call), params.address(call)
        service = self._registry.find(key)
        if service is not None and service.ephemeral == call.flag("ephemeral", default=True):
            self._registry.deregister(key, ip, port)
        return envelope("ok")

    def update(self, call: Call) -> Reply:
        """An operator's edit of an instance."""
        _require(call, "serviceName", "String")
        key, (ip, port) = params.plain_service_key(call), params.address(call)
        change = params.instance_change(call)
        return _done(lambda: self._registry.update(key, ip, port, change))

    def create_service(self, call: Call) -> Reply:
        """Create a service with settings of its own."""
        _require(call, "serviceName", "String")
        key, threshold = params.plain_service_key(call), params.protect_threshold(call)
        ephemeral = call.flag("ephemeral", default=False)
        return _done(
            lambda: self._registry.create_service(key, ephemeral=ephemeral, protect_threshold=threshold),
        )

    def remove_service(self, call: Call) -> Reply:
        """Remove an empty service."""
        _require(call, "serviceName", "String")
        return _done(lambda: self._registry.remove_service(params.plain_service_key(call)))

    def service_list(self, call: Call) -> Reply:
        """Services of all groups, one page, with their instances or with counts."""
        page, size = _positive(call, "pageNo", 1), _positive(call, "pageSize", _PAGE_SIZE)
        with_instances = call.flag("withInstances", default=False)
        group = params.group_of(call, "groupNameParam")
        known = self._registry.services(params.namespace_of(call))
        found = self._views.ordered(matching(known, group, call.params.get("serviceNameParam", "")))
        if call.flag("ignoreEmptyService", default=False) and not with_instances:
            found = [each for each in found if each.instances]
        shown = found[(page - 1) * size : page * size]
        row = self._views.catalogue_row if with_instances else _encoded_counts(self._views)
        return _page_reply(len(found), page, size, [row(each) for each in shown])

    def namespaces(self, _call: Call) -> Reply:
        """All namespaces."""
        listed = [namespace_row(Namespace(PUBLIC, PUBLIC, "Default Namespace"), kind=0)]
        return envelope(listed + [namespace_row(each, kind=1) for each in self._registry.namespaces()])

    def state(self, _call: Call) -> Reply:
        """The version."""
        version = _VERSIONS[self._dialect]
        return envelope({"startup_mode": "standalone", "version": version, "function_mode": None})

    def create_namespace(self, call: Call) -> Reply:
        """Create a namespace."""
        _require(call, "namespaceName", "String")
        id_, description = call.params.get("namespaceId", ""), call.params.get("namespaceDesc")
        namespace = Namespace(id_, call.params["namespaceName"], description)
        return _done(lambda: self._registry.create_namespace(namespace), data=True)


def _page_reply(total: int, page: int, size: int, rows: list[bytes]) -> Reply:
    """The page body; `pagesAvailable` is one too many for a full last page, as on the real server."""
    pages = total // size + 1 if total else 0
    head = orjson.dumps({"totalCount": total, "pageNumber": page, "pagesAvailable": pages})[:-1]
    before = b'{"code":0,"message":"success","data":' + head + b',"pageItems":'
    return Reply(join_rows(rows, before, b"}}"))


def _encoded_counts(views: Views) -> Callable[[Service], bytes]:
    return lambda service: orjson.dumps(views.count_row(service))


def _done(change: Callable[[], object], data: object = "ok") -> Reply:
    try:
        change()
    except RegistryRefusal as refusal:
        return envelope(str(refusal), code=refusal.code, message=_REFUSALS[refusal.code], status=400)
    return envelope(data)


def _require(call: Call, name: str, kind: str) -> None:
    if not call.params.get(name):
        reason = f"Required parameter '{name}' type {kind} is not present"
        raise Refused(envelope(reason, code=10000, message="parameter missing", status=400))


def _positive(call: Call, name: str, default: int) -> int:
    number = call.number(name, default)
    if number < 1:
        reason = f"Required parameter '{name}' should be positive integer, current is {number}"
        raise Refused(envelope(reason, code=20002, message="parameter validate error", status=400))
    return number


def _alive(_call: Call) -> Reply:
    return envelope("ok")
