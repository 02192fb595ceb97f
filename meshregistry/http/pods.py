"""The pages of the pod and node cache, `/pc` and `/nc`, in Slime's shapes (pkg/util/cache)."""

from collections.abc import Iterable

from aiohttp import web

from meshregistry.http.debug import JSON
from meshregistry.http.streaming import send_slices
from meshregistry.http.text import json_objects
from meshregistry.http.views import PodsView

_Clusters = Iterable[tuple[str, Iterable[tuple[str, object]]]]


class PodPages:
    """Answers from the cache; empty while nothing needs it."""

    def __init__(self, pods: PodsView, send_timeout_s: float) -> None:
        self._pods = pods
        self._send_timeout_s = send_timeout_s

    async def pods(self, request: web.Request) -> web.StreamResponse:
        """Return cluster → IP → the pod's metadata and node."""
        return await self._send(request, self._pods.pods())

    async def nodes(self, request: web.Request) -> web.StreamResponse:
        """Return cluster → node → its metadata."""
        return await self._send(request, self._pods.nodes())

    async def _send(self, request: web.Request, clusters: _Clusters) -> web.StreamResponse:
        return await send_slices(request, json_objects(clusters), {"Content-Type": JSON}, self._send_timeout_s)
