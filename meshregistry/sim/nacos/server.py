"""The simulated Nacos server on a TCP port.

Everything is answered by pure handlers; this module owns the listener, the counters of requests and the
connection-level faults. It serves one asyncio loop, in a test's process or in its own (`__main__`).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

from aiohttp import web

from meshregistry.sim.nacos.access import Access, Credentials
from meshregistry.sim.nacos.api_v1 import ApiV1
from meshregistry.sim.nacos.api_v3 import ApiV3
from meshregistry.sim.nacos.control import Control
from meshregistry.sim.nacos.exchange import Call, Refused, Reply, spring_error
from meshregistry.sim.nacos.faults import BodyFault, Fault, FaultPlan, spoil
from meshregistry.sim.nacos.load import Load, populate
from meshregistry.sim.nacos.state import Registry
from meshregistry.sim.nacos.traffic import Traffic
from meshregistry.sim.nacos.views import Dialect, Views

_MAX_REQUEST_BYTES = 16 * 1024 * 1024
_SLICE_BYTES = 256 * 1024
_ENDLESS_CHUNK = b" " * 65536
_ENDLESS_PAUSE_S = 0.001
_STOP_GRACE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """How the server presents itself; port 0 takes a free one, no credentials means authentication off."""

    dialect: Dialect = Dialect.V2
    host: str = "127.0.0.1"
    port: int = 0
    credentials: Credentials | None = None
    shuffle: bool = False


class SimNacos:
    """One server: `registry` is its content, `traffic` what was asked of it.

    Use it as an async context manager or by `start` and `stop`; a stopped server refuses connections, keeps
    its content and comes back on the same port. Not safe for use from another loop than it was started on.
    """

    def __init__(self, options: SimOptions | None = None, clock: Callable[[], float] = time.time) -> None:
        self.options = options or SimOptions()
        self.registry = Registry()
        self.traffic = Traffic()
        self.faults = FaultPlan()
        dialect = self.options.dialect
        self.access = Access(dialect, self.options.credentials, clock)
        self._views = views = Views(dialect, shuffle=self.options.shuffle)
        self._routes = dict(ApiV1(self.registry, views, self.access, dialect).routes())
        if dialect is Dialect.V3:
            self._routes |= ApiV3(self.registry, views, self.access).routes()
        self._control = Control(self)
        self._port = self.options.port
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """`http://host:port`, without the context path `/nacos`; known once started."""
        return f"http://{self.options.host}:{self._port}"

    def set_faults(self, *faults: Fault) -> None:
        """Misbehave so from now on, instead of as before; no fault at all heals the server."""
        self.faults.arm(*faults)

    def load(self, load: Load) -> None:
        """Register a load and render it, so that the first reader does not wait for that."""
        populate(self.registry, load)
        for service in self.registry.services(load.namespace):
            self._views.catalogue_row(service)

    async def start(self) -> None:
        """Listen; raises OSError if the port is taken."""
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_GRACE_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the listener and every connection; calls being answered get a tenth of a second."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> "SimNacos":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

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
            _cut(request)
            return web.Response()
        reply = spoil(fault, call, self.answer(call))
        if fault.body is BodyFault.ENDLESS:
            return await _send_endlessly(request, reply)
        if fault.drop == "within":
            response = await _send(request, replace(reply, body=reply.body[: len(reply.body) // 2]))
            _cut(request)
            return response
        return await _send(request, reply, gzip=fault.gzip)


def _unknown(call: Call, dialect: Dialect) -> Reply:
    """What a server says to a path it does not have."""
    if call.path.startswith("/nacos/v1/ns/"):
        return spring_error(call, 501, "Not Implemented", f"no such api:{call.method}:{call.path}")
    v3 = dialect is Dialect.V3
    message = f"No endpoint {call.method} {call.path}." if v3 else "No message available"
    return spring_error(call, 404, "Not Found", message)


async def _call(request: web.Request) -> Call:
    form = await request.post() if request.content_type == "application/x-www-form-urlencoded" else {}
    params = {name: value for name, value in form.items() if isinstance(value, str)}
    return Call(request.method, request.path, params | dict(request.query), request.headers)


async def _send(request: web.Request, reply: Reply, *, gzip: bool = False) -> web.StreamResponse:
    """Send the reply, chunked as the real servers send JSON: clients cannot count on a length.

    In slices, because asyncio moves the unsent rest of a buffer with every partial send.
    """
    response = await _begin(request, reply, gzip=gzip)
    whole = memoryview(reply.body)
    for start in range(0, len(whole), _SLICE_BYTES):
        await response.write(whole[start : start + _SLICE_BYTES])
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


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
