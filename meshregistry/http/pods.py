"""The pages of the pod and node cache, `/pc` and `/nc`, in Slime's shapes (pkg/util/cache)."""

from aiohttp import web

from meshregistry.http.debug import json_answer
from meshregistry.http.views import PodsView


class PodPages:
    """Answers from the cache; empty while nothing needs it."""

    def __init__(self, pods: PodsView) -> None:
        self._pods = pods

    async def pods(self, request: web.Request) -> web.Response:
        """Return cluster → IP → the pod's metadata and node."""
        return json_answer(self._pods.pods())

    async def nodes(self, request: web.Request) -> web.Response:
        """Return cluster → node → its metadata."""
        return json_answer(self._pods.nodes())
