"""The `/sim/` endpoints: load, churn, faults and counters for those who run the server as a process."""

from typing import Protocol

import msgspec

from meshregistry.sim.nacos.access import Access
from meshregistry.sim.nacos.exchange import Call, Reply, plain
from meshregistry.sim.nacos.faults import Fault, FaultPlan
from meshregistry.sim.nacos.load import Churn, ChurnKind, Load
from meshregistry.sim.nacos.state import PUBLIC, Registry
from meshregistry.sim.nacos.traffic import Traffic


class Controlled(Protocol):
    """What the control calls work on: a server."""

    registry: Registry
    faults: FaultPlan
    access: Access
    traffic: Traffic

    def load(self, load: Load) -> None:
        """Register a load."""


class _ChurnOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: ChurnKind = "metadata"
    namespace: str = PUBLIC
    service: str | None = None


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
        return {"services": services, "instances": instances}

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

    def _show_traffic(self, _body: bytes) -> object:
        return self._server.traffic

    def _reset_traffic(self, _body: bytes) -> object:
        self._server.traffic.reset()
        return self._server.traffic

    def _revoke_tokens(self, _body: bytes) -> object:
        self._server.access.revoke_tokens()
        return None
