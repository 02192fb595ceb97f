"""The page that answers why: as text for people, as JSON for tools."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from meshregistry.http.views import ClientHolding, Why
from meshregistry.model.instance import Scope
from meshregistry.model.rejects import Reject
from meshregistry.model.relabel import Rewrite
from meshregistry.store.explain import InstanceAnswer, Question, ResourceAnswer, ServiceAnswer
from meshregistry.store.journal import Journal, Moment, Origin
from tests.support.http_pages import ORDERS, PlainViews, serving, store_of, views_of

pytestmark = pytest.mark.anyio

HOST = "orders.nacos.svc.cluster.local"


LANES = (Rewrite("lane", "a", "b"), Rewrite("zone", None, "z1"))


def answer() -> Why:
    journal = Journal(10)
    scope = Scope("nacos", "", "public", "DEFAULT_GROUP")
    journal.note_change(None, ORDERS, Origin("registry", scope), "", Moment(1.0, 4))
    relabelled = msgspec.structs.replace(ORDERS, labels=(("app", "other"),))
    journal.note_change(ORDERS, relabelled, Origin("operator", None, "ann"), "", Moment(1.0, 5))
    service = ServiceAnswer(
        "nacos/public/DEFAULT_GROUP/orders",
        "nacos",
        "nacos/public/DEFAULT_GROUP",
        2,
        1,
        1,
        ("7",),
        (
            InstanceAnswer("10.0.0.1", 8080, "served", ""),
            InstanceAnswer("10.0.0.9", 8080, "disabled", "no traffic", LANES),
        ),
        causes=("doubt",),
    )
    resource = ResourceAnswer(
        "nacos/orders.nacos",
        (HOST,),
        "abc",
        4,
        2,
        "",
        (InstanceAnswer("10.0.0.7", 8080, "kept", "by the guard: quarantine"),),
        (service,),
        (Reject("nacos/orders.nacos", "label_value", "k", "bad"),),
    )
    clients = (
        ClientHolding("istiod-1", "holds this version", "v1", 3.2, 61.7),
        ClientHolding("istiod-2", "holds this version", "v1", 3.2, 90.0, True),
        ClientHolding("istiod-3", "holds an older version", "v0", 7.0),
        ClientHolding("istiod-4\n\x1b[2J\ud800", "has nothing yet", "", None),
    )
    return Why(resource, tuple(journal.list_newest("", 5)), clients, Counter(each.state for each in clients))


async def get(path: str) -> tuple[int, Any]:
    known = {Question(HOST, ""): [answer()], Question("", "10.0.0.1", 8080): [answer()]}
    views = views_of(store_of(), PlainViews(answers=known))
    async with serving(views) as client, client.get(f"/meshregistry/why{path}") as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def test_the_text_walks_from_the_registry_to_the_clients() -> None:
    status, text = await get(f"?host={HOST}")

    assert 200 == status
    assert [
        f"nacos/orders.nacos  hosts {HOST}",
        "  served: 2 endpoints, version abc, since commit 4",
        "    10.0.0.7:8080 kept: by the guard: quarantine",
        "  from nacos/public/DEFAULT_GROUP/orders: 2 registered, 1 contributed, 1 held by 7 (doubt)",
        "    10.0.0.1:8080 served",
        "    10.0.0.9:8080 disabled: no traffic",
        "      relabelled: lane is 'b' instead of 'a'",
        "      relabelled: zone is 'z1'",
        "  dropped or repaired: label_value k bad",
        "  commit 4: created by registry nacos/public/DEFAULT_GROUP, +2 -0 endpoints",
        "  commit 5: updated by operator (ann), +0 -0 endpoints, labels",
        "  client istiod-1 holds this version since 62 s",
        "  client istiod-2 holds this version since at least 90 s",
        "  client istiod-3 holds an older version, last heard of 7 s ago",
        "  client istiod-4\\n\\x1b[2J\\ud800 has nothing yet",
    ] == text.splitlines()


async def test_the_same_as_json() -> None:
    status, body = await get(f"?host={HOST}&format=json")

    assert 200 == status
    (found,) = body
    assert "disabled" == found["resource"]["services"][0]["instances"][1]["outcome"]
    assert "holds this version" == found["clients"][0]["state"]


async def test_nothing_is_known_of_a_stranger() -> None:
    assert (404, "nothing is known of 'stranger\\n'\n") == await get("?host=stranger%0a")


async def test_a_question_without_a_subject_is_told_how_to_ask() -> None:
    assert (200, "ask with host=..., address=... (and port=...) or both\n") == await get("")


async def test_a_port_belongs_to_an_address() -> None:
    assert 200 == (await get("?address=10.0.0.1&port=8080"))[0]
    assert (404, "nothing is known of '10.0.0.1'\n") == await get("?address=10.0.0.1&port=9090")
    assert 200 == (await get(f"?host={HOST}&port=9090"))[0]
    assert (400, "port must be a number\n") == await get("?address=10.0.0.1&port=http")
