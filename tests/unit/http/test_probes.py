"""Probes: Slime's codes and texts."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from meshregistry.http.probes import readiness_text
from tests.support.http_pages import PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("not_ready", "sources", "text"),
    [
        ((), (), ""),
        (("xds not ready",), ("nacos", "zookeeper"), " xds not ready source not ready nacos,zookeeper"),
        (("xds not ready",), (), " xds not ready"),
        ((), ("nacos",), " source not ready nacos"),
    ],
)
def test_the_text_names_what_is_not_ready(not_ready: tuple[str, ...], sources: tuple[str, ...], text: str) -> None:
    assert text == readiness_text(PlainViews(not_ready=not_ready, sources_not_ready=sources))


async def test_readiness_is_answered_anew_each_time() -> None:
    plain = PlainViews(sources_not_ready=("nacos",))
    async with serving(views_of(store_of(), plain)) as client:
        for path, status in (("/meshregistry/ready", 503), ("/modules/readyz", 500)):
            response = await client.get(path)
            assert (status, " source not ready nacos") == (response.status, await response.text())

        plain.sources_not_ready = ()
        for path in ("/meshregistry/ready", "/modules/readyz"):
            response = await client.get(path)
            assert (200, "") == (response.status, await response.text())


async def test_the_process_is_alive_before_it_is_ready() -> None:
    async with serving(views_of(store_of(), PlainViews(not_ready=("xds not ready",)))) as client:
        response = await client.get("/modules/livez")

        assert (200, "Healthy!") == (response.status, await response.text())


async def test_metrics_are_in_the_prometheus_text_format() -> None:
    async with serving(views_of(store_of())) as client:
        response = await client.get("/metrics")
        families = {family.name for family in text_string_to_metric_families(await response.text())}

    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "meshregistry_snapshot_complete" in families
