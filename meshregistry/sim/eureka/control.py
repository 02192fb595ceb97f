"""The `/sim/` endpoints: load, churn, time, faults and counters for those who run the server as a process."""

from typing import Protocol

import msgspec

from meshregistry.sim.eureka.clock import SimClock, TimeChange
from meshregistry.sim.eureka.codecs import Codec
from meshregistry.sim.eureka.exchange import Call, Reply
from meshregistry.sim.eureka.faults import Fault
from meshregistry.sim.eureka.load import Churn, ChurnKind, Load
from meshregistry.sim.eureka.node import Node
from meshregistry.sim.eureka.traffic import Traffic

_MS = 1000


class Controlled(Protocol):
    """What the control calls work on: a server."""

    node: Node
    clock: SimClock
    traffic: Traffic

    def set_faults(self, *faults: Fault) -> None:
        """Put these faults in force."""

    def load(self, load: Load) -> None:
        """Register a load."""

    def restart_node(self, reregister_after_s: float | None = None, *, copies_peers: bool = False) -> int:
        """Be a server that has just been restarted."""


class _ChurnOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: ChurnKind = "replace"


class _Restart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reregister_after_s: float | None = None
    copies_peers: bool = False


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connected: bool


class Control:
    """Answers `/sim/` calls; bodies are JSON in both directions, a bad one is answered 400."""

    def __init__(self, server: Controlled) -> None:
        self._server = server
        self._churn = Churn(server.node)

    def answer(self, call: Call) -> Reply:
        """Carry out one control call."""
        actions = {
            ("GET", "/sim/state"): self._state,
            ("POST", "/sim/load"): self._load,
            ("POST", "/sim/churn"): self._change,
            ("PUT", "/sim/faults"): self._set_faults,
            ("PUT", "/sim/codec"): self._set_codec,
            ("POST", "/sim/clock"): self._set_clock,
            ("POST", "/sim/forget"): self._forget,
            ("POST", "/sim/restart"): self._restart,
            ("PUT", "/sim/link"): self._link,
            ("GET", "/sim/traffic"): self._show_traffic,
            ("DELETE", "/sim/traffic"): self._reset_traffic,
        }
        action = actions.get((call.method, call.path))
        if action is None:
            return Reply(f"unknown control call: {call.method} {call.path}".encode(), 404)
        try:
            return Reply(msgspec.json.encode(action(call.body or b"{}")))
        except msgspec.DecodeError as error:
            return Reply(str(error).encode(), 400)

    def _state(self, _body: bytes) -> object:
        registry = self._server.node.registry
        registry.settle()
        applications, instances = registry.counts()
        return {"applications": applications, "instances": instances, "hash": registry.hash}

    def _load(self, body: bytes) -> object:
        self._server.load(msgspec.json.decode(body, type=Load))
        return self._state(body)

    def _change(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=_ChurnOrder)
        return self._churn.step(order.kind, int(self._server.clock() * _MS))

    def _set_faults(self, body: bytes) -> object:
        faults = msgspec.json.decode(body, type=list[Fault])
        self._server.set_faults(*faults)
        return faults

    def _set_codec(self, body: bytes) -> object:
        codec = msgspec.json.decode(body, type=Codec)
        self._server.node.set_codec(codec)
        return codec

    def _set_clock(self, body: bytes) -> object:
        self._server.clock.change(msgspec.json.decode(body, type=TimeChange))
        return {"now": self._server.clock()}

    def _forget(self, body: bytes) -> object:
        self._server.node.registry.forget_changes()
        return self._state(body)

    def _restart(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=_Restart)
        return {"lost": self._server.restart_node(order.reregister_after_s, copies_peers=order.copies_peers)}

    def _link(self, body: bytes) -> object:
        self._server.node.is_connected = msgspec.json.decode(body, type=_Link).connected
        return self._state(body)

    def _show_traffic(self, _body: bytes) -> object:
        return self._server.traffic

    def _reset_traffic(self, _body: bytes) -> object:
        self._server.traffic.reset()
        return self._server.traffic
