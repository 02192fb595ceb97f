"""Several registries of one source, from their peers to the entries: one application is one entry (Slime merges so)."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Kind
from meshregistry.sources.eureka.client import Node
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions
from meshregistry.sources.eureka.reader import RegistryReader
from meshregistry.sources.eureka.server import EurekaServer, configured_scopes
from meshregistry.sources.readiness import Readiness
from meshregistry.store.reducer import Reducer
from meshregistry.store.rules import SourceRules
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder
from tests.support.eureka_model import EurekaModel, Fault
from tests.support.guarded_world import POLICY
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.anyio

SERVERS = tuple(
    EurekaServerOptions(registry_id=each, addresses=(f"http://{each}/eureka",)) for each in ("east", "west")
)


class Registries:
    """Two registries, each read as a scope of its own, in front of one reducer. It is their sink."""

    def __init__(self) -> None:
        self.models = {server.registry_id: EurekaModel() for server in SERVERS}
        clock, metrics, options = ManualClock(), Metrics(), EurekaOptions(servers=SERVERS)
        scopes = configured_scopes(SERVERS)
        self._readiness = Readiness("eureka", frozenset(scopes), metrics, clock.clock)
        self._servers = [
            EurekaServer(
                RegistryReader(scope, server, options, metrics, clock.clock),
                options,
                self._get,
                self._resolve,
                clock.clock,
            )
            for scope, server in zip(scopes, SERVERS, strict=True)
        ]
        self.store = SnapshotStore({Kind.SERVICE_ENTRY})
        encoder = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC))
        conversion = ConversionPolicy(source="eureka", default_service_ns="eureka", resource_ns="eureka")
        rules = {"eureka": SourceRules(conversion, POLICY)}
        self._reducer = Reducer(self.store, encoder, rules, metrics, clock.clock.now)

    async def publish(self, update: object) -> None:
        """Reduce an update by itself."""
        await self._reducer.reduce([update])  # type: ignore[list-item]

    async def poll(self) -> list[bool]:
        """Read each registry once; returns which could be."""
        succeeded = []
        for server in self._servers:
            try:
                await server.poll(self, self._readiness)
            except SourceUnavailable:
                succeeded.append(False)
            else:
                succeeded.append(True)
        return succeeded

    def addresses(self) -> dict[str, list[tuple[str, str]]]:
        """Return address and registry of every endpoint, by resource name."""
        resources = self.store.current.collection(Kind.SERVICE_ENTRY).resources
        return {
            name: [(each.address, dict(each.labels).get("registry-id", "")) for each in resource.entry.endpoints]
            for name, resource in resources.items()
        }

    async def _get(self, node: Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        registry = node.base.removeprefix("http://").partition("/")[0]
        return await self.models[registry].get(node, path, regions, headers)

    async def _resolve(self, host: str) -> list[str]:
        raise OSError(host)


async def test_one_application_of_two_registries_is_one_entry_and_an_outage_of_one_keeps_its_part() -> None:
    registries = Registries()
    east, west = registries.models["east"], registries.models["west"]
    east.register("ORDERS", "o1", "10.0.0.1")
    west.register("Orders", "o2", "10.0.0.2")
    west.register("USERS", "u1", "10.0.0.3")
    assert [True, True] == await registries.poll()
    both = [("10.0.0.1", "east"), ("10.0.0.2", "west")]
    users = [("10.0.0.3", "west")]
    assert {"eureka/orders.eureka": both, "eureka/users.eureka": users} == registries.addresses()

    west.fault = Fault.DOWN
    east.register("ORDERS", "o3", "10.0.0.4")
    assert [True, False] == await registries.poll()

    more = [*both, ("10.0.0.4", "east")]
    assert {"eureka/orders.eureka": more, "eureka/users.eureka": users} == registries.addresses()
