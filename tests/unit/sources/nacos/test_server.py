"""One registry that cannot be read: what its source tells of that, before anything has been read."""

from collections.abc import Mapping

import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.model.events import RegistryAway
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.client import Endpoint, NacosClient
from meshregistry.sources.nacos.options import NacosOptions, NacosScope, NacosServerOptions
from meshregistry.sources.nacos.registry import configured_registries
from meshregistry.sources.nacos.server import NacosServer
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics
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
