"""The simulated Eureka server on a TCP port.

Everything is answered by `api`; this module owns the listener, the counters of requests and the faults. It serves
one asyncio loop, in a test's process or in its own (`__main__`).
"""

import asyncio
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from aiohttp import web

from meshregistry.sim.eureka.api import Api
from meshregistry.sim.eureka.clock import SimClock
from meshregistry.sim.eureka.control import Control
from meshregistry.sim.eureka.exchange import Call, Reply
from meshregistry.sim.eureka.faults import Fault, FaultPlan, spoil
from meshregistry.sim.eureka.load import Load, populate
from meshregistry.sim.eureka.node import Node, NodeOptions
from meshregistry.sim.eureka.traffic import Traffic
from meshregistry.sim.http_listener import HttpListener, cut, write_slices
from meshregistry.sim.lifetime import Startable

_MS = 1000
_CONTEXT = "eureka"
_STALE_PATHS = ("apps", "apps/delta")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """How the server presents itself; port 0 takes a free one, no user name means that everybody is let in."""

    host: str = "127.0.0.1"
    port: int = 0
    username: str = ""
    password: str = ""
    node: NodeOptions = field(default_factory=NodeOptions)


class SimEureka(Startable):
    """One server: `node` is its content, `traffic` what was asked of it.

    Use it as an async context manager or by `start` and `stop`; a stopped server refuses connections, keeps
    its content and comes back on the same port. Not safe for use from another loop than it was started on.
    """

    def __init__(self, options: SimOptions | None = None, clock: SimClock | None = None) -> None:
        self.options = options or SimOptions()
        self.clock = clock or SimClock()
        self.node = Node(self.clock, self.options.node)
        self.traffic = Traffic()
        self._api = Api(self.node, self.options.username, self.options.password)
        self._faults = FaultPlan()
        self._stale: dict[tuple[str, ...], Reply] = {}
        self._listener = HttpListener(self.options.host, self.options.port, self._serve)
        self._timers: set[asyncio.TimerHandle] = set()
        self._control = Control(self)

    @property
    def base_url(self) -> str:
        """The base URL with the context path."""
        return f"http://{self.options.host}:{self._listener.port}/{_CONTEXT}"

    def set_faults(self, *faults: Fault) -> None:
        """Put these faults in force instead of the present ones; none at all heals the server."""
        self._faults.arm(*faults)
        self._stale = {}
        if any(fault.stale for fault in faults):
            self._stale = {call.parts: self._api.answer(call, self.clock()) for call in map(self._own, _STALE_PATHS)}

    def load(self, load: Load) -> None:
        """Register a load and forget that it is new; write it, so that the first reader does not wait for that."""
        populate(self.node.registry, load, int(self.clock() * _MS))
        self.node.registry.forget_changes()
        self._api.answer(self._own("apps"), self.clock())

    def restart_node(self, reregister_after_s: float | None = None, *, copies_peers: bool = False) -> int:
        """Be a server that has just been restarted: nobody is known, or who a peer knows.

        Who was known registers again after that time, as heartbeats that are answered 404 make clients do. Returns
        how many were known. Needs the loop of the server.
        """
        lost = self.node.restart(copies_peers=copies_peers)

        def register_again() -> None:
            for record in lost:
                self.node.registry.register(replace(record, dirty_ms=int(self.clock() * _MS)))

        if reregister_after_s is not None:
            self._timers.add(asyncio.get_running_loop().call_later(reregister_after_s, register_again))
        return len(lost)

    async def start(self) -> None:
        """Listen; raises OSError if the port is taken."""
        await self._listener.start()

    async def stop(self) -> None:
        """Close the listener and every connection; calls being answered get a tenth of a second."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await self._listener.stop()

    def _own(self, path: str) -> Call:
        """A call as readers make it."""
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "Authorization": self._api.authorization}
        return Call("GET", f"/{_CONTEXT}/{path}", tuple(path.split("/")), {}, headers)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = await _call(request)
        if call.path.startswith("/sim/"):
            return await _send(request, self._control.answer(call))
        reply = Reply()
        try:
            fault = self._faults.strike(call)
            if fault is None:
                reply = self._api.answer(call, self.clock())
                return await _send(request, reply)
            return await self._misbehave(request, call, fault)
        except ConnectionError:
            # The client has left: no error of the server's.
            return web.Response()
        finally:
            self.traffic.note(call.method, call.path, len(reply.body))

    async def _misbehave(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        await asyncio.sleep(fault.delay_s)
        if fault.drop == "before":
            cut(request)
            return web.Response()
        healthy = self._stale.get(call.parts) if fault.stale else None
        reply = spoil(fault, call, healthy or self._api.answer(call, self.clock()))
        if fault.drop == "within":
            response = await _send(request, replace(reply, body=reply.body[: len(reply.body) // 2]))
            cut(request)
            return response
        return await _send(request, reply)


async def _call(request: web.Request) -> Call:
    parts = tuple(unquote(part) for part in request.rel_url.raw_path.strip("/").split("/"))
    inner = parts[1:] if parts[0] == _CONTEXT else ()
    inner = inner[1:] if inner[:1] == ("v2",) else inner
    return Call(request.method, request.path, inner, dict(request.query), request.headers, await request.read())


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    if reply.body:
        response.headers["Content-Type"] = reply.content_type
    if reply.gzipped:
        response.headers["Content-Encoding"] = "gzip"
    response.content_length = len(reply.body)
    await response.prepare(request)
    await write_slices(response, reply.body)
    return response
