"""That some of what is served is older than it should be stands on every page that shows it or says why."""

from http import HTTPStatus

import pytest
from aiohttp import ClientResponse

from meshregistry.http.views import Why
from meshregistry.model.instance import Scope
from meshregistry.store.explain import Question, ResourceAnswer
from meshregistry.store.staleness import Stale
from tests.support.http_pages import ORDERS, PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio

STALE = (
    Stale("nacos", 1_700_000_000.0, frozenset({Scope("nacos", "", "public", "DEFAULT_GROUP")})),
    Stale("zookeeper", 1_700_000_060.0, frozenset(), restored=True),
)
LINES = [
    "stale as of 2023-11-14T22:13:20+00:00: nacos, unheard scopes: 1",
    "stale as of 2023-11-14T22:14:20+00:00: zookeeper",
]
WHY = Why(ResourceAnswer("nacos/orders.nacos", ("orders",), "abc", 4, 2, "", (), (), ()), (), (), {}, 0, (LINES[0],))
PAGES = (
    *("/meshregistry/xdsCache", "/meshregistry/why?host=orders", "/meshregistry/journal", "/meshregistry/nacos"),
    *("/meshregistry/zk", "/meshregistry/zk?interfaceName=Legacy", "/meshregistry/zks", "/meshregistry/zks?all=1"),
    *("/meshregistry/dubboCallModel", "/meshregistry/sidecarDubboCallModel"),
)


async def get(path: str, stale: tuple[Stale, ...] = STALE) -> ClientResponse:
    plain = PlainViews(stale=stale, answers={Question("orders", ""): [WHY]})
    async with serving(views_of(store_of(ORDERS), plain)) as client, client.get(path) as response:
        await response.read()
        return response


@pytest.mark.parametrize("path", PAGES)
async def test_stale_sources_are_in_the_header(path: str) -> None:
    response = await get(path)

    assert (HTTPStatus.OK, "nacos,zookeeper") == (response.status, response.headers["X-Meshregistry-Stale"])


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_stale_is_no_header(path: str) -> None:
    assert "X-Meshregistry-Stale" not in (await get(path, ())).headers


async def test_the_journal_says_what_is_stale_and_since_when() -> None:
    assert LINES == (await (await get("/meshregistry/journal")).json())["stale"]


async def test_an_answer_says_what_of_it_is_stale() -> None:
    text = await (await get("/meshregistry/why?host=orders")).text()
    (answer,) = await (await get("/meshregistry/why?host=orders&format=json")).json()

    assert f"  {LINES[0]}" in text.splitlines()
    assert [LINES[0]] == answer["stale"]
