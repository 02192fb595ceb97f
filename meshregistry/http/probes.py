"""Probes for orchestrators: alive, ready, and the metrics; texts and codes are Slime's.

Source: Slime meshregistry pkg/server/httpServer.go (`/ready`) and framework/bootstrap/http.go (`/modules/*`).
"""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from meshregistry.http.views import ReadinessView, StalenessView
from meshregistry.telemetry.metrics import Metrics


class ProbePages:
    """Answers the probes."""

    def __init__(self, readiness: ReadinessView, staleness: StalenessView) -> None:
        self._readiness = readiness
        self._staleness = staleness

    async def alive(self, request: web.Request) -> web.Response:
        """Answer 200 as long as the event loop turns."""
        return web.Response(text="Healthy!")

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 with what there is to note, else 503 naming what is not ready."""
        return self._answer(503)

    async def module_ready(self, request: web.Request) -> web.Response:
        """Answer 200 with what there is to note, else 500 naming what is not ready."""
        return self._answer(500)

    def _answer(self, not_ready_status: int) -> web.Response:
        text = readiness_text(self._readiness)
        notes = "".join(f"{note}\n" for note in self._staleness.notes)
        return web.Response(status=not_ready_status, text=text) if text else web.Response(text=notes)


class MetricsPage:
    """Answers `/metrics` in the Prometheus text format."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = metrics.registry

    async def get(self, request: web.Request) -> web.Response:
        """Return all metrics of this process."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def readiness_text(readiness: ReadinessView) -> str:
    """Return what is not ready, in Slime's words: ` xds not ready source not ready nacos`; "" when all is ready."""
    reasons = "".join(f" {reason}" for reason in readiness.not_ready)
    sources = readiness.sources_not_ready
    return f"{reasons} source not ready {','.join(sources)}" if sources else reasons
