"""The v1 HTTP API: all of it on 1.x and 2.x, the client calls on 3.x, where the rest answers 410 Gone.

Of 3.2 only what its old clients still need is left.
"""

import time

import orjson

from meshregistry.sim.nacos import params, views_v1
from meshregistry.sim.nacos.access import Access
from meshregistry.sim.nacos.exchange import (
    Call,
    Reply,
    Route,
    Routes,
    as_json,
    plain,
    spring_error,
)
from meshregistry.sim.nacos.state import (
    DEFAULT_GROUP,
    Instance,
    Namespace,
    Registry,
    RegistryRefusal,
    Service,
    ServiceKey,
    matching,
)
from meshregistry.sim.nacos.views import Dialect, HostFilter, ServiceHead, Views, join_rows, namespace_row

_PAGE_SIZE = 10
_VERSIONS = {Dialect.V1: "1.4.8", Dialect.V2: "2.3.1"}

# Observed on 3.1.0 with its default switches: what to use instead, and the switch that turns it back on.
_GONE: dict[tuple[str, str], tuple[str, str]] = {
    ("GET", "/nacos/v1/ns/catalog/services"): ("GET ${contextPath:nacos}/v3/console/ns/service/list", "console"),
    ("GET", "/nacos/v1/ns/catalog/instances"): (
        "GET ${contextPath:nacos}/v3/console/ns/instance/list",
        "console",
    ),
    ("PUT", "/nacos/v1/ns/instance"): ("PUT ${contextPath:nacos}/v3/admin/ns/instance", "admin"),
    ("GET", "/nacos/v1/ns/service"): ("GET ${contextPath:nacos}/v3/admin/ns/service", "admin"),
    ("DELETE", "/nacos/v1/ns/service"): ("DELETE ${contextPath:nacos}/v3/admin/ns/service", "admin"),
}


class ApiV1:
    """The handlers; they read and change the registry they are given."""

    def __init__(self, registry: Registry, views: Views, access: Access, dialect: Dialect) -> None:
        self._registry = registry
        self._views = views
        self._access = access
        self._dialect = dialect

    def routes(self) -> Routes:
        """Everything of v1 that a server of this dialect answers."""
        if self._dialect is Dialect.V32:
            return {
                ("GET", "/nacos/v1/ns/operator/metrics"): Route(_metrics, protected=False),
                ("POST", "/nacos/v1/auth/users/login"): Route(self._access.login, protected=False),
            }
        routes = {
            ("GET", "/nacos/v1/ns/instance/list"): Route(self.instance_list),
            ("POST", "/nacos/v1/ns/instance"): Route(self.register),
            ("DELETE", "/nacos/v1/ns/instance"): Route(self.deregister),
            ("PUT", "/nacos/v1/ns/instance/beat"): Route(self.beat),
            ("GET", "/nacos/v1/ns/service/list"): Route(self.service_list),
            ("GET", "/nacos/v1/ns/operator/metrics"): Route(_metrics, protected=False),
            ("POST", "/nacos/v1/auth/login"): Route(self._access.login, protected=False),
            ("POST", "/nacos/v1/auth/users/login"): Route(self._access.login, protected=False),
        }
        if self._dialect is Dialect.V3:
            return routes | {key: Route(_gone, protected=False) for key in _GONE}
        return routes | {
            ("GET", "/nacos/v1/ns/catalog/services"): Route(self.catalogue),
            ("PUT", "/nacos/v1/ns/instance"): Route(self.update),
            ("POST", "/nacos/v1/ns/service"): Route(self.create_service),
            ("DELETE", "/nacos/v1/ns/service"): Route(self.remove_service),
            ("GET", "/nacos/v1/console/namespaces"): Route(self.namespaces, protected=False),
            ("POST", "/nacos/v1/console/namespaces"): Route(self.create_namespace),
            ("GET", "/nacos/v1/console/server/state"): Route(self.state, protected=False),
            ("GET", "/nacos/v1/console/health/readiness"): Route(_ready, protected=False),
        }

    def instance_list(self, call: Call) -> Reply:
        """The readers' call: one service, its enabled hosts."""
        key = params.service_key(call)
        clusters = call.params.get("clusters", "")
        wanted = HostFilter(_names(clusters), call.flag("healthyOnly", default=False))
        service, time_ms = self._registry.find(key), time.time_ns() // 1_000_000
        if self._dialect is Dialect.V1:
            return as_json(views_v1.service_record(service, key, wanted, clusters, time_ms))
        head = ServiceHead(name=key.grouped, group=key.group, clusters=clusters, time_ms=time_ms)
        return Reply(self._views.service_info(service, head, wanted))

    def register(self, call: Call) -> Reply:
        """Register or overwrite an instance."""
        key = params.service_key(call)
        params.check_names(key)
        return self._register(key, params.instance(call))

    def _register(self, key: ServiceKey, instance: Instance) -> Reply:
        try:
            self._registry.register(key, instance)
        except RegistryRefusal as refusal:
            if not self._dialect.is_v3:
                return plain(f"caused: {refusal};", 500)
            return plain(str(refusal), 400)
        return plain("ok")

    def deregister(self, call: Call) -> Reply:
        """Deregister an instance; one that is not there, or of the other kind, is no error."""
        key, (ip, port) = params.service_key(call), params.address(call)
        service = self._registry.find(key)
        if service is not None and service.ephemeral == call.flag("ephemeral", default=True):
            self._registry.deregister(key, ip, port)
        return plain("ok")

    def update(self, call: Call) -> Reply:
        """An operator's edit of an instance."""
        key, (ip, port) = params.service_key(call), params.address(call)
        try:
            self._registry.update(key, ip, port, params.instance_change(call))
        except RegistryRefusal as refusal:
            return plain(str(refusal), 400)
        return plain("ok")

    def beat(self, call: Call) -> Reply:
        """A heartbeat: registers from a full beat, says 20404 to a light beat of an unknown instance."""
        key = params.service_key(call)
        beaten = params.beaten_instance(call)
        address = (beaten.ip, beaten.port) if beaten else params.address(call)
        service = self._registry.find(key)
        known = service is not None and address in service.instances
        if beaten and not known:
            reply = self._register(key, beaten)
            if reply.status != 200:
                return reply
        code = 10200 if beaten or known else 20404
        return as_json({"clientBeatInterval": 5000, "code": code, "lightBeatEnabled": True})

    def service_list(self, call: Call) -> Reply:
        """One group's service names; a strange page number counts as the first page."""
        call.require("pageNo")
        call.require("pageSize")
        every_group = self._dialect is Dialect.V1 and call.params.get("groupName") == "*"
        group = "" if every_group else params.group_of(call) or DEFAULT_GROUP
        services = self._registry.services(params.namespace_of(call))
        if every_group:
            names = self._views.ordered(each.key.grouped for each in services)
        else:
            names = self._views.ordered(each.key.name for each in services if each.key.group == group)
        size = max(call.number("pageSize", _PAGE_SIZE), 0)
        start = max(call.number("pageNo", 1) - 1, 0) * size
        return as_json({"count": len(names), "doms": names[start : start + size]})

    def catalogue(self, call: Call) -> Reply:
        """Services of all groups, with their instances or with counts."""
        group = params.group_of(call, "groupNameParam")
        known = self._registry.services(params.namespace_of(call))
        found = matching(known, group, call.params.get("serviceNameParam", ""))
        if call.flag("withInstances", default=False):
            # Observed in the source of 1.4: this listing, and only this, counts its pages from 0.
            shown = self._page(call, found, first=0 if self._dialect is Dialect.V1 else 1)
            return Reply(join_rows([self._views.catalogue_row(each) for each in shown]))
        if call.flag("hasIpCount", default=False):
            found = [each for each in found if each.instances]
        counts = [self._views.count_row(each) for each in self._page(call, found)]
        return as_json({"count": len(found), "serviceList": counts})

    def _page(self, call: Call, services: list[Service], first: int = 1) -> list[Service]:
        """One page as 2.x cuts it: a list shorter than a page is given whole for *every* page number."""
        size = call.number("pageSize", _PAGE_SIZE)
        ordered = self._views.ordered(services)
        if len(ordered) < size:
            return ordered
        start = max(call.number("pageNo", first) - first, 0) * size
        return ordered[start : start + size]

    def create_service(self, call: Call) -> Reply:
        """Create a service with settings of its own."""
        key, threshold = params.service_key(call), params.protect_threshold(call)
        try:
            ephemeral = call.flag("ephemeral", default=False)
            self._registry.create_service(key, ephemeral=ephemeral, protect_threshold=threshold)
        except RegistryRefusal as refusal:
            return plain(str(refusal), 400)
        return plain("ok")

    def remove_service(self, call: Call) -> Reply:
        """Remove an empty service."""
        try:
            self._registry.remove_service(params.service_key(call))
        except RegistryRefusal as refusal:
            return plain(str(refusal), 400)
        return plain("ok")

    def namespaces(self, _call: Call) -> Reply:
        """All namespaces; the id of public is the empty text on 2.x."""
        listed = [namespace_row(Namespace("", "public"), kind=0)]
        listed += [namespace_row(each, kind=2) for each in self._registry.namespaces()]
        return as_json({"code": 200, "message": None, "data": listed})

    def state(self, _call: Call) -> Reply:
        """The version, as the console of these generations shows it."""
        version = _VERSIONS[self._dialect]
        return as_json({"function_mode": None, "startup_mode": "standalone", "version": version})

    def create_namespace(self, call: Call) -> Reply:
        """Create a namespace."""
        id_, name = call.require("customNamespaceId"), call.require("namespaceName")
        try:
            self._registry.create_namespace(Namespace(id_, name, call.params.get("namespaceDesc")))
        except RegistryRefusal as refusal:
            return plain(str(refusal), 500)
        return as_json(True)


def _gone(call: Call) -> Reply:
    replacement, switch = _GONE[call.method, call.path]
    advice = (
        f"Current API will be deprecated, please use API(s) `{replacement}` instead, or set "
        f"`nacos.core.api.compatibility.{switch}.enabled=true` in application.properties."
    )
    message = orjson.dumps({"code": 40000, "message": advice}).decode()
    return spring_error(call, 410, "Gone", message)


def _metrics(_call: Call) -> Reply:
    return as_json({"status": "UP"})


def _ready(_call: Call) -> Reply:
    return plain("OK")


def _names(listed: str) -> frozenset[str]:
    return frozenset(name for name in listed.split(",") if name)
