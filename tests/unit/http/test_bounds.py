"""No page sends more at a time than its bound, however large the world is."""

from collections import Counter
from functools import cache

import msgspec
import pytest

from meshregistry.http.views import ClientHolding, Why
from meshregistry.model.call_model import ApplicationCalls
from meshregistry.model.instance import Instance, Scope
from meshregistry.model.rejects import Reject
from meshregistry.model.relabel import Rewrite
from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.store.explain import (
    MAX_HOSTS,
    MAX_INSTANCES,
    MAX_REJECTS,
    MAX_REWRITES,
    MAX_SERVICES,
    InstanceAnswer,
    Question,
    ResourceAnswer,
    ServiceAnswer,
)
from meshregistry.store.journal import Journal, Moment, Origin
from meshregistry.store.store import SnapshotStore
from tests.support.http_pages import PlainViews, serving, store_of, views_of
from tests.unit.http.test_pages import PATHS

pytestmark = pytest.mark.anyio

MOST_BYTES = 1 << 20
"""Of a slice of an answer that is streamed, and of a whole one that is not."""

HOST = "orders.nacos.svc.cluster.local"
LONG = "x" * 200
PLACES = [(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 8080) for number in range(20_000)]
LARGE = {
    f"/meshregistry/{page}"
    for page in (
        "xdsCache",
        "xdsCache?format=yaml",
        "xdsCache?layout=plain",
        "xdsCache?layout=list&k8sRsc=1",
        "clients",
        "sources",
        "rejects?limit=10000",
        "journal?limit=5000",
        f"why?host={HOST}",
        f"why?host={HOST}&format=json",
        "zk",
        "zk?registry_services=true",
        "zks?all=1",
        "dubboCallModel",
        "sidecarDubboCallModel",
        "pc",
        "nc",
        "nacos",
        "nacos?registries=true",
    )
}
"""What is larger than the bound in the world of these tests, so that the bound is put to the test."""


def endpoints(start: int) -> tuple[WorkloadEntry, ...]:
    labels = (("app", "orders"), ("version", LONG[:60]))
    return tuple(WorkloadEntry(address, (("http", port),), labels) for address, port in PLACES[start : start + 10])


@cache
def store() -> SnapshotStore:
    """Thousands of services of two registries."""
    ports = (ServicePort(8080, "HTTP", "http"),)
    return store_of(
        *(
            ServiceEntry(kind, f"s{number}", (f"s{number}.{kind}",), ports, endpoints(number), labels=labels)
            for kind, count in (("nacos", 1500), ("zookeeper", 1500))
            for number in range(count)
            for labels in [(("path", f"com.acme.S{number}"), ("registry", kind))]
        )
    )


@cache
def answer() -> Why:
    """Everything that is told of one resource at most."""
    rewrites = tuple(Rewrite(LONG, LONG, LONG) for _ in range(MAX_REWRITES))
    told = [InstanceAnswer(LONG, 8080, "not_served", LONG, rewrites) for _ in range(MAX_INSTANCES)]
    services = [
        ServiceAnswer(LONG, "nacos", LONG, 9, 9, 9, ("1",), tuple(told if not number else ()))
        for number in range(MAX_SERVICES)
    ]
    clients = [ClientHolding(f"{LONG}-{number}", "holds an older version", "v", 1.0) for number in range(100)]
    resource = ResourceAnswer(
        LONG,
        (LONG,) * MAX_HOSTS,
        "v",
        1,
        9,
        "",
        tuple(msgspec.structs.replace(each, relabelled=()) for each in told),
        tuple(services),
        tuple(Reject(LONG, "label_value", LONG, LONG) for _ in range(MAX_REJECTS)),
    )
    states = Counter(each.state for each in clients)
    return Why(resource, tuple(journal().list_newest("", 10)), tuple(clients), states, 5)


@cache
def journal() -> Journal:
    lines, scope = Journal(10_000), Scope("nacos", "", "public", "DEFAULT_GROUP")
    before, after = (ServiceEntry("n", LONG[:60], (LONG,), endpoints=endpoints(start)) for start in (0, 10))
    for _ in range(5000):
        lines.note_change(before, after, Origin("registry", scope, LONG), "empty_grace", Moment(1.0, 1))
    return lines


@cache
def plain() -> PlainViews:
    """Thousands of everything that pages tell."""
    status = {f"type-{number}": {"nonce": LONG, "bytes": 1} for number in range(20)}
    pod = {"Meta": {"name": LONG, "labels": {"app": LONG}}, "NodeName": "n1"}
    calls = {
        f"app-{app}": ApplicationCalls((), tuple(f"com.acme.S{n}.{LONG}" for n in range(1000))) for app in range(8)
    }
    return PlainViews(
        connected={f"istiod-{number}": {"Stream": status} for number in range(1000)},
        states={"nacos": [{"scopes": [{"group": LONG}] * 1000}] * 10},
        servers=[{"registry_id": LONG, "scopes": [{"group": LONG}] * 100}] * 100,
        rejected=[Reject(f"nacos/s{number}", "label_value", LONG, LONG) for number in range(10_000)],
        registered=[
            (
                f"com.acme.S{number}",
                "s",
                tuple(Instance(*place, metadata=(("methods", LONG),)) for place in PLACES[:10]),
            )
            for number in range(1000)
        ],
        called=calls,
        called_by_sidecars=calls,
        journal=journal(),
        answers={Question(HOST, ""): [answer()] * 20},
        pod_cache={"Kubernetes": {address: pod for address, _ in PLACES}},
        node_cache={cluster: {f"node-{number}": pod["Meta"] for number in range(2000)} for cluster in ("a", "b")},
    )


@pytest.mark.parametrize("path", sorted(PATHS | {"/"} | LARGE))
async def test_no_page_sends_more_at_a_time_than_its_bound(path: str) -> None:
    sizes = [0]
    async with serving(views_of(store(), plain())) as client, client.get(path) as response:
        assert 200 == response.status
        is_streamed = response.headers.get("Transfer-Encoding") == "chunked"
        async for data, is_end in response.content.iter_chunks():
            sizes[-1] += len(data)
            if is_end and is_streamed:
                sizes.append(0)

    assert max(sizes) <= MOST_BYTES
    assert sum(sizes) > MOST_BYTES or path not in LARGE


@pytest.mark.parametrize(
    "page",
    ["xdsCache", "xdsCache?format=yaml", "xdsCache?layout=list", "xdsCache?layout=plain&format=yaml", "nacos", "zk"],
)
async def test_a_service_with_endpoints_without_end_is_told_in_parts(page: str) -> None:
    """Whoever may register may register many instances of one service: YAML takes seconds for 20,000 of them."""
    ports = (ServicePort(8080, "HTTP", "http"),)
    many = tuple(WorkloadEntry(address, (("http", port),)) for address, port in PLACES[:5000])
    entries = [
        ServiceEntry(kind, "s", (f"s.{kind}",), ports, many, labels=(("path", "com.acme.S"), ("registry", kind)))
        for kind in ("nacos", "zookeeper")
    ]
    async with (
        serving(views_of(store_of(*entries), PlainViews())) as client,
        client.get(f"/meshregistry/{page}") as got,
    ):
        sizes = [len(data) async for data, _ in got.content.iter_chunks()]

    assert 200_000 < sum(sizes)
    assert 100_000 > max(sizes)
