"""What the pages see of the other rooms: the Protocols of `http.views`, satisfied."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from meshregistry.http.views import ClientHolding, Why
from meshregistry.model.call_model import ApplicationCalls
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.service_entry import Kind
from meshregistry.persistence import Keeper
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.explain import Question
from meshregistry.store.reducer import Reducer
from meshregistry.store.staleness import Staleness
from meshregistry.store.store import SnapshotStore
from meshregistry.xds.clients import Clients
from meshregistry.xds.type_urls import served_kind

_CHANGES_SHOWN = 10


class DescribedSource(Protocol):
    """A source that can tell how its registries are doing, and what they said."""

    def registries(self) -> Sequence[Mapping[str, object]]:
        """Return one mapping per server: `registry_id`, `addresses` without credentials, and its status."""
        ...

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published."""
        ...


class WhyDesk:
    """Answers why a host has its endpoints: from the sources' memory to what clients have acknowledged."""

    def __init__(
        self, reducer: Reducer, sources: Mapping[str, DescribedSource], clients: Clients, store: SnapshotStore
    ) -> None:
        self._reducer = reducer
        self._sources = sources
        self._clients = clients
        self._store = store

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield what all sources remember."""
        for source in self._sources.values():
            yield from source.known()

    def explain(self, host: str, address: str) -> list[Why]:
        """Return one answer per resource."""
        return [
            Why(
                answer,
                tuple(self._reducer.journal.list_newest(answer.resource, _CHANGES_SHOWN)),
                tuple(self._list_holdings(answer.sequence)),
            )
            for answer in self._reducer.explainer.explain(Question(host, address), self)
        ]

    def _list_holdings(self, sequence: int) -> Iterator[ClientHolding]:
        current = self._store.current.collection(Kind.SERVICE_ENTRY).version
        for stream in self._clients.streams():
            for url, state in stream.types.items():
                if served_kind(url) is Kind.SERVICE_ENTRY:
                    acked = self._reducer.find_sequence(state.version_acked)
                    is_newest = state.version_acked == current
                    verdict = _judge_holding(state.version_acked, acked, sequence, is_newest=is_newest)
                    yield ClientHolding(stream.connection, verdict, state.version_acked, state.acked_age_seconds)


def _judge_holding(version: str, acked: int | None, sequence: int, *, is_newest: bool) -> str:
    if not version:
        return "has nothing yet"
    if is_newest or (acked is not None and acked >= sequence):
        return "holds this version"
    if acked is None:
        return "sees a part only, or holds a version that is no longer remembered"
    return "holds an older version"


class Readiness:
    """Ready while the ports are open and every enabled source has been read; `listening` is set by the root.

    A shadow is never ready: behind a Service its pod must not be what istiod is sent to.
    """

    def __init__(self, reducer: Reducer, *, is_shadow: bool = False) -> None:
        self._reducer = reducer
        self._is_shadow = is_shadow
        self.listening = False

    @property
    def not_ready(self) -> tuple[str, ...]:
        """What is not ready besides sources."""
        if self._is_shadow:
            return ("shadow: nobody is served",)
        return () if self.listening else ("xds not ready",)

    @property
    def sources_not_ready(self) -> tuple[str, ...]:
        """Enabled sources that have not read all their scopes."""
        return self._reducer.pending_sources


class StalenessPage:
    """What was restored and is not confirmed yet, and what went wrong with the saved snapshot."""

    def __init__(self, staleness: Staleness, keeper: Keeper) -> None:
        self._staleness = staleness
        self._keeper = keeper

    @property
    def stale_sources(self) -> tuple[str, ...]:
        """Sources whose part was restored and that have not spoken since."""
        return self._staleness.sources

    @property
    def notes(self) -> tuple[str, ...]:
        """One line on what is stale, one on each trouble with the file."""
        if not self.stale_sources:
            return self._keeper.notes
        as_of = datetime.fromtimestamp(self._staleness.as_of, UTC).isoformat(timespec="seconds")
        return (f"stale as of {as_of}: {', '.join(self.stale_sources)}", *self._keeper.notes)


class ClientsPage:
    """Slime's record of each client, and beside it everything known of its stream under `Stream`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def clients(self) -> Mapping[str, object]:
        """Return connection id → the client."""
        details = {stream.connection: stream for stream in self._clients.streams()}
        return {
            connection: {**msgspec.structs.asdict(client), "Stream": details.get(connection)}
            for connection, client in self._clients.slime().items()
        }


class SourcesPage:
    """The state of every source by its kind."""

    def __init__(self, sources: Mapping[str, DescribedSource]) -> None:
        self._sources = sources

    def sources(self) -> Mapping[str, object]:
        """Return source kind → the status of its registries."""
        return {kind: source.registries() for kind, source in self._sources.items()}


class DubboPage:
    """What the ZooKeeper source knows, while there is one."""

    def __init__(self, sources: Mapping[str, DescribedSource]) -> None:
        self._sources = sources

    def instances(self, interface: str) -> Iterable[tuple[str, str, tuple[Instance, ...]]]:
        """Return interface, service and instances of everything that was read; "" is all interfaces."""
        source = self._source()
        return source.instances(interface) if source else ()

    def calls(self) -> Mapping[str, ApplicationCalls]:
        """Return what every application provides and calls now."""
        source = self._source()
        return source.calls() if source else {}

    def used_calls(self) -> Mapping[str, ApplicationCalls]:
        """Return the same as it stands in the Sidecars that are served."""
        source = self._source()
        return source.used_calls() if source else {}

    def _source(self) -> ZooKeeperSource | None:
        source = self._sources.get("zookeeper")
        return source if isinstance(source, ZooKeeperSource) else None


class RegistriesPage:
    """The registries behind the sources of one kind; none while there is no such source."""

    def __init__(self, kind: str, sources: Mapping[str, DescribedSource]) -> None:
        self._kind = kind
        self._sources = sources

    def registries(self) -> Sequence[Mapping[str, object]]:
        """Return one mapping per server."""
        source = self._sources.get(self._kind)
        return source.registries() if source else ()
