"""The naming requests of Nacos's gRPC protocol, answered without I/O.

Source: alibaba/nacos naming/remote/rpc/handler; the answers' forms as observed on 2.3.1 and 3.1.0.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import orjson

from meshregistry.sim.nacos.access import Access
from meshregistry.sim.nacos.clients import Client, Publications
from meshregistry.sim.nacos.configs import Configs
from meshregistry.sim.nacos.fuzzy import SERVICES_FULL, FuzzyWatches
from meshregistry.sim.nacos.payload import Payload, PayloadError
from meshregistry.sim.nacos.pushes import Pushes
from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcSubject
from meshregistry.sim.nacos.state import DEFAULT_CLUSTER, DEFAULT_GROUP, Instance, Registry, RegistryRefusal, ServiceKey
from meshregistry.sim.nacos.views import Dialect, Views

_GROUP = re.compile(r"[a-zA-Z0-9\-_:.]*")
_NO_RIGHT, _BAD_REQUEST, _BAD_PAYLOAD = 403, 400, 502
_FUZZY_REASONS = {50310: "fuzzy watch pattern count over limit", 50311: "fuzzy watch pattern matched count over limit"}


class _Instance(msgspec.Struct, rename="camel"):
    ip: str
    port: int
    weight: float = 1.0
    healthy: bool = True
    enabled: bool = True
    ephemeral: bool = True
    cluster_name: str | None = None
    metadata: dict[str, str | None] | None = None

    def taken(self) -> Instance:
        return Instance(
            self.ip,
            self.port,
            self.weight,
            healthy=self.healthy,
            enabled=self.enabled,
            ephemeral=self.ephemeral,
            cluster=self.cluster_name or DEFAULT_CLUSTER,
            metadata=self.metadata or {},
        )


class _Request(msgspec.Struct, rename="camel"):
    """The members of all naming requests; what a request does not have keeps its default."""

    namespace: str | None = None
    service_name: str | None = None
    group_name: str | None = None
    page_no: int = 1
    page_size: int = 10
    clusters: str | None = None
    cluster: str | None = None
    healthy_only: bool = False
    subscribe: bool = True
    type: str = ""
    instance: _Instance | None = None
    instances: list[_Instance] = []
    group_key_pattern: str = ""
    received_group_keys: list[str] | None = None
    initializing: bool = False
    watch_type: str = "WATCH"

    @property
    def key(self) -> ServiceKey:
        return ServiceKey(self.service_name or "", self.group_name or DEFAULT_GROUP, self.namespace or "")


@dataclass(frozen=True, slots=True)
class _Method:
    answer: Callable[[Client, _Request, RpcFault], bytes]
    response: str
    protected: bool = True


class NamingRpc:
    """The handlers; they read and change the state they are given."""

    def __init__(
        self, registry: Registry, views: Views, access: Access, pushes: Pushes, publications: Publications
    ) -> None:
        self._registry = registry
        self._views = views
        self._access = access
        self._pushes = pushes
        self._publications = publications
        self._configs = Configs()
        self._methods = {
            "HealthCheckRequest": _Method(_health, "HealthCheckResponse", protected=False),
            "ServiceListRequest": _Method(self._list, "ServiceListResponse"),
            "ServiceQueryRequest": _Method(self._query, "QueryServiceResponse"),
            "SubscribeServiceRequest": _Method(self._subscribe, "SubscribeServiceResponse"),
            "InstanceRequest": _Method(self._register, "InstanceResponse"),
            "BatchInstanceRequest": _Method(self._register_all, "BatchInstanceResponse"),
            "PersistentInstanceRequest": _Method(self._register_persistent, "InstanceResponse"),
        }

    def offer_fuzzy_watches(self, watches: FuzzyWatches) -> None:
        """Answer NamingFuzzyWatchRequest, as servers from 3.0 on do."""

        def watch(client: Client, request: _Request, _fault: RpcFault) -> bytes:
            return _watch(watches, client, request)

        self._methods["NamingFuzzyWatchRequest"] = _Method(watch, "NamingFuzzyWatchResponse")

    def subject(self, payload: Payload) -> RpcSubject:
        """What a request is about."""
        request = _read(payload) or _Request()
        return RpcSubject(payload.type, request.namespace or "", request.group_name or "", request.service_name or "")

    def knows(self, type_: str) -> bool:
        """Whether there is a handler for the request."""
        return type_ in self._methods or self._configs.knows(type_)

    def answer(self, client: Client, payload: Payload, fault: RpcFault) -> Payload:
        """The response, spoilt as the fault says."""
        if self._configs.knows(payload.type):
            return self._answer_config(payload)
        method = self._methods[payload.type]
        request = _read(payload)
        if request is None:
            return refuse(_BAD_PAYLOAD, "Invalid Payload")
        if fault.error_code is not None:
            return Payload(method.response, _failure(fault.error_code, "simulated"))
        denial = self._access.denial(payload.headers) if method.protected else ""
        if denial:
            return Payload(method.response, _failure(_NO_RIGHT, denial))
        try:
            body = method.answer(client, request, fault)
        except RegistryRefusal as refusal:
            # Observed: 3.1 answers 400 here, 2.3 the general 500.
            return refuse(_BAD_REQUEST, str(refusal), result=400 if self._access.dialect.is_v3 else 500)
        return Payload(method.response, body[: len(body) // 2] if fault.body == "truncated" else body)

    def _answer_config(self, payload: Payload) -> Payload:
        denial = self._access.denial(payload.headers)
        try:
            return refuse(_NO_RIGHT, denial) if denial else self._configs.answer(payload)
        except PayloadError as error:
            return refuse(_BAD_PAYLOAD, str(error))

    def _list(self, _client: Client, request: _Request, fault: RpcFault) -> bytes:
        key = request.key
        if not _GROUP.fullmatch(key.group):
            reason = "Param 'group' is illegal, illegal characters should not appear in the param."
            return _failure(_BAD_REQUEST, f"Param check invalid:{reason}", count=0)
        services = self._registry.services(key.namespace) if fault.body != "empty" else []
        names = self._views.ordered(each.key.name for each in services if each.key.group == key.group)
        start = (max(request.page_no, 1) - 1) * request.page_size
        return _success(count=len(names), serviceNames=names[start : start + request.page_size])

    def _query(self, _client: Client, request: _Request, fault: RpcFault) -> bytes:
        info = self._pushes.info(request.key, request.cluster or "", fault, healthy_only=request.healthy_only)
        return b'{"resultCode":200,"errorCode":0,"serviceInfo":' + info + b',"success":true}'

    def _subscribe(self, client: Client, request: _Request, fault: RpcFault) -> bytes:
        clusters = request.clusters or ""
        if request.subscribe:
            self._pushes.subscribe(client, request.key, clusters)
        else:
            self._pushes.unsubscribe(client, request.key)
        info = self._pushes.info(request.key, clusters, fault)
        head = b'{"resultCode":200,"errorCode":0,"message":"success","serviceInfo":'
        return head + info + b',"success":true}'

    def _register(self, client: Client, request: _Request, _fault: RpcFault) -> bytes:
        if request.type == "registerInstance" and request.instance is not None:
            self._publications.publish(client, request.key, [request.instance.taken()])
        elif request.type == "deregisterInstance":
            self._publications.withdraw(client, request.key)
        else:
            return _failure(500, f"Unsupported request type {request.type}")
        return _success(type=request.type)

    def _register_all(self, client: Client, request: _Request, _fault: RpcFault) -> bytes:
        self._publications.publish(client, request.key, [each.taken() for each in request.instances])
        return _success(type=request.type)

    def _register_persistent(self, _client: Client, request: _Request, _fault: RpcFault) -> bytes:
        if request.instance is None:
            return _failure(500, f"Unsupported request type {request.type}")
        instance = request.instance.taken()
        if request.type == "registerInstance":
            self._registry.register(request.key, instance)
        else:
            self._registry.deregister(request.key, instance.ip, instance.port)
        return _success(type=request.type)


def refuse(code: int, reason: str, *, result: int = 500) -> Payload:
    """The answer to a request that no handler takes."""
    return Payload("ErrorResponse", _failure(code, reason, result=result))


def abilities(dialect: Dialect) -> dict[str, bool]:
    """What a server of this dialect says it can do."""
    v3 = dict.fromkeys(("agent", "fuzzyWatch", "lock", "mcp"), True) if dialect.is_v3 else {}
    return {"supportPersistentInstanceByGrpc": True, **v3}


def _watch(watches: FuzzyWatches, client: Client, request: _Request) -> bytes:
    if request.watch_type == "CANCEL_WATCH":
        watches.cancel(client, request.group_key_pattern)
        return _success()
    # Real servers fail silently for a null list: nothing is ever sent.
    if request.received_group_keys is None:
        return _success()
    received, pattern = request.received_group_keys, request.group_key_pattern
    code = watches.watch(client, pattern, received, initializing=request.initializing)
    return _failure(code, _FUZZY_REASONS[code]) if code in {50310, SERVICES_FULL} else _success()


def _health(_client: Client, _request: _Request, _fault: RpcFault) -> bytes:
    return _success()


def _read(payload: Payload) -> _Request | None:
    try:
        return msgspec.json.decode(payload.body or b"{}", type=_Request)
    except msgspec.DecodeError:
        return None


def _success(**fields: object) -> bytes:
    return orjson.dumps({"resultCode": 200, "errorCode": 0, **fields, "success": True})


def _failure(code: int, reason: str, *, result: int = 500, **fields: object) -> bytes:
    return orjson.dumps({"resultCode": result, "errorCode": code, "message": reason, **fields, "success": False})
