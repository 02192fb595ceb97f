"""A small Kubernetes API: lists in pages and watches of pods, nodes and secrets, with faults on request."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from tests.support.ports import free_ports

Object = dict[str, Any]
_PAGE = 2
_KINDS = ("pods", "nodes", "secrets", "configmaps", "registrysources")


def pod(name: str, address: str, *, node: str = "n1", created: str = "2024-01-01T00:00:00Z", **labels: str) -> Object:
    """Return a running pod."""
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "creationTimestamp": created,
            "labels": {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()},
            "managedFields": [{"manager": "kubelet"}],
        },
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


def node(name: str, **labels: str) -> Object:
    """Return a node."""
    return {
        "metadata": {"name": name, "labels": {k.replace("__", "/").replace("_", "."): v for k, v in labels.items()}}
    }


def secret(name: str, **kubeconfigs: str) -> Object:
    """Return a secret of remote clusters."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in kubeconfigs.items()}
    return {"metadata": {"name": name}, "data": data}


def kubeconfig(server: str, **user: str) -> str:
    """Return a kubeconfig."""
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    return orjson.dumps(document).decode()


class KubernetesApi:
    """Holds the objects; every change goes to the watches."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in _KINDS}
        self.status = 200
        """What every request is answered with, when it is not 200."""

        self.list_body: bytes | None = None
        """What every list is answered with, when it is not None."""

        self.requests: list[str] = []
        self.tokens: set[str] = set()
        self._version = 10
        self._history: list[tuple[int, str, bytes]] = []
        self._watches: list[tuple[str, asyncio.Queue[bytes | None]]] = []
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"

    def put(self, kind: str, item: Object) -> None:
        """Add or change an object."""
        name = item["metadata"]["name"]
        verb = "MODIFIED" if name in self.objects[kind] else "ADDED"
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        self.objects[kind][name] = item
        self._keep(kind, {"type": verb, "object": item})

    def remove(self, kind: str, name: str) -> None:
        """Remove an object."""
        self._version += 1
        item = self.objects[kind].pop(name)
        item["metadata"]["resourceVersion"] = str(self._version)
        self._keep(kind, {"type": "DELETED", "object": item})

    def tell_raw(self, kind: str, line: bytes) -> None:
        """Send a line to the watches."""
        for watched, queue in self._watches:
            if watched == kind:
                queue.put_nowait(line)

    def expire(self, kind: str) -> None:
        """End the watches of a kind as those whose history is gone."""
        self._tell(kind, {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})

    def end_watches(self) -> None:
        """End all watches, as their time-out does."""
        for _, queue in self._watches:
            queue.put_nowait(None)

    def watched(self, kind: str) -> int:
        """Return how many watches of a kind are open."""
        return sum(kind == each for each, _ in self._watches)

    def _keep(self, kind: str, event: Object) -> None:
        """Tell it now, and to every watch that begins before it."""
        self._history.append((self._version, kind, orjson.dumps(event) + b"\n"))
        self._tell(kind, event)

    def _tell(self, kind: str, event: Object) -> None:
        self.tell_raw(kind, orjson.dumps(event) + b"\n")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kind = request.path.rpartition("/")[2]
        self.requests.append(f"{kind}{'?watch' if 'watch' in request.query else ''}")
        self.tokens.add(request.headers.get("Authorization", ""))
        if self.status != 200:
            return web.Response(status=self.status)
        if "watch" in request.query:
            return await self._watch(request, kind)
        if self.list_body is not None:
            return web.Response(body=self.list_body)
        start = int(request.query.get("continue", "0"))
        wanted = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        items = [item for name, item in self.objects[kind].items() if wanted in ("", name)]
        proceed = str(start + _PAGE) if start + _PAGE < len(items) else ""
        meta = {"resourceVersion": str(self._version), "continue": proceed}
        return web.Response(body=orjson.dumps({"metadata": meta, "items": items[start : start + _PAGE]}))

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        since = int(request.query["resourceVersion"])
        for version, told, line in self._history:
            if told == kind and version > since:
                queue.put_nowait(line)
        entry = (kind, queue)
        self._watches.append(entry)
        try:
            while (queued := await queue.get()) is not None:
                await response.write(queued)
        finally:
            self._watches.remove(entry)
        return response

    @asynccontextmanager
    async def running(self) -> AsyncIterator["KubernetesApi"]:
        """Serve for as long as the block lasts; may be entered again."""
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            self.end_watches()
            await runner.cleanup()
