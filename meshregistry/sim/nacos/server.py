"""The simulated Nacos server: HTTP on a TCP port, gRPC on the port 1000 above it unless told otherwise.

Everything is answered by pure handlers; this module owns the HTTP listener, the counters of requests and the
connection-level faults of HTTP. It serves one asyncio loop, in a test's process or in its own (`__main__`).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from aiohttp import web

from meshregistry.sim.http_listener import HttpListener, cut, write_slices
from meshregistry.sim.lifetime import Startable
from meshregistry.sim.nacos.access import Access, Credentials
from meshregistry.sim.nacos.api_v1 import ApiV1
from meshregistry.sim.nacos.api_v3 import ApiV3
from meshregistry.sim.nacos.clients import Clients, Publications, Timers
from meshregistry.sim.nacos.control import Control
from meshregistry.sim.nacos.exchange import Call, Refused, Reply, spring_error
from meshregistry.sim.nacos.faults import BodyFault, Fault, FaultPlan, spoil
from meshregistry.sim.nacos.fuzzy import FuzzyOptions, FuzzyWatches
from meshregistry.sim.nacos.load import Load, populate
from meshregistry.sim.nacos.pushes import Pushes
from meshregistry.sim.nacos.rpc import NamingRpc, abilities
from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcFaultPlan
from meshregistry.sim.nacos.rpc_server import RpcOptions, RpcServer
from meshregistry.sim.nacos.state import Instance, Registry, ServiceKey
from meshregistry.sim.nacos.traffic import Traffic
from meshregistry.sim.nacos.views import Dialect, Views

_ENDLESS_CHUNK = b" " * 65536
_ENDLESS_PAUSE_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """How the server presents itself; port 0 takes a free one, no credentials means authentication off.

    Servers of dialect 1.x have no gRPC port. Others have it 1000 above that of HTTP, unless something forwards ports.
    """

    dialect: Dialect = Dialect.V2
    host: str = "127.0.0.1"
    port: int = 0
    credentials: Credentials | None = None
    shuffle: bool = False
    grpc_offset: int = 1000
    rpc: RpcOptions = field(default_factory=RpcOptions)
    fuzzy: FuzzyOptions = field(default_factory=FuzzyOptions)


class SimNacos(Startable):
    """One server: `registry` is its content, `traffic` what was asked of it.

    Use it as an async context manager or by `start` and `stop`; a stopped server refuses connections, keeps
    its content and comes back on the same port. Not safe for use from another loop than it was started on.
    """

    def __init__(self, options: SimOptions | None = None, clock: Callable[[], float] = time.time) -> None:
        self.options = options or SimOptions()
        self.registry = Registry()
        self.traffic = Traffic()
        self.faults = FaultPlan()
        self.rpc_faults = RpcFaultPlan()
        self._timers = Timers()
        self._listener = HttpListener(self.options.host, self.options.port, self._serve, self._open_rpc)
        dialect = self.options.dialect
        self.access = Access(dialect, self.options.credentials, clock)
        self._views = Views(dialect, shuffle=self.options.shuffle)
        self._routes = dict(ApiV1(self.registry, self._views, self.access, dialect).routes())
        if dialect.is_v3:
            self._routes |= ApiV3(self.registry, self._views, self.access, dialect).routes()
        self.clients = Clients(self.rpc_faults, self._timers, self.options.rpc.answer_timeout_s)
        self.rpc = self._build_rpc()
        self._control = Control(self)

    def _build_rpc(self) -> RpcServer:
        registry, clients, timers, options = self.registry, self.clients, self._timers, self.options
        self.pushes = Pushes(registry, self._views, clients, timers, options.rpc.push_delay_s)
        self._publications = Publications(registry)
        naming = NamingRpc(registry, self._views, self.access, self.pushes, self._publications)
        registry.listen(self.pushes.note_change)
        clients.on_farewell(self.pushes.forget)
        if options.dialect.is_v3:
            watches = FuzzyWatches(registry, clients, timers, options.fuzzy)
            naming.offer_fuzzy_watches(watches)
            registry.listen(watches.note_change)
            clients.on_farewell(watches.forget)
        # Last: what the client registered goes, and everybody else is told.
        clients.on_farewell(self._publications.forget)
        return RpcServer(naming, clients, self.rpc_faults, timers, self.traffic)

    @property
    def base_url(self) -> str:
        """`http://host:port`, without the context path `/nacos`; known once started."""
        return f"http://{self.options.host}:{self._listener.port}"

    def set_faults(self, *faults: Fault) -> None:
        """Misbehave so from now on, instead of as before; no fault at all heals the server."""
        self.faults.arm(*faults)

    def set_rpc_faults(self, *faults: RpcFault) -> None:
        """The same for gRPC."""
        self.rpc_faults.arm(*faults)

    def restart_node(self, reregister_after_s: float | None = None) -> list[tuple[ServiceKey, Instance]]:
        """Be a node that has just been restarted: every gRPC connection is cut, no ephemeral service is left.

        What was registered over HTTP is returned, and registered again after that time, as its owners' heartbeats
        would; clients over gRPC register again themselves. Needs the loop of the server.
        """
        self.rpc.cut()
        lost = self.registry.forget_ephemeral()

        def register_again() -> None:
            for key, instance in lost:
                self.registry.register(key, instance)

        if reregister_after_s is not None:
            self._timers.start(reregister_after_s, register_again)
        return lost

    def load(self, load: Load) -> None:
        """Register a load and render it, so that the first reader does not wait for that."""
        populate(self.registry, load)
        for service in self.registry.services(load.namespace):
            self._views.catalogue_row(service)

    async def start(self) -> None:
        """Listen; raises OSError if a port is taken."""
        await self._listener.start()

    async def _open_rpc(self, port: int) -> None:
        options = self.options
        if options.dialect is not Dialect.V1:
            await self.rpc.start(options.host, port + options.grpc_offset, options.rpc, abilities(options.dialect))

    async def stop(self) -> None:
        """Close the listeners and every connection; HTTP calls being answered get a tenth of a second."""
        await self.rpc.stop()
        self._timers.stop()
        await self._listener.stop()

    def answer(self, call: Call) -> Reply:
        """The answer of a healthy server; no I/O."""
        route = self._routes.get((call.method, call.path))
        if route is None:
            return _unknown(call, self.options.dialect)
        try:
            if route.protected:
                self.access.check(call)
            return route.answer(call)
        except Refused as refused:
            return refused.reply

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = await _call(request)
        if call.path.startswith("/sim/"):
            return await _send(request, self._control.answer(call, await request.read()))
        self.traffic.enter(call.method, call.path)
        try:
            fault = self.faults.strike(call)
            if fault is None:
                return await _send(request, self.answer(call))
            return await self._misbehave(request, call, fault)
        except ConnectionResetError:
            # The client has left: no error of the server's.
            return web.Response()
        finally:
            self.traffic.leave()

    async def _misbehave(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        await asyncio.sleep(fault.delay_s)
        if fault.drop == "before":
            cut(request)
            return web.Response()
        reply = spoil(fault, call, self.answer(call))
        if fault.body is BodyFault.ENDLESS:
            return await _send_endlessly(request, reply)
        if fault.drop == "within":
            response = await _send(request, replace(reply, body=reply.body[: len(reply.body) // 2]))
            cut(request)
            return response
        return await _send(request, reply, gzip=fault.gzip)


def _unknown(call: Call, dialect: Dialect) -> Reply:
    """What a server says to a path it does not have."""
    if call.path.startswith("/nacos/v1/ns/") and dialect is not Dialect.V32:
        return spring_error(call, 501, "Not Implemented", f"no such api:{call.method}:{call.path}")
    v3 = dialect.is_v3
    message = f"No endpoint {call.method} {call.path}." if v3 else "No message available"
    return spring_error(call, 404, "Not Found", message)


async def _call(request: web.Request) -> Call:
    form = await request.post() if request.content_type == "application/x-www-form-urlencoded" else {}
    params = {name: value for name, value in form.items() if isinstance(value, str)}
    return Call(request.method, request.path, params | dict(request.query), request.headers)


async def _send(request: web.Request, reply: Reply, *, gzip: bool = False) -> web.StreamResponse:
    """Send the reply, chunked as the real servers send JSON: clients cannot count on a length."""
    response = await _begin(request, reply, gzip=gzip)
    await write_slices(response, reply.body)
    return response


async def _send_endlessly(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send white space in front of the body for ever; ends when the client goes or the server stops."""
    response = await _begin(request, reply, gzip=False)
    try:
        while True:
            await response.write(_ENDLESS_CHUNK)
            await asyncio.sleep(_ENDLESS_PAUSE_S)
    except ConnectionResetError:
        return response


async def _begin(request: web.Request, reply: Reply, *, gzip: bool) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.headers["Content-Type"] = reply.content_type
    response.enable_chunked_encoding()
    if gzip:
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(request)
    return response
