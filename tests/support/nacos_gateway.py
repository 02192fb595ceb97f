"""A reverse proxy in front of any Nacos, real or simulated, that refuses, spoils and counts what a test says."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType

import aiohttp
from aiohttp import web
from yarl import URL

_HOP_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}

Rewrite = Callable[[bytes], bytes]


class Gateway:
    """Forwards to `target`. Use as an async context manager; change its attributes at any time."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.refused: dict[str, int] = {}
        """API path → status answered instead of asking the target."""

        self.rewritten: dict[str, Rewrite] = {}
        """API path → what becomes of a body."""

        self.spoilt_tokens: set[str] = set()
        """Tokens that reach the target as garbage."""

        self.tokens: set[str] = set()
        """Tokens seen."""

        self.calls: Counter[str] = Counter()
        """API path → calls."""

        self.base_url = ""

    async def __aenter__(self) -> "Gateway":
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/nacos{path:.*}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _forward(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.calls[path] += 1
        if path in self.refused:
            return web.Response(status=self.refused[path], text="refused by the gateway")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        token = headers.get("accessToken")
        if token:
            self.tokens.add(token)
            headers["accessToken"] = "garbage" if token in self.spoilt_tokens else token
        url = self.target + request.rel_url.raw_path_qs
        try:
            body = await request.read()
            async with self._session.request(
                request.method, URL(url, encoded=True), headers=headers, data=body
            ) as reply:
                body = await reply.read()
        except aiohttp.ClientConnectionError:
            return web.Response(status=502, text="no answer from the target")
        if path in self.rewritten:
            body = self.rewritten[path](body)
        return web.Response(status=reply.status, body=body, content_type=reply.content_type)
