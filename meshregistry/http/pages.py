"""The table of pages, and the aiohttp application made of it: aliases, access check, error edge."""

import asyncio
import hmac
import logging
import re
from collections.abc import Iterable, Mapping

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from meshregistry.http.debug import DebugPages, RegistryPage
from meshregistry.http.dubbo import DubboPages
from meshregistry.http.journal import JournalPage
from meshregistry.http.log_level import LogLevelPage, refuse_change
from meshregistry.http.pods import PodPages
from meshregistry.http.probes import MetricsPage, ProbePages
from meshregistry.http.streaming import TURNS
from meshregistry.http.views import Views
from meshregistry.http.why import WhyPage
from meshregistry.http.xds_cache import XdsCachePage
from meshregistry.telemetry.logs import LogGroup
from meshregistry.telemetry.metrics import Metrics

MODULE_PREFIX = "/meshregistry"

_log = logging.getLogger(__name__)

_LOG_PAGES = {"/log/slime": LogGroup.OWN, "/log/k": LogGroup.LIBRARIES, "/log/ilog": LogGroup.LIBRARIES}
"""Slime's three: its own log, that of Kubernetes' client and that of Istio's libraries."""

_LOG_SUMMARIES = {
    LogGroup.OWN: "the log level; PUT with level= changes it, with a token",
    LogGroup.LIBRARIES: "the log level of libraries; PUT with level= changes it, with a token",
}

_PLAIN_PATH = re.compile(r"/[^{}?#]+")
"""A path that is not the list of pages and that aiohttp does not read as a pattern."""


class Page(msgspec.Struct, frozen=True):
    """One page; a public one is answered without the token."""

    path: str
    summary: str
    handler: Handler
    public: bool = False
    change: Handler | None = None
    """Answers PUT, where a token is demanded."""


def module_pages(views: Views, send_timeout_s: float) -> list[Page]:
    """Return the pages of the module, with paths relative to its prefix."""
    debug, probes = DebugPages(views, send_timeout_s), ProbePages(views.readiness, views.staleness)
    dubbo, pods = DubboPages(views, send_timeout_s), PodPages(views.pods, send_timeout_s)
    journal = JournalPage(views.journal, views.staleness, send_timeout_s)
    why = WhyPage(views.why, views.staleness, send_timeout_s)
    pages = [
        Page(
            "/xdsCache",
            "what clients are served: res|typeUrl|gvk, ns, name, ver, format=json|yaml, layout=gvk|list|plain, k8sRsc",
            XdsCachePage(views, send_timeout_s).get,
        ),
        Page("/ready", "200, or 503 naming what is not ready", probes.ready, public=True),
        Page("/clients", "the connected xDS clients", debug.clients),
        Page("/sources", "the state of all sources", debug.sources),
        Page("/rejects", "what was dropped or repaired: resource, reason, limit", debug.rejects),
        Page("/journal", "what changed lately, and why: since, host, limit", journal.get),
        Page(
            "/why",
            "why a host has an endpoint or not: host, address, port, format=json",
            why.get,
        ),
        Page("/zk", "what Dubbo interfaces have become: interfaceName, registry_services=true", dubbo.zk),
        Page("/zks", "endpoints by Dubbo service: iface, all", dubbo.zks),
        Page("/dubboCallModel", "which application provides and calls what now: app", dubbo.calls),
        Page("/sidecarDubboCallModel", "the same as it stands in Sidecars: app", dubbo.sidecar_calls),
        Page("/pc", "the pods that Kubernetes has, by cluster and IP", pods.pods),
        Page("/nc", "the nodes, by cluster and name", pods.nodes),
        Page("/args", "the effective settings, without secrets, by Slime's names; format=yaml: by ours", debug.args),
    ]
    return pages + [
        Page(
            f"/{kind}",
            f"ServiceEntries that come from {kind}; registries=true: its servers",
            RegistryPage(kind, registries, views, send_timeout_s).get,
        )
        for kind, registries in views.registries.items()
    ]


def process_pages(views: Views, metrics: Metrics) -> list[Page]:
    """Return the pages of the process, outside the module's prefix."""
    probes = ProbePages(views.readiness, views.staleness)
    return [
        Page("/modules/livez", "the process is alive", probes.alive, public=True),
        Page("/modules/readyz", "200, or 500 naming what is not ready", probes.module_ready, public=True),
        Page("/metrics", "metrics for Prometheus", MetricsPage(metrics).get),
        *(_log_page(path, group) for path, group in _LOG_PAGES.items()),
    ]


def _log_page(path: str, group: LogGroup) -> Page:
    page = LogLevelPage(group)
    return Page(path, _LOG_SUMMARIES[group], page.get, change=page.put)


def under_prefix(pages: Iterable[Page]) -> list[Page]:
    """Return module pages with absolute paths."""
    return [msgspec.structs.replace(page, path=MODULE_PREFIX + page.path) for page in pages]


def with_aliases(pages: list[Page], aliases: Mapping[str, str]) -> list[Page]:
    """Return the pages and one more for each alias → real path.

    As with Slime's `pathRedirect`, the alias answers by itself; one that names no page, or is the path of one, is
    passed over (with a warning here).
    """
    known = {page.path: page for page in pages}
    added = []
    for alias, real in aliases.items():
        if alias in known or real not in known or not _PLAIN_PATH.fullmatch(alias):
            _log.warning("http.alias_ignored alias=%s path=%s", alias, real)
        else:
            added.append(msgspec.structs.replace(known[real], path=alias, summary=f"the same as {real}"))
    return pages + added


def build_application(pages: list[Page], token: str, *outer: Middleware) -> web.Application:
    """Return the application that answers the pages and lists them at `/`; all else is 404, and other methods 405."""
    middlewares = [*outer, _catch_errors, *([_demand_token(token, pages)] if token else [])]
    application = web.Application(middlewares=middlewares)
    application[TURNS] = asyncio.Lock()
    for page in [*pages, _index(pages)]:
        application.router.add_get(page.path, page.handler)
        if page.change is not None:
            application.router.add_put(page.path, page.change if token else refuse_change)
    return application


def _index(pages: list[Page]) -> Page:
    text = "".join(f"{page.path}  {page.summary}\n" for page in pages)

    async def list_pages(request: web.Request) -> web.Response:
        return web.Response(text=text)

    return Page("/", "this list", list_pages)


@web.middleware
async def _catch_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001  the server's edge: one broken page must not end the connection unheard
        _log.exception("http.page_failed path=%s", request.rel_url.raw_path)
        return web.Response(status=500, text=f"internal error: {type(error).__name__}\n")


def _demand_token(token: str, pages: list[Page]) -> Middleware:
    expected = f"Bearer {token}".encode()
    public = frozenset(page.path for page in pages if page.public)

    @web.middleware
    async def demand_token(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        if request.path in public or hmac.compare_digest(expected, given):
            return await handler(request)
        raise web.HTTPUnauthorized(text="a token is needed\n", headers={hdrs.WWW_AUTHENTICATE: "Bearer"})

    return demand_token
