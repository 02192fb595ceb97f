"""The page of the journal: bounded, by host, and for readers that come back."""

from typing import Any

import pytest

from meshregistry.model.instance import Scope
from meshregistry.store.journal import Journal, Moment, Origin
from tests.support.http_pages import LEGACY, ORDERS, STOCK, PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio

REGISTRY = Origin("registry", Scope("nacos", "", "public", "DEFAULT_GROUP"))


def journal() -> Journal:
    """Three lines: orders came, stock came, orders went."""
    lines = Journal(100)
    lines.note_change(None, ORDERS, REGISTRY, "", Moment(1.0, 1))
    lines.note_change(None, STOCK, REGISTRY, "", Moment(2.0, 2))
    lines.note_change(ORDERS, None, REGISTRY, "", Moment(3.0, 3))
    return lines


async def get(path: str, lines: Journal | None = None) -> tuple[int, Any]:
    views = views_of(store_of(), PlainViews(journal=lines if lines is not None else journal()))
    async with serving(views) as client, client.get(f"/meshregistry/journal{path}") as response:
        body = await response.json() if response.status == 200 else await response.text()
        return response.status, body


async def test_the_newest_lines_come_in_order() -> None:
    status, body = await get("?limit=2")

    assert 200 == status
    assert [2, 3] == [entry["number"] for entry in body["entries"]]
    assert (3, 3) == (body["last"], body["next"])


async def test_a_line_says_what_changed_and_why() -> None:
    _, body = await get("?limit=1")

    (line,) = body["entries"]
    assert ("removed", "registry", "nacos", "nacos/public/DEFAULT_GROUP") == (
        line["what"],
        line["why"],
        line["source"],
        line["scope"],
    )
    assert ("nacos/orders.nacos", "orders.nacos.svc.cluster.local", 3) == (
        line["resource"],
        line["host"],
        line["sequence"],
    )
    assert (0, 0, 2, ["10.0.0.1:8080", "10.0.0.2:8080"]) == (
        line["endpoints"],
        line["added"],
        line["removed"],
        line["removed_sample"],
    )


async def test_a_reader_that_comes_back_misses_nothing() -> None:
    _, first = await get("?since=0&limit=2")
    _, second = await get(f"?since={first['next']}&limit=2")

    assert [1, 2, 3] == [entry["number"] for body in (first, second) for entry in body["entries"]]


async def test_one_host_is_found_by_its_host_and_by_its_resource() -> None:
    for name in ("orders.nacos.svc.cluster.local", "nacos/orders.nacos"):
        _, body = await get(f"?host={name}")
        assert [1, 3] == [entry["number"] for entry in body["entries"]]


async def test_an_empty_journal_is_an_empty_answer() -> None:
    assert (200, {"last": 0, "next": 0, "stale": [], "entries": []}) == await get("", Journal(0))


async def test_a_number_that_is_none_is_refused() -> None:
    assert (400, "since must be a number\n") == await get("?since=yesterday")


async def test_no_answer_is_longer_than_its_bound() -> None:
    lines = Journal(6000)
    for number in range(5500):
        lines.note_change(None, LEGACY, REGISTRY, "", Moment(float(number), number))

    _, body = await get("?limit=999999", lines)

    assert 5000 == len(body["entries"])
