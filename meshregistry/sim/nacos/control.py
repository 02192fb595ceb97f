"""The `/sim/` endpoints: load, churn, faults and counters for those who run the server as a process."""

from typing import Protocol

import msgspec

from meshregistry.sim.nacos.access import Access
from meshregistry.sim.nacos.exchange import Call, Reply, plain
from meshregistry.sim.nacos.faults import Fault, FaultPlan
from meshregistry.sim.nacos.load import Churn, ChurnKind, Load
from meshregistry.sim.nacos.pushes import Pushes
from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcFaultPlan
from meshregistry.sim.nacos.rpc_server import RpcServer
from meshregistry.sim.nacos.state import DEFAULT_GROUP, PUBLIC, Instance, Registry, ServiceKey
from meshregistry.sim.nacos.traffic import Traffic


class Controlled(Protocol):
    """What the control calls work on: a server."""

    registry: Registry
    faults: FaultPlan
    rpc_faults: RpcFaultPlan
    access: Access
    traffic: Traffic
    rpc: RpcServer
    pushes: Pushes

    def restart_node(self, reregister_after_s: float | None = None) -> list[tuple[ServiceKey, Instance]]:
        """Be a node that has just been restarted."""

    def load(self, load: Load) -> None:
        """Register a load."""


class _ChurnOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: ChurnKind = "metadata"
    namespace: str = PUBLIC
    service: str | None = None


class _Restart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reregister_after_s: float | None = None


class _Redirect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    port: int


class _PushOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service: str
    group: str = DEFAULT_GROUP
    namespace: str = PUBLIC
    stale_ms: int = 0
    empty: bool = False


class Control:
    """Answers `/sim/` calls; bodies are JSON in both directions, a bad one is answered 400."""

    def __init__(self, server: Controlled) -> None:
        self._server = server
        self._churn = Churn(server.registry)

    def answer(self, call: Call, body: bytes) -> Reply:
        """Carry out one control call."""
        actions = {
            ("GET", "/sim/state"): self._state,
            ("POST", "/sim/load"): self._load,
            ("POST", "/sim/churn"): self._change,
            ("GET", "/sim/faults"): self._show_faults,
            ("PUT", "/sim/faults"): self._set_faults,
            ("GET", "/sim/rpc-faults"): self._show_rpc_faults,
            ("PUT", "/sim/rpc-faults"): self._set_rpc_faults,
            ("POST", "/sim/restart"): self._restart,
            ("POST", "/sim/redirect"): self._redirect,
            ("POST", "/sim/detect"): self._detect,
            ("POST", "/sim/push"): self._push,
            ("GET", "/sim/traffic"): self._show_traffic,
            ("DELETE", "/sim/traffic"): self._reset_traffic,
            ("DELETE", "/sim/tokens"): self._revoke_tokens,
        }
        action = actions.get((call.method, call.path))
        if action is None:
            return plain(f"unknown control call: {call.method} {call.path}", 404)
        try:
            return Reply(msgspec.json.encode(action(body or b"{}")))
        except msgspec.DecodeError as error:
            return plain(str(error), 400)

    def _state(self, _body: bytes) -> object:
        services, instances = self._server.registry.counts()
        subscriptions = self._server.pushes.count()
        return {"services": services, "instances": instances, "subscriptions": subscriptions}

    def _load(self, body: bytes) -> object:
        self._server.load(msgspec.json.decode(body, type=Load))
        return self._state(body)

    def _change(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=_ChurnOrder)
        return self._churn.step(order.namespace, order.kind, order.service)

    def _show_faults(self, _body: bytes) -> object:
        return self._server.faults.armed()

    def _set_faults(self, body: bytes) -> object:
        self._server.faults.arm(*msgspec.json.decode(body, type=list[Fault]))
        return self._server.faults.armed()

    def _show_rpc_faults(self, _body: bytes) -> object:
        return self._server.rpc_faults.armed()

    def _set_rpc_faults(self, body: bytes) -> object:
        self._server.rpc_faults.arm(*msgspec.json.decode(body, type=list[RpcFault]))
        return self._server.rpc_faults.armed()

    def _restart(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=_Restart)
        return {"lost": len(self._server.restart_node(order.reregister_after_s))}

    def _redirect(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=_Redirect)
        return {"asked": self._server.rpc.redirect(order.host, order.port)}

    def _detect(self, _body: bytes) -> object:
        return {"asked": self._server.rpc.detect()}

    def _push(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=_PushOrder)
        key = ServiceKey(order.service, order.group, order.namespace)
        fault = RpcFault(stale_ms=order.stale_ms, body="empty" if order.empty else None)
        return {"pushed": self._server.pushes.push(key, fault)}

    def _show_traffic(self, _body: bytes) -> object:
        return self._server.traffic

    def _reset_traffic(self, _body: bytes) -> object:
        self._server.traffic.reset()
        return self._server.traffic

    def _revoke_tokens(self, _body: bytes) -> object:
        self._server.access.revoke_tokens()
        return None
