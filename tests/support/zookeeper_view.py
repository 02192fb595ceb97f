"""A running ZooKeeper source in a test, and what its updates add up to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from meshregistry.model.events import ScopeConfirmed, ScopeListing, SidecarChanges, SourceSynced, SourceUpdate
from meshregistry.model.instance import Instance, Scope
from meshregistry.sources.polling import PollOptions
from meshregistry.sources.zookeeper.options import Mode, ResyncOptions, ZooKeeperOptions, ZooKeeperServerOptions
from meshregistry.sources.zookeeper.session import SessionOptions
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.telemetry.metrics import Metrics
from tests.support.beside import beside
from tests.support.zookeeper_testimony import Row

TIMEOUT_S = 30.0
_LOOK_S = 0.02
QUIET = ResyncOptions(period_s=0.0)
"""Nothing is read again but at a connection: what events alone bring."""

Changes = Mapping[str, object]

MODES: dict[str, Changes] = {
    "trees": {"mode": Mode.WATCHING, "resync": QUIET},
    "nodes": {"mode": Mode.WATCHING, "resync": QUIET, "recursive": False},
    "polling": {"mode": Mode.POLLING},
}
"""How a source may read: what is published is the same."""

Found = dict[str, dict[str, tuple[Instance, ...]]]
"""Interface, or "" for Spring Cloud, → service → instances."""


class View:
    """A sink that does with updates what the store does, and remembers them."""

    def __init__(self) -> None:
        self.scopes: dict[Scope, dict[str, tuple[Instance, ...]]] = {}
        self.listings: list[ScopeListing] = []
        self.sidecars: list[SidecarChanges] = []
        self.synced: list[SourceSynced] = []
        self.confirmations = 0
        self.source: ZooKeeperSource
        self.metrics = Metrics()
        self._news = asyncio.Event()

    async def publish(self, update: SourceUpdate) -> None:
        """Take an update."""
        self._news.set()
        match update:
            case ScopeListing():
                self.listings.append(update)
                known = self.scopes.get(update.scope, {})
                self.scopes[update.scope] = {
                    name: each for name, each in {**known, **update.services}.items() if name in update.names
                }
            case SidecarChanges():
                self.sidecars.append(update)
            case SourceSynced():
                self.synced.append(update)
            case ScopeConfirmed():
                self.confirmations += 1

    @property
    def found(self) -> Found:
        """What is there now; interfaces without services are left out."""
        return {scope.group: services for scope, services in self.scopes.items() if services}

    @property
    def addresses(self) -> dict[str, list[str]]:
        """Service → addresses of its instances."""
        return {
            name: [instance.address for instance in instances]
            for services in self.scopes.values()
            for name, instances in services.items()
        }

    @property
    def rows(self) -> list[Row]:
        """Every endpoint that is there, as an independent reading of the registry has it; sorted."""
        return sorted(
            _row(interface, name, instance)
            for interface, services in self.found.items()
            for name, instances in services.items()
            for instance in instances
        )

    @property
    def registry(self) -> dict[str, object]:
        """The first registry on the status page."""
        return self.source.registries()[0]

    @property
    def session(self) -> dict[str, Any]:
        """The first registry's session on the status page."""
        session = self.registry["session"]
        assert isinstance(session, dict)
        return session

    @property
    def attempts(self) -> int:
        """How often the first registry's session has tried to connect."""
        return int(self.session["attempts"])

    @property
    def connection_status(self) -> float | None:
        """What the metrics say of the source: 1 for connected."""
        return self._sample("source_connection_status")

    def bad_records(self, reason: str) -> float | None:
        """How many records the metrics have counted as dropped for a reason."""
        return self._sample("source_bad_records_total", reason=reason)

    def _sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"meshregistry_{name}", {"source": "zookeeper", **labels})

    async def until(self, condition: Callable[["View"], object], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the condition holds: it is looked at after each update, and now and then for the status page."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), _LOOK_S)

    async def until_addresses(self, expected: Mapping[str, list[str]], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until everything was read and exactly these services are there; else the comparison is the failure."""
        try:
            await self.until(lambda view: view.synced and view.addresses == expected, timeout_s)
        except TimeoutError:
            assert expected == self.addresses

    async def until_read(self, cause: str = "", times: int = 1) -> None:
        """Wait for readings of everything that begin after now."""

        def count() -> int:
            readings = self.registry["readings_total"]
            assert isinstance(readings, dict)
            return int(readings.get(cause, 0)) if cause else sum(readings.values())

        wanted = count() + times
        await self.until(lambda view: count() >= wanted and view.registry["healthy"])


def _row(interface: str, name: str, each: Instance) -> Row:
    group, _, version = name.removeprefix(interface).removeprefix(":").partition(":")
    scheme = dict(each.metadata)["protocol"] if interface else ""
    return Row(interface, group, version, scheme, each.address, each.port, each.weight, each.enabled)


def server_options(hosts: str, **changes: object) -> ZooKeeperServerOptions:
    """Return the options of one registry on these hosts."""
    session = {"hosts": tuple(hosts.split(",")), "request_timeout_s": 10.0, **dict(_take(changes, "session"))}
    return ZooKeeperServerOptions(session=SessionOptions(**session), **changes)  # type: ignore[arg-type]


def _take(changes: dict[str, object], name: str) -> Changes:
    taken = changes.pop(name, {})
    assert isinstance(taken, Mapping)
    return taken


@asynccontextmanager
async def reading(*servers: ZooKeeperServerOptions, **changes: object) -> AsyncIterator[View]:
    """Run a source with a short period as long as the context is open."""
    polling = PollOptions(refresh_period_s=0.1, first_retry_s=0.05)
    fields: dict[str, object] = {"polling": polling, **changes}
    view = View()
    view.source = ZooKeeperSource(ZooKeeperOptions(servers=servers, **fields), view.metrics)  # type: ignore[arg-type]
    async with beside(view.source.run(view)):
        yield view
