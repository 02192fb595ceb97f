"""The rung `per_service`: the names of a group, then the instances of each service, some at a time.

The same over HTTP and over a gRPC connection; `ServiceCalls` are the two calls that differ.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

from meshregistry.errors import SourceDataError, SourceError
from meshregistry.model.instance import Scope
from meshregistry.sources.decoding import fingerprint
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.dialects import INSTANCE_LIST, SERVICE_LIST
from meshregistry.sources.nacos.instances import InstanceReader
from meshregistry.sources.nacos.memory import Listing, Memory, Reading
from meshregistry.sources.nacos.messages import ServiceName
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.paging import NamesPage, read_pages
from meshregistry.sources.nacos.session import LiveSession
from meshregistry.sources.polling import Clock

Clusters = Mapping[str, Collection[str]]
"""Service → all of its clusters that are known."""

_UNKNOWN: Clusters = {}


class ServiceCalls(Protocol):
    """How the services of a group are read one by one. Calls raise SourceError; cancelling them is safe."""

    async def names(self, known: Collection[str]) -> frozenset[str]:
        """Return all names of the group; `known` are those that were listed before."""
        ...

    async def content(self, name: str, clusters: Collection[str]) -> bytes:
        """Return the JSON with the `hosts` of a service; `clusters` are all that it has, none if nobody knows."""
        ...

    def fault(self, error: SourceDataError, clusters: Collection[str]) -> SourceDataError:
        """Return an error of what `content` gave for these clusters with the place it happened at."""
        ...


class HttpCalls:
    """The v1 lists, which exist on 1.x to 3.1."""

    def __init__(self, connection: Connection, scope: Scope, options: NacosOptions) -> None:
        self._connection = connection
        self._scope = scope
        self._page_size = options.names_page_size

    async def names(self, known: Collection[str]) -> frozenset[str]:
        """Return all names of the group."""

        async def read(number: int, size: int) -> NamesPage:
            params = {"pageNo": str(number), "pageSize": str(size), "groupName": self._scope.group}
            body = await self._connection.get(SERVICE_LIST, params | {"namespaceId": self._scope.namespace})
            page = wire.decode_names(body)
            return NamesPage(fingerprint(body), tuple(page.doms), len(page.doms), page.count)

        try:
            pages = await read_pages(read, self._page_size, frozenset(known))
        except SourceDataError as error:
            raise self._connection.fault(SERVICE_LIST, error) from error
        return frozenset(name for page in pages for name in page.names)

    async def content(self, name: str, clusters: Collection[str]) -> bytes:
        """Return the instance list of a service."""
        place = {"serviceName": name, "groupName": self._scope.group, "namespaceId": self._scope.namespace}
        path = self._clusters_path(clusters)
        if path is not None:
            body = await self._connection.get(path, place | {"clusterName": ",".join(sorted(clusters))})
            try:
                return wire.unwrap_client_list(body)
            except SourceDataError as error:
                raise self.fault(error, clusters) from error
        # healthyOnly=true would filter before the protection threshold is applied and show a
        # service below it as empty (2.3.1 and 3.1.0, measured).
        return await self._connection.get(INSTANCE_LIST, place | {"healthyOnly": "false"})

    def fault(self, error: SourceDataError, clusters: Collection[str]) -> SourceDataError:
        """Return the error with address and path."""
        return self._connection.fault(self._clusters_path(clusters) or INSTANCE_LIST, error)

    def _clusters_path(self, clusters: Collection[str]) -> str | None:
        """Return the call that wants the clusters named, if that is the one to use.

        Servers from 3.2 on have no other one, nor has a 3.x whose compatibility with clients is switched off.
        """
        return self._connection.dialect.clusters_path if clusters else None


class PushCalls:
    """The same questions on a live gRPC connection."""

    def __init__(self, live: LiveSession, scope: Scope, options: NacosOptions) -> None:
        self._live = live
        self._scope = scope
        self._page_size = options.names_page_size

    async def names(self, known: Collection[str]) -> frozenset[str]:
        """Return all names of the group."""
        return await self._live.names(self._scope.namespace, self._scope.group, self._page_size)

    async def content(self, name: str, clusters: Collection[str]) -> bytes:
        """Return the content of a service, with all of its clusters."""
        content = await self._live.query(self._scope.namespace, ServiceName(self._scope.group, name))
        return content.body

    def fault(self, error: SourceDataError, clusters: Collection[str]) -> SourceDataError:
        """Return the error with the name of the call."""
        return SourceDataError(f"ServiceQueryRequest: {error}")


class OneByOne:
    """Reads the services of one scope one by one. Only reads the memory it is given."""

    def __init__(self, calls: ServiceCalls, concurrency: int, reader: InstanceReader, memory: Memory) -> None:
        self._calls = calls
        self._concurrency = concurrency
        self._reader = reader
        self._memory = memory

    async def list_scope(self, clock: Clock, skip: Callable[[str], bool] = lambda name: False) -> Listing:
        """Read the whole scope; services that `skip` names are taken for unchanged.

        Raises NotOffered or AccessDenied when the names are refused, otherwise SourceError. Cancelling it is safe.
        """
        started_at = clock.now()
        names = await self._calls.names(self._memory.known.keys())
        round_ = await self.read_services([name for name in names if not skip(name)])
        round_.settle()
        unchanged = len(names) - len(round_.fresh) - len(round_.unread)
        return Listing(names, round_.fresh, round_.unread, clock.now(), unchanged, started_at=started_at)

    async def read_services(self, names: Collection[str], clusters: Clusters = _UNKNOWN) -> "Round":
        """Read the instance lists of the services, `concurrency` at a time; `Round` tells what came of it.

        Ends early when as many calls in a row as are made at a time got no answer: then the node is gone, and
        asking it for the rest would take hours. Cancelling it is safe.
        """
        round_ = Round(names, patience=self._concurrency)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._concurrency, len(names))):
                group.create_task(self._work(round_, clusters))
        return round_

    async def _work(self, round_: "Round", clusters: Clusters) -> None:
        for name in round_.waiting:
            try:
                reading = await self._read_service(name, clusters.get(name, ()))
            except SourceError as error:
                round_.fail(name, error)
            else:
                round_.succeed(name, reading)
            if round_.hopeless:
                return

    async def _read_service(self, name: str, clusters: Collection[str]) -> Reading | None:
        """Return the reading, or None when the bytes are as remembered."""
        body = await self._calls.content(name, clusters)
        digest = wire.fingerprint_of_instance_list(body)
        known = self._memory.known.get(name)
        if known is not None and known.list_digest == digest:
            return None
        try:
            return Reading(self._reader.read_list(body), list_digest=digest)
        except SourceDataError as error:
            raise self._calls.fault(error, clusters) from error


class Round:
    """One round of reading services one by one. Owner of its results, shared by its workers."""

    def __init__(self, names: Collection[str], patience: int) -> None:
        self.waiting: Iterator[str] = iter(names)
        self.fresh: dict[str, Reading] = {}
        self.unread: dict[str, str] = {}
        self._patience = patience
        self._succeeded = 0
        self._unanswered = 0
        self._first_error: SourceError | None = None

    @property
    def hopeless(self) -> bool:
        """Whether so many calls in a row failed that the node must be taken for gone."""
        return self._unanswered >= self._patience

    def succeed(self, name: str, reading: Reading | None) -> None:
        """Note a service that was read; None when nothing in it changed."""
        self._succeeded += 1
        self._unanswered = 0
        if reading is not None:
            self.fresh[name] = reading

    def fail(self, name: str, error: SourceError) -> None:
        """Note a service that could not be read."""
        self._first_error = self._first_error or error
        self.unread[name] = str(error)
        if isinstance(error, SourceDataError):
            self._unanswered = 0
        else:
            self._unanswered += 1

    def settle(self) -> None:
        """Raise the first error when no service could be read, or the round ended early."""
        if self._first_error is not None and (self.hopeless or not self._succeeded):
            raise self._first_error
