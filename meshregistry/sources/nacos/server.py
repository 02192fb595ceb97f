"""One registry: its nodes, which of them is in use, its namespaces, and one reading of them all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from meshregistry.errors import SourceError, SourceUnavailable
from meshregistry.model.events import ScopeConfirmed, Sink
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.sources.failures import displayed, worst
from meshregistry.sources.nacos.channel import ChannelOptions
from meshregistry.sources.nacos.client import Endpoint, NacosClient
from meshregistry.sources.nacos.connection import Connection, connect
from meshregistry.sources.nacos.credentials import Credentials
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.messages import Content
from meshregistry.sources.nacos.namespace import NamespaceReader, Outcome
from meshregistry.sources.nacos.namespaces import NamespaceNames, list_namespaces
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.overview import MOST, describe_namespaces
from meshregistry.sources.nacos.registry import Registry
from meshregistry.sources.nacos.watch import NamespaceWatch, WatchPlace
from meshregistry.sources.polling import Clock, PollLoop
from meshregistry.sources.readiness import Readiness
from meshregistry.sources.status import FirstWord
from meshregistry.telemetry.metrics import Metrics

T = TypeVar("T")

_LEAST_PERIOD_S = 1.0
"""A reading that is to confirm another one comes no sooner after the one before."""


class NacosServer:
    """Reads one registry. Owner of the choice of node, of the connection to it, and of the namespaces.

    A node that fails is left for the next one within the same reading, and the one that answered is asked first
    from then on. A reading of a group never mixes nodes: their views may differ for seconds.
    """

    def __init__(
        self, registry: Registry, options: NacosOptions, client: NacosClient, metrics: Metrics, clock: Clock
    ) -> None:
        self._registry = registry
        server = self._server = registry.server
        self._options = options
        self._client = client
        self._metrics = metrics
        self._clock = clock
        self._login = Login(server, client.post_form, options.login_pause_s, clock)
        self._credentials = Credentials(self._login, server.access_key, dict(options.headers), clock)
        self._endpoints = tuple(Endpoint(address, server.context_path) for address in server.addresses)
        self._current = 0
        self._connection: Connection | None = None
        self._last_seen: Connection | None = None
        self._names = NamespaceNames()
        self._namespaces_error: str | None = None
        self._first_word = FirstWord(Scope("nacos", registry.name, "", ""), clock)
        self._readers: dict[str, NamespaceReader] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._vanished: frozenset[str] = frozenset()
        self._loop = PollLoop("nacos", options.polling, metrics, clock)
        self._adjust(self._configured())

    @property
    def healthy(self) -> bool:
        """Whether the latest reading of every scope succeeded."""
        return self._namespaces_error is None and all(reader.healthy for reader in self._readers.values())

    @property
    def is_failing(self) -> bool:
        """Whether the latest reading of the namespaces or of any scope failed."""
        return self._namespaces_error is not None or any(reader.is_failing for reader in self._readers.values())

    async def run(self, sink: Sink, readiness: Readiness, note: Callable[[], None]) -> None:
        """Read and watch for ever; `note` is called after each reading. Cancelling it is safe."""
        async with asyncio.TaskGroup() as tasks:
            self._tend_watches(tasks, sink)

            async def poll() -> float | None:
                try:
                    await self.poll(sink, readiness)
                finally:
                    note()
                    self._tend_watches(tasks, sink)
                return self._period_s()

            await self._loop.run(poll)

    def read_again(self) -> None:
        """Have every service listed as soon as possible, those included for which pushes are trusted."""
        for reader in self._readers.values():
            reader.read_again()
        self._loop.wake()

    async def poll(self, sink: Sink, readiness: Readiness) -> None:
        """Read every scope once. A scope that fails keeps what is known, and the others are read all the same.

        Raises the SourceError of the first scope that failed or is still incomplete. Cancelling it is safe.
        """
        errors = await self._look_for_namespaces(sink)
        failed = bool(errors)
        for reader in list(self._readers.values()):
            if failed and not self._server.all_namespaces and not self._names.knows_id(reader.namespace):
                # It may still turn out to be a shown name: reading it would find an empty namespace.
                await reader.fail(errors[0], sink)
                continue
            reader.error_if_empty = self._names.error_if_empty(reader.namespace)
            errors += await self._read(reader, sink, readiness)
        if not errors and self._server.all_namespaces:
            # Of groups and namespaces that are gone, too, which have no statement of their own any more.
            await sink.publish(ScopeConfirmed(Scope("nacos", self._registry.name, "", ""), self._clock.now()))
            await readiness.note_read(self._registry.whole, sink)
        if errors:
            raise errors[0]

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published; others may come and go meanwhile."""
        for scope in [scope for reader in self._readers.values() for scope in reader.scopes.values()]:
            for name, known in tuple(scope.memory.known.items()):
                yield ServiceKey(scope.scope, name), known.instances

    def describe(self) -> dict[str, object]:
        """Return the registry's part of the status page: no secrets, addresses without credentials."""
        seen, refused = self._last_seen, self._names.refused
        return {
            "registry_id": self._server.registry_id,
            "addresses": [displayed(address) for address in self._server.addresses],
            "address": str(seen.endpoint) if seen else None,
            "dialect": seen.dialect.name if seen else None,
            "version": seen.dialect.version if seen else None,
            "mode": "polling" if self._options.watch is None else "watching",
            "login_refused": self._login.refusal,
            "namespaces_refused": self._namespaces_error or (str(refused) if refused else None),
            "vanished_namespaces": sorted(self._vanished)[:MOST],
            **describe_namespaces(self._readers.values()),
        }

    def _configured(self) -> dict[str, tuple[str, ...] | None]:
        """Return namespace id → its groups, as far as the configured names are understood."""
        wanted: dict[str, tuple[str, ...] | None] = {}
        if not self._server.all_namespaces:
            for scope in self._registry.scopes():
                namespace = self._names.id_of(scope.namespace)
                wanted[namespace] = tuple(dict.fromkeys((*(wanted.get(namespace) or ()), scope.group)))
        return wanted

    async def _look_for_namespaces(self, sink: Sink) -> list[SourceError]:
        """Find out which namespaces to read; errors leave those that are known."""
        names = frozenset(scope.namespace for scope in self._registry.scopes())
        try:
            if self._server.all_namespaces:
                listed = await self._on_some_node(list_namespaces)
                self._adjust(dict.fromkeys(listed))
            elif not all(self._names.knows(name) for name in names):
                await self._on_some_node(lambda connection: self._names.ask(names, connection))
                self._adjust(self._configured())
        except SourceError as error:
            self._namespaces_error = str(error)
            # Of scopes that are not known yet, or not by these names.
            await self._first_word.miss(sink)
            return [error]
        self._namespaces_error = None
        self._first_word.note()
        return []

    def _adjust(self, wanted: dict[str, tuple[str, ...] | None]) -> None:
        """Begin to read new namespaces. One that is not wanted any more is read until it has no services.

        A namespace can be removed while services are registered in it, and a list may lack it for other reasons.
        """
        for namespace, groups in wanted.items():
            reader = self._readers.get(namespace)
            if reader is None:
                self._readers[namespace] = self._new_reader(namespace, groups)
            elif groups is not None:
                reader.want(groups)
        self._vanished = frozenset(self._readers.keys() - wanted.keys())
        for namespace in self._vanished:
            if self._readers[namespace].is_empty:
                self._readers.pop(namespace).forget()

    def _new_reader(self, namespace: str, groups: tuple[str, ...] | None) -> NamespaceReader:
        place = (self._registry.name, namespace)
        reader = NamespaceReader(place, groups, self._options, self._metrics, self._clock)
        if self._options.watch is not None and self._endpoints:
            watch_place = self._watch_place(namespace, reader.label)
            reader.watch = NamespaceWatch(watch_place, reader.groups, self._credentials, self._metrics, self._clock)
        return reader

    def _watch_place(self, namespace: str, label: str) -> WatchPlace:
        server, options = self._server, self._options
        if options.watch is None:
            raise AssertionError("only asked for when there is something to watch")
        return WatchPlace(
            label=label,
            namespace=namespace,
            endpoints=self._endpoints,
            grpc_port=server.grpc_port,
            grpc_port_offset=server.grpc_port_offset,
            channel=ChannelOptions(
                connect_timeout_s=options.connect_timeout_s,
                request_timeout_s=options.request_timeout_s,
                max_body_bytes=options.max_body_bytes,
                tls=server.grpc_tls,
            ),
            options=options.watch,
            login_pause_s=options.login_pause_s,
            page_size=options.names_page_size,
        )

    def _tend_watches(self, tasks: asyncio.TaskGroup, sink: Sink) -> None:
        """Start the watches of new namespaces and end those of namespaces that are not read any more."""
        for namespace, reader in self._readers.items():
            if reader.watch is not None and namespace not in self._watching:
                self._watching[namespace] = tasks.create_task(reader.watch.run(_deliverer(reader, sink)))
        for namespace in self._watching.keys() - self._readers.keys():
            watching = self._watching.pop(namespace)
            # When it has ended: its last word is that it is not connected.
            watching.add_done_callback(partial(self._forget_watch, namespace))
            watching.cancel()

    def _forget_watch(self, namespace: str, _: asyncio.Task[None]) -> None:
        self._metrics.forget_scope("nacos", str(Scope("nacos", self._registry.name, namespace, "")))

    def _period_s(self) -> float | None:
        """Return the time until the next reading where that is not the configured period of polling."""
        watches = [reader.watch for reader in self._readers.values()]
        watched = bool(watches) and all(watch is not None and watch.connected for watch in watches)
        resync_s = self._options.resync_period_s
        period_s = resync_s if watched and resync_s > 0 else None
        due_at = min((due for reader in self._readers.values() if (due := reader.due_at) is not None), default=None)
        return period_s if due_at is None else self._hastened_s(period_s, due_at - self._clock.now())

    def _hastened_s(self, period_s: float | None, due_s: float) -> float:
        """Return the time until a reading that confirms what an earlier one took away, if that is before the next."""
        polling = self._options.polling
        period_s = polling.refresh_period_s if period_s is None else period_s
        # Lengthened as the pause will be shortened: a reading that comes too early confirms nothing.
        return min(period_s, max(due_s / (1 - polling.jitter), _LEAST_PERIOD_S))

    async def _read(self, reader: NamespaceReader, sink: Sink, readiness: Readiness) -> list[SourceError]:
        """Read a namespace, each group from the first node that gives it, else over gRPC; return what went wrong."""
        outcomes: dict[str, Outcome] = {}
        errors: list[SourceError] = []
        failed: dict[str, list[SourceError]] = {}
        wanted: frozenset[str] | None = None
        for _ in self._endpoints:
            try:
                read = await reader.read(await self._connected(), sink, wanted)
            except SourceError as error:
                errors.append(error)
            else:
                outcomes |= read
                partly = _failures(read, reader)
                for group, outcome in partly.items():
                    failed.setdefault(group, []).append(outcome)
                wanted = frozenset(partly)
                if not partly:
                    break
            self._leave_node()
        if wanted is None:
            try:
                outcomes = await reader.read_pushed(sink)
            except SourceError:
                await reader.fail(worst(errors), sink)
                return [worst(errors)]
        noted = [
            error for each in outcomes.items() for error in await self._note(reader, each, failed, readiness, sink)
        ]
        return noted if reader.groups_unknown is None else [*noted, reader.groups_unknown]

    async def _note(
        self,
        reader: NamespaceReader,
        outcome: tuple[str, Outcome],
        failed: Mapping[str, list[SourceError]],
        readiness: Readiness,
        sink: Sink,
    ) -> list[SourceError]:
        """Put what came of a scope into its status; return the error that it stands for, if any."""
        group, result = outcome
        status = reader.status(group)
        if isinstance(result, SourceError):
            error = worst(failed.get(group) or [result])
            status.fail(error)
            await reader.scope(group).miss(sink)
            return [error]
        status.succeed()
        await sink.publish(ScopeConfirmed(status.scope, self._clock.now()))
        if not result:
            return [SourceUnavailable(f"{status.scope}: some services were never read")]
        for scope in self._registry.scopes():
            if (self._names.id_of(scope.namespace), scope.group) == (reader.namespace, group):
                await readiness.note_read(scope, sink)
        return []

    async def _on_some_node(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        """Do something on the first node where it succeeds; raises the worst SourceError."""
        errors: list[SourceError] = []
        for _ in self._endpoints:
            try:
                return await action(await self._connected())
            except SourceError as error:
                errors.append(error)
                self._leave_node()
        raise worst(errors)

    def _leave_node(self) -> None:
        """Ask the next node from now on."""
        self._connection = None
        self._current = (self._current + 1) % len(self._endpoints)

    async def _connected(self) -> Connection:
        if self._connection is None:
            key = self._server.access_key
            self._connection = await connect(self._client, self._endpoints[self._current], self._login, key)
        else:
            await self._login.prepare(self._connection.endpoint, self._connection.dialect.login_paths)
        self._last_seen = self._connection
        return self._connection


def _failures(outcomes: Mapping[str, Outcome], reader: NamespaceReader) -> dict[str, SourceError]:
    """Return the groups that another node may give: not those whose namespace may be none."""
    return {
        group: each
        for group, each in outcomes.items()
        if isinstance(each, SourceError) and each is not reader.error_if_empty
    }


def _deliverer(reader: NamespaceReader, sink: Sink) -> Callable[[Content, float], Awaitable[None]]:
    async def deliver(content: Content, arrived_at: float) -> None:
        await reader.deliver(content, arrived_at, sink)

    return deliver
