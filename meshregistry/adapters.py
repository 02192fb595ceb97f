"""What the pages see of the other rooms: the Protocols of `http.views`, satisfied."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from meshregistry.http.views import ClientHolding, Why
from meshregistry.model.call_model import CallSteps
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.service_entry import Kind
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.explain import Question, ResourceAnswer
from meshregistry.store.explainer import Explained
from meshregistry.store.reducer import Reducer
from meshregistry.store.staleness import Stale
from meshregistry.xds.clients import Clients, describe_as_slime, describe_stream
from meshregistry.xds.holdings import Holding, Subject, list_holdings

_CHANGES_SHOWN = 10
_CLIENTS_SHOWN = 100


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
        self,
        reducer: Reducer,
        sources: Mapping[str, DescribedSource],
        clients: Clients,
        list_stale: Callable[[], Iterable[Stale]] = tuple,
    ) -> None:
        self._list_stale = list_stale
        self._reducer = reducer
        self._sources = sources
        self._clients = clients

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield what all sources remember."""
        for source in tuple(self._sources.values()):
            yield from source.known()

    def explain(self, question: Question) -> Iterator[Why | None]:
        """Yield one answer per resource; None for a step that found none yet.

        Of a host that nobody knows any more the journal tells what became of it.
        """
        is_known = False
        for each in self._reducer.explainer.explain(question, self):
            is_known = is_known or each is not None
            yield each and self._complete(each)
        changes = self._reducer.journal.list_newest(question.host, 1) if question.host and not is_known else ()
        for change in changes:
            gone = ResourceAnswer(change.resource, (change.host,), "", 0, 0, change.rule, (), (), ())
            yield self._complete(Explained(change.resource, gone, 0))

    def _complete(self, explained: Explained) -> Why:
        answer = explained.answer
        changes = tuple(self._reducer.journal.list_newest(answer.resource, _CHANGES_SHOWN))
        sequence, is_gone = answer.sequence, False
        if not answer.version and changes and changes[-1].what == "removed":
            sequence, is_gone = changes[-1].sequence, True
        subject = Subject(Kind.SERVICE_ENTRY, explained.name, sequence, is_gone=is_gone)
        holdings = list(list_holdings(self._clients, subject, time.monotonic())) if sequence else []
        if len(holdings) > _CLIENTS_SHOWN:
            holdings.sort(key=lambda each: each.held_s is not None)
        return Why(
            answer,
            changes,
            tuple(map(_show_holding, holdings[:_CLIENTS_SHOWN])),
            Counter(each.state.value for each in holdings),
            explained.more_resources,
            tuple(self._tell_stale(answer)),
        )

    def _tell_stale(self, answer: ResourceAnswer) -> Iterator[str]:
        """Yield what is stale of the scopes that contribute."""
        scopes = {service.scope for service in answer.services}
        for each in self._list_stale():
            concerned = frozenset(scope for scope in each.scopes if str(scope) in scopes)
            if concerned:
                yield str(msgspec.structs.replace(each, scopes=concerned))


def _show_holding(holding: Holding) -> ClientHolding:
    return ClientHolding(
        holding.connection,
        holding.state,
        holding.version_acked,
        holding.acked_age_s,
        holding.held_s,
        holding.is_held_longer,
    )


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


class Noted(Protocol):
    """Who writes a file into the data directory."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong with it, for humans."""
        ...


class StalenessPage:
    """What is older than it should be, and what went wrong with the files in the data directory."""

    def __init__(
        self,
        reducer: Reducer,
        is_failing: Callable[[str], bool],
        sources: Collection[str] = (),
        files: Sequence[Noted] = (),
    ) -> None:
        """`is_failing`: whether a source cannot read a registry now; one that has nothing new to say is silent, too.

        `sources` are the kinds that run; the collection may change.
        """
        self._sources = sources
        self._reducer = reducer
        self._is_failing = is_failing
        self._files = files

    def list_stale(self) -> tuple[Stale, ...]:
        """Return the sources whose part was restored and not confirmed, or of which a registry is away for long."""
        silent = self._reducer.list_silent(time.time())
        return self._reducer.staleness.list_stale(each for each in silent if self._is_failing(each.source))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is stale or missing, and one line on each trouble with a file."""
        return (*self.tell(), *(note for file in self._files for note in file.notes))

    def tell(self) -> list[str]:
        """Return one line on each source that is stale, and one on those that are not in what is served."""
        lines = list(map(str, self.list_stale()))
        unread = set(self._sources) - self._reducer.provenance.known
        if unread and not self._reducer.pending_sources:
            lines.append(f"served without having been read in whole: {', '.join(sorted(unread))}")
        return lines


class ClientsPage:
    """Slime's record of each client, and beside it everything known of its stream under `Stream`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def clients(self) -> Iterator[tuple[str, object]]:
        """Yield each client that has said who it is, by its connection id."""
        for row in self._clients:
            if row.machine.node.id:
                record = msgspec.structs.asdict(describe_as_slime(row))
                yield row.connection, {**record, "Stream": describe_stream(row)}


class SourcesPage:
    """The state of every source by its kind."""

    def __init__(self, sources: Mapping[str, DescribedSource]) -> None:
        self._sources = sources

    def sources(self) -> Iterator[tuple[str, Iterable[object]]]:
        """Yield each source kind and the status of its registries."""
        for kind, source in tuple(self._sources.items()):
            yield kind, source.registries()


class DubboPage:
    """What the ZooKeeper source knows, while there is one."""

    def __init__(self, sources: Mapping[str, DescribedSource]) -> None:
        self._sources = sources

    def instances(self, interface: str) -> Iterable[tuple[str, str, tuple[Instance, ...]]]:
        """Return interface, service and instances of everything that was read; "" is all interfaces."""
        source = self._source()
        return source.instances(interface) if source else ()

    def why_no_calls(self) -> str:
        """Return why nothing is known of calls, "" where it is looked for."""
        source = self._source()
        if source is None:
            return "no ZooKeeper source"
        return "" if source.reads_consumers else "consumers are read for Sidecars only, and they are off"

    def calls(self) -> CallSteps:
        """Find out in steps what every application provides and calls now."""
        source = self._source()
        return (yield from source.calls()) if source else {}

    def used_calls(self) -> CallSteps:
        """Do the same as it stands in the Sidecars that are served."""
        source = self._source()
        return (yield from source.used_calls()) if source else {}

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
