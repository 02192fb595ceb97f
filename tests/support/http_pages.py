"""A running HTTP server over plain views and a filled store, and a client for it."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import ClientSession

from meshregistry.http.server import HttpOptions, HttpServer
from meshregistry.http.views import RegistriesView, Views, Why
from meshregistry.model.call_model import ApplicationCalls, CallSteps
from meshregistry.model.instance import Instance
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Kind, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.store.explain import Question
from meshregistry.store.journal import Journal
from meshregistry.store.staleness import Stale
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder

CREATED = datetime(2100, 1, 1, tzinfo=UTC)
ENCODER = ResourceEncoder(CREATED)

ORDERS = ServiceEntry(
    "nacos",
    "orders.nacos",
    ("orders.nacos.svc.cluster.local",),
    ports=(ServicePort(8080, "HTTP", "http-8080"),),
    endpoints=(
        WorkloadEntry("10.0.0.1", (("http-8080", 8080),), (("app", "orders"), ("version", "1")), "cn/hz/a", 1),
        WorkloadEntry("10.0.0.2", (("http-8080", 8080),)),
    ),
    labels=(("app", "orders"), ("registry", "nacos")),
)
STOCK = ServiceEntry("nacos", "stock.nacos", ("stock.nacos",), labels=(("registry", "nacos"),))
LEGACY = ServiceEntry(
    "zk", "legacy.dubbo", ("legacy.dubbo",), labels=(("registry", "zookeeper"),), annotations=(("key", "Legacy:1.0"),)
)


@dataclass
class PlainViews:
    """Every view in one object, with settable answers."""

    not_ready: tuple[str, ...] = ()
    sources_not_ready: tuple[str, ...] = ()
    stale: tuple[Stale, ...] = ()
    notes: tuple[str, ...] = ()
    connected: Mapping[str, object] = field(default_factory=dict)
    states: Mapping[str, Sequence[object]] = field(default_factory=dict)
    servers: Sequence[Mapping[str, object]] = ()
    rejected: Sequence[Reject] = ()
    registered: Sequence[tuple[str, str, tuple[Instance, ...]]] = ()
    called: Mapping[str, ApplicationCalls] = field(default_factory=dict)
    called_by_sidecars: Mapping[str, ApplicationCalls] = field(default_factory=dict)
    without_calls: str = ""
    journal: Journal = field(default_factory=lambda: Journal(100))
    answers: Mapping[Question, Sequence[Why]] = field(default_factory=dict)
    pod_cache: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    node_cache: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def list_stale(self) -> tuple[Stale, ...]:
        return self.stale

    def clients(self) -> Iterable[tuple[str, object]]:
        return self.connected.items()

    def sources(self) -> Iterable[tuple[str, Iterable[object]]]:
        return self.states.items()

    def registries(self) -> Sequence[Mapping[str, object]]:
        return self.servers

    def instances(self, interface: str) -> Iterable[tuple[str, str, tuple[Instance, ...]]]:
        return [each for each in self.registered if interface in ("", each[0])]

    def why_no_calls(self) -> str:
        return self.without_calls

    def calls(self) -> CallSteps:
        yield
        return self.called

    def used_calls(self) -> CallSteps:
        yield
        return self.called_by_sidecars

    def pods(self) -> Iterable[tuple[str, Iterable[tuple[str, object]]]]:
        return [(cluster, pods.items()) for cluster, pods in self.pod_cache.items()]

    def nodes(self) -> Iterable[tuple[str, Iterable[tuple[str, object]]]]:
        return [(cluster, nodes.items()) for cluster, nodes in self.node_cache.items()]

    def explain(self, question: Question) -> Iterator[Why | None]:
        yield None
        yield from self.answers.get(question, ())

    def walk_rejects(self) -> Iterator[Reject]:
        return iter(self.rejected)


def store_of(*entries: ServiceEntry) -> SnapshotStore:
    """A complete store with these entries, all of the same sequence."""
    store = SnapshotStore([Kind.SERVICE_ENTRY])
    store.complete()
    store.commit(Kind.SERVICE_ENTRY, map(ENCODER.encode, entries), ())
    return store


def views_of(store: SnapshotStore, plain: PlainViews | None = None, sources: Iterable[str] = ("nacos",)) -> Views:
    """The record of views of a store, the rest answered by `plain`."""
    plain = plain or PlainViews()
    registries: dict[str, RegistriesView] = dict.fromkeys(sources, plain)
    return Views(
        snapshot=store,
        readiness=plain,
        staleness=plain,
        clients=plain,
        sources=plain,
        rejects=plain,
        journal=plain.journal,
        why=plain,
        dubbo=plain,
        pods=plain,
        registries=registries,
        args=lambda: "registry_start_delay: 0s\n",
        slime_args=lambda: {"RegistryStartDelay": "0s"},
        create_time=CREATED,
    )


@asynccontextmanager
async def serving(views: Views, options: HttpOptions | None = None) -> AsyncIterator[ClientSession]:
    """Run the server on a free loopback port; yields a client for its first listener."""
    server = HttpServer(options or HttpOptions(aux_addr="127.0.0.1:0"), views, Metrics())
    await server.start()
    try:
        async with ClientSession(f"http://{server.addresses[0]}") as session:
            yield session
    finally:
        await server.stop()
