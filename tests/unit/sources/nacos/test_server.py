"""One registry that cannot be read: what its source tells of that, before anything has been read."""

import json
from collections.abc import Awaitable, Callable, Mapping

import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.model.events import RegistryAway
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.client import Endpoint, NacosClient, NotOffered
from meshregistry.sources.nacos.options import NacosOptions, NacosScope, NacosServerOptions
from meshregistry.sources.nacos.registry import configured_registries
from meshregistry.sources.nacos.server import NacosServer
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics
from tests.support.measured_scopes import measured_scopes
from tests.support.source_fakes import ManualClock, RecordingSink

pytestmark = pytest.mark.anyio

ADDRESSES = ("http://nacos-0:8848", "http://nacos-1:8848")
WHOLE = Scope("nacos", "", "", "")


class SilentClient(NacosClient):
    """Every node refuses to be connected to."""

    async def get(
        self,
        endpoint: Endpoint,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        signature: Mapping[str, str] | None = None,
    ) -> bytes:
        raise SourceUnavailable(f"{endpoint}: refused")


@pytest.mark.parametrize(
    ("server", "told"),
    [
        pytest.param(
            {"scopes": (NacosScope(), NacosScope(group="BATCH"))},
            [Scope("nacos", "", "public", "DEFAULT_GROUP"), Scope("nacos", "", "public", "BATCH")],
            id="the namespace is known without the list",
        ),
        pytest.param(
            {"scopes": (NacosScope(namespace="team"),)},
            [WHOLE, Scope("nacos", "", "team", "DEFAULT_GROUP")],
            id="the namespace may have another id",
        ),
        pytest.param({"all_namespaces": True, "scopes": ()}, [WHOLE], id="no namespace is known"),
    ],
)
async def test_that_it_was_away_before_the_first_reading_is_told_once(
    server: dict[str, object], told: list[Scope]
) -> None:
    own = NacosServerOptions(addresses=ADDRESSES, **server)  # type: ignore[arg-type]
    options, metrics, clock, sink = NacosOptions(servers=(own,)), Metrics(), ManualClock(), RecordingSink()
    (registry,) = configured_registries(options.servers)
    client = SilentClient(options, metrics)
    reader = NacosServer(registry, options, client, metrics, clock.clock)
    readiness = Readiness("nacos", frozenset(registry.parts()), metrics, clock.clock)

    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            await reader.poll(sink, readiness)

    assert [RegistryAway(scope, 100.0) for scope in told] == sink.updates


class ListingClient(NacosClient):
    """A 2.x server with some services of these groups in each namespace."""

    groups: dict[str, list[str]]

    async def get(
        self,
        endpoint: Endpoint,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        signature: Mapping[str, str] | None = None,
    ) -> bytes:
        if path == "/v1/console/server/state":
            return b'{"version": "2.3.1"}'
        if path == "/v1/console/namespaces":
            return json.dumps({"data": [{"namespace": each} for each in self.groups]}).encode()
        if path != "/v1/ns/catalog/services":
            raise NotOffered("404")
        groups = self.groups.get(params["namespaceId"], []) if params["pageNo"] == "1" else []
        hosts = [{"ip": "10.0.0.1", "port": 80, "healthy": True, "enabled": True}]
        clusters = {"DEFAULT": {"hosts": hosts}}
        return json.dumps(
            [{"serviceName": "orders", "groupName": group, "clusterMap": clusters} for group in groups]
        ).encode()


def all_of(groups: dict[str, list[str]]) -> tuple[ListingClient, NacosServer, Callable[[], Awaitable[None]], Metrics]:
    """Return a client and a server that reads all namespaces, and how it is read once."""
    own = NacosServerOptions(addresses=ADDRESSES[:1], all_namespaces=True, scopes=())
    options, metrics, clock = NacosOptions(servers=(own,), settle_s=0.0), Metrics(), ManualClock()
    (registry,) = configured_registries(options.servers)
    client = ListingClient(options, metrics)
    client.groups = groups
    reader = NacosServer(registry, options, client, metrics, clock.clock)
    readiness = Readiness("nacos", frozenset(registry.parts()), metrics, clock.clock)

    async def poll() -> None:
        await reader.poll(RecordingSink(), readiness)

    return client, reader, poll, metrics


class ManifoldClient(ListingClient):
    """Nodes of two versions behind one address, none of which offers the listing with instances."""

    def __init__(self, options: NacosOptions, metrics: Metrics) -> None:
        super().__init__(options, metrics)
        self.asked = 0

    async def get(
        self,
        endpoint: Endpoint,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        signature: Mapping[str, str] | None = None,
    ) -> bytes:
        if path == "/v1/ns/service/list":
            return b'{"count": 0, "doms": []}'
        if path != "/v1/console/server/state":
            raise NotOffered("404")
        self.asked += 1
        return b'{"version": "2.%d.0"}' % (self.asked % 2)


async def test_a_node_whose_version_is_another_one_each_time_is_read_all_the_same() -> None:
    own = NacosServerOptions(addresses=ADDRESSES[:1])
    options, metrics, clock, sink = NacosOptions(servers=(own,)), Metrics(), ManualClock(), RecordingSink()
    (registry,) = configured_registries(options.servers)
    client = ManifoldClient(options, metrics)
    reader = NacosServer(registry, options, client, metrics, clock.clock)
    await reader.poll(sink, Readiness("nacos", frozenset(registry.parts()), metrics, clock.clock))

    assert (2, True) == (client.asked, reader.healthy)


async def test_the_metrics_tell_of_no_group_and_no_namespace_that_is_gone() -> None:
    client, _, poll, metrics = all_of({"public": ["shop", "gone"], "dev": ["shop"]})
    await poll()
    before = measured_scopes(metrics)
    client.groups = {"public": ["shop"]}
    for _ in range(3):
        await poll()

    assert {"nacos/public/shop", "nacos/public/gone", "nacos/dev/shop"} == before
    assert {"nacos/public/shop"} == measured_scopes(metrics)


async def test_groups_without_end_have_metrics_with_an_end_and_are_read_all_the_same() -> None:
    _, reader, poll, metrics = all_of({"public": [f"group-{number}" for number in range(1500)]})
    await poll()

    assert (1000, 1500) == (len(measured_scopes(metrics)), len(list(reader.known())))
