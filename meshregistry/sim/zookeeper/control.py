"""The `/sim/` endpoints: load, churn, faults and counters over HTTP for those who run the server as a process."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from meshregistry.sim.http_listener import HttpListener
from meshregistry.sim.zookeeper.codes import Refused
from meshregistry.sim.zookeeper.content import Churn, Load, create_path, populate
from meshregistry.sim.zookeeper.faults import Fault
from meshregistry.sim.zookeeper.server import SimZooKeeper
from meshregistry.sim.zookeeper.state import Traffic


class _Expiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    session: int | None = None


class _Restart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    empty: bool = False


class _NodeOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str


class _ChurnOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    root: str = "/dubbo"


class Control:
    """Answers `/sim/` calls; bodies are JSON in both directions, a bad one is answered 400."""

    def __init__(self, server: SimZooKeeper) -> None:
        self._server = server
        self._churn = Churn(lambda: server.state)
        self._actions: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "/sim/state"): self._state,
            ("POST", "/sim/load"): self._load,
            ("POST", "/sim/churn"): self._change,
            ("POST", "/sim/nodes"): self._create,
            ("DELETE", "/sim/nodes"): self._delete,
            ("GET", "/sim/faults"): self._show_faults,
            ("PUT", "/sim/faults"): self._set_faults,
            ("GET", "/sim/traffic"): self._show_traffic,
            ("DELETE", "/sim/traffic"): self._reset_traffic,
            ("POST", "/sim/cut"): self._cut,
            ("POST", "/sim/pause"): self._pause,
            ("POST", "/sim/resume"): self._resume,
            ("POST", "/sim/expire"): self._expire,
        }
        self._slow_actions: dict[tuple[str, str], Callable[[bytes], Awaitable[object]]] = {
            ("POST", "/sim/refuse"): self._refuse,
            ("POST", "/sim/accept"): self._accept,
            ("POST", "/sim/restart"): self._restart,
        }

    def listener(self, host: str, port: int) -> HttpListener:
        """The endpoints on a port, not listening yet; port 0 takes a free one."""
        return HttpListener(host, port, self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        key = (request.method, request.path)
        body = await request.read() or b"{}"
        try:
            if key in self._slow_actions:
                answer = await self._slow_actions[key](body)
            elif key in self._actions:
                answer = self._actions[key](body)
            else:
                return web.Response(status=404, text=f"unknown control call: {request.method} {request.path}")
        except (msgspec.DecodeError, Refused) as error:
            return web.Response(status=400, text=str(error))
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    def _state(self, _body: bytes) -> object:
        state = self._server.state
        return {
            "nodes": len(state.tree),
            "zxid": state.tree.zxid,
            "watches": len(state.watches),
            "sessions": state.sessions.numbers(),
            "connections": len(self._server.connections),
            "paused": self._server.paused,
        }

    def _load(self, body: bytes) -> object:
        populate(self._server.state, msgspec.json.decode(body, type=Load))
        return self._state(body)

    def _change(self, body: bytes) -> object:
        return self._churn.step(msgspec.json.decode(body, type=_ChurnOrder).root)

    def _create(self, body: bytes) -> object:
        create_path(self._server.state, msgspec.json.decode(body, type=_NodeOrder).path)
        return self._state(body)

    def _delete(self, body: bytes) -> object:
        with self._server.state.change() as transaction:
            transaction.delete(msgspec.json.decode(body, type=_NodeOrder).path)
        return self._state(body)

    def _show_faults(self, _body: bytes) -> object:
        return self._server.faults.armed()

    def _set_faults(self, body: bytes) -> object:
        self._server.set_faults(*msgspec.json.decode(body, type=list[Fault]))
        return self._server.faults.armed()

    def _show_traffic(self, _body: bytes) -> object:
        return self._server.state.traffic

    def _reset_traffic(self, _body: bytes) -> object:
        self._server.state.traffic = Traffic()
        return self._server.state.traffic

    def _cut(self, body: bytes) -> object:
        self._server.cut()
        return self._state(body)

    def _pause(self, body: bytes) -> object:
        self._server.pause()
        return self._state(body)

    def _resume(self, body: bytes) -> object:
        self._server.resume()
        return self._state(body)

    def _expire(self, body: bytes) -> object:
        wanted = msgspec.json.decode(body, type=_Expiry).session
        for number in self._server.state.sessions.numbers() if wanted is None else [wanted]:
            self._server.expire(number)
        return self._state(body)

    async def _refuse(self, body: bytes) -> object:
        await self._server.stop()
        return self._state(body)

    async def _accept(self, body: bytes) -> object:
        await self._server.start()
        return self._state(body)

    async def _restart(self, body: bytes) -> object:
        await self._server.restart(empty=msgspec.json.decode(body, type=_Restart).empty)
        return self._state(body)
