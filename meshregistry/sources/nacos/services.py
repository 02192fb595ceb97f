"""The rung `per_service`: the names of a group, then the instances of each service, some at a time."""

import asyncio
from collections.abc import Collection, Iterator

from meshregistry.errors import SourceDataError, SourceError
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.dialects import INSTANCE_LIST, SERVICE_LIST
from meshregistry.sources.nacos.instances import InstanceReader
from meshregistry.sources.nacos.memory import Listing, Memory, Reading
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.paging import NamesPage, read_pages
from meshregistry.sources.polling import Clock


class ServiceReader:
    """Reads the services of one scope one by one. Only reads the memory it is given."""

    def __init__(self, scope: Scope, options: NacosOptions, reader: InstanceReader, memory: Memory) -> None:
        self._scope = scope
        self._options = options
        self._reader = reader
        self._memory = memory

    async def list_scope(self, connection: Connection, clock: Clock) -> Listing:
        """Read the whole scope.

        Raises NotOffered or AccessDenied when the names are refused, otherwise SourceError. Cancelling it is safe.
        """
        names = await self._read_names(connection)
        round_ = await self.read_services(connection, names)
        round_.settle()
        unchanged = len(names) - len(round_.fresh) - len(round_.unread)
        return Listing(names, round_.fresh, round_.unread, clock.now(), unchanged)

    async def read_services(self, connection: Connection, names: Collection[str]) -> "Round":
        """Read the instance lists of the services, `concurrency` at a time; `Round` tells what came of it.

        Ends early when as many calls in a row as are made at a time got no answer: then the node is gone, and
        asking it for the rest would take hours. Cancelling it is safe.
        """
        round_ = Round(names, patience=self._options.concurrency)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._options.concurrency, len(names))):
                group.create_task(self._work(connection, round_))
        return round_

    async def _read_names(self, connection: Connection) -> frozenset[str]:
        async def read(number: int, size: int) -> NamesPage:
            params = {"pageNo": str(number), "pageSize": str(size), "groupName": self._scope.group}
            body = await connection.get(SERVICE_LIST, params | {"namespaceId": self._scope.namespace})
            page = wire.decode_names(body)
            return NamesPage(wire.fingerprint(body), tuple(page.doms), len(page.doms), page.count)

        try:
            pages = await read_pages(read, self._options.names_page_size, self._memory.known.keys())
        except SourceDataError as error:
            raise connection.fault(SERVICE_LIST, error) from error
        return frozenset(name for page in pages for name in page.names)

    async def _work(self, connection: Connection, round_: "Round") -> None:
        for name in round_.waiting:
            try:
                reading = await self._read_service(connection, name)
            except SourceError as error:
                round_.fail(name, error)
            else:
                round_.succeed(name, reading)
            if round_.hopeless:
                return

    async def _read_service(self, connection: Connection, name: str) -> Reading | None:
        """Return the reading, or None when the bytes are as remembered."""
        # healthyOnly=true would filter before the protection threshold is applied and show a
        # service below it as empty (2.3.1 and 3.1.0, measured).
        params = {"serviceName": name, "groupName": self._scope.group, "healthyOnly": "false"}
        body = await connection.get(INSTANCE_LIST, params | {"namespaceId": self._scope.namespace})
        digest = wire.fingerprint_of_instance_list(body)
        known = self._memory.known.get(name)
        if known is not None and known.list_digest == digest:
            return None
        try:
            return Reading(self._reader.read_list(body), list_digest=digest)
        except SourceDataError as error:
            raise connection.fault(INSTANCE_LIST, error) from error


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
