"""The application made of the table: methods, aliases, token, errors, the list of pages."""

import logging
from collections.abc import Iterable

import pytest
from aiohttp import ClientSession, web

from meshregistry.http.pages import Page, module_pages, process_pages, under_prefix, with_aliases
from meshregistry.http.server import HttpOptions
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_pages import ORDERS, PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio

LOOPBACK = "127.0.0.1:0"
PATHS = {
    "/meshregistry/xdsCache",
    "/meshregistry/ready",
    "/meshregistry/clients",
    "/meshregistry/sources",
    "/meshregistry/rejects",
    "/meshregistry/journal",
    "/meshregistry/why",
    "/meshregistry/zk",
    "/meshregistry/zks",
    "/meshregistry/dubboCallModel",
    "/meshregistry/sidecarDubboCallModel",
    "/meshregistry/args",
    "/meshregistry/pc",
    "/meshregistry/nc",
    "/meshregistry/nacos",
    "/modules/livez",
    "/modules/readyz",
    "/metrics",
    "/log/slime",
    "/log/k",
    "/log/ilog",
}
LOGS = {path for path in PATHS if path.startswith("/log/")}
PROBES = {"/meshregistry/ready", "/modules/livez", "/modules/readyz"}


async def status(client: ClientSession, path: str, method: str = "GET", **headers: str) -> int:
    async with client.request(method, path, headers=headers) as response:
        return response.status


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


def test_the_pages_are_these_and_nothing_else() -> None:
    views = views_of(store_of())
    pages = under_prefix(module_pages(views, 1.0)) + process_pages(views, Metrics())

    assert PATHS == {page.path for page in pages}
    assert PROBES == {page.path for page in pages if page.public}


async def test_the_root_lists_every_page_with_one_line() -> None:
    async with serving(views_of(store_of())) as client:
        lines = (await (await client.get("/")).text()).splitlines()

    assert PATHS == {line.split("  ")[0] for line in lines}
    assert len(PATHS) == len(lines)
    assert all(line.split("  ")[1] for line in lines)


@pytest.mark.parametrize("path", sorted(PATHS | {"/"}))
async def test_every_page_answers_get_and_head_and_refuses_the_rest(path: str) -> None:
    async with serving(views_of(store_of(ORDERS))) as client:
        assert 200 == await status(client, path)
        async with client.head(path) as response:
            assert (200, b"") == (response.status, await response.read())
        for method in ("POST", "DELETE", "PATCH", "OPTIONS", *(() if path in LOGS else ("PUT",))):
            async with client.request(method, path) as response:
                allowed = "GET,HEAD,PUT" if path in LOGS else "GET,HEAD"
                assert (405, allowed) == (response.status, response.headers["Allow"])


@pytest.mark.parametrize(
    "path", ["/debug/pprof/", "/log", "/configStore", "/meshregistry", "/meshregistry/../xdsCache", "/xdsCache"]
)
async def test_anything_else_is_not_found(path: str) -> None:
    async with serving(views_of(store_of())) as client:
        assert 404 == await status(client, path)


async def test_a_token_guards_all_but_the_probes() -> None:
    options = HttpOptions(aux_addr=LOOPBACK, token="geheim")
    async with serving(views_of(store_of()), options) as client:
        assert dict.fromkeys(PROBES, 200) == {path: await status(client, path) for path in PROBES}
        for path in (PATHS | {"/", "/unknown"}) - PROBES:
            async with client.get(path) as response:
                assert (401, "Bearer") == (response.status, response.headers["WWW-Authenticate"])
        assert 200 == await status(client, "/metrics", Authorization="Bearer geheim")


@pytest.mark.parametrize("header", ["geheim", "Bearer", "Bearer geheim2", "bearer geheim", "Basic geheim", "Bearer ü"])
async def test_a_wrong_token_is_refused(header: str) -> None:
    async with serving(views_of(store_of()), HttpOptions(aux_addr=LOOPBACK, token="geheim")) as client:
        assert 401 == await status(client, "/metrics", Authorization=header)


def test_the_token_does_not_show_in_the_options() -> None:
    assert "geheim" not in repr(HttpOptions(token="geheim"))


async def test_an_alias_answers_like_its_page() -> None:
    aliases = {"/ready": "/meshregistry/ready", "/cache": "/meshregistry/xdsCache"}
    options = HttpOptions(aux_addr=LOOPBACK, path_aliases=aliases, token="geheim")
    async with serving(views_of(store_of(), PlainViews(not_ready=("xds not ready",))), options) as client:
        assert 503 == await status(client, "/ready")
        assert 401 == await status(client, "/cache")
        assert 200 == await status(client, "/cache", Authorization="Bearer geheim")


@pytest.mark.parametrize(
    "alias", [{"/new": "/unknown"}, {"/b": "/a"}, {"relative": "/a"}, {"/a": "/a"}, {"/": "/a"}, {"/{a}": "/a"}]
)
def test_an_alias_that_cannot_be_is_passed_over_with_a_warning(
    alias: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    pages = [Page("/a", "first", nothing), Page("/b", "second", nothing)]

    assert pages == with_aliases(pages, alias)
    assert [logging.WARNING] == [record.levelno for record in caplog.records]


async def test_a_broken_page_is_a_short_500_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(PlainViews):
        def clients(self) -> Iterable[tuple[str, object]]:
            raise RuntimeError("a detail for the log only")

    async with serving(views_of(store_of(), Broken())) as client:
        async with client.get("/meshregistry/clients?x=%0Afake+line") as response:
            assert (500, "internal error: RuntimeError\n") == (response.status, await response.text())
        assert 200 == await status(client, "/meshregistry/sources")

    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["http.page_failed path=/meshregistry/clients"] == [record.getMessage() for record in records]
