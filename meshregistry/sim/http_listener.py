"""The HTTP side of a simulated registry on a TCP port, whatever it answers."""

import random
from collections.abc import Awaitable, Callable

from aiohttp import web

_MAX_REQUEST_BYTES = 16 * 1024 * 1024
_SLICE_BYTES = 256 * 1024
_STOP_GRACE_S = 0.1
_FREE_PORTS = range(10_000, 31_000)
"""Below what systems give to outgoing connections: a stopped server finds its ports free again."""

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
OpenBeside = Callable[[int], Awaitable[None]]
"""Opens what else belongs to a port; raises OSError if that is taken."""


class HttpListener:
    """Owner of the listener; port 0 takes a free one, which it keeps when it is started again."""

    def __init__(self, host: str, port: int, serve: Serve, open_beside: OpenBeside | None = None) -> None:
        self.port = port
        self._host = host
        self._serve = serve
        self._open_beside = open_beside
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; raises OSError if a port is taken."""
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_GRACE_S)
        await self._runner.setup()
        for port in [self.port] if self.port else [*random.sample(_FREE_PORTS, 100), _FREE_PORTS[-1]]:
            try:
                await self._listen(self._runner, port)
            except OSError:
                if self.port or port == _FREE_PORTS[-1]:
                    await self.stop()
                    raise
            else:
                self.port = port
                return

    async def _listen(self, runner: web.AppRunner, port: int) -> None:
        """Open all that belongs to a port or nothing; raises OSError."""
        site = web.TCPSite(runner, self._host, port)
        await site.start()
        if self._open_beside is None:
            return
        try:
            await self._open_beside(port)
        except OSError:
            await site.stop()
            raise

    async def stop(self) -> None:
        """Close the listener and every connection; calls being answered get a tenth of a second."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


async def write_slices(response: web.StreamResponse, body: bytes) -> None:
    """Write a body in slices, because asyncio moves the unsent rest of a buffer with every partial send."""
    whole = memoryview(body)
    for start in range(0, len(whole), _SLICE_BYTES):
        await response.write(whole[start : start + _SLICE_BYTES])


def cut(request: web.Request) -> None:
    """Cut the connection of a request without a word."""
    if request.transport is not None:
        request.transport.abort()
