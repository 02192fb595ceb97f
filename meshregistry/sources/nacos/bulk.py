"""The rung `bulk`: one listing of a namespace with all instances, 10,000 services in 0.3 s on a real server."""

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple, Protocol

from msgspec import Raw

from meshregistry.errors import SourceDataError, SourceError
from meshregistry.sources.decoding import fingerprint
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.instances import InstanceReader, OpenedItem, open_item
from meshregistry.sources.nacos.memory import Listing, Memory, Reading
from meshregistry.sources.nacos.messages import ServiceName
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.paging import read_pages
from meshregistry.sources.nacos.services import OneByOne
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer

_PagePlace = tuple[int, int]
"""Number and size of a page."""


class Published(Protocol):
    """What the scopes of the namespace have published."""

    def reads(self, group: str) -> bool:
        """Whether the group is wanted."""
        ...

    def memory(self, group: str) -> Memory | None:
        """The memory of the group's scope; None when nothing of it has been read."""
        ...

    def services(self) -> set[ServiceName]:
        """All published services."""
        ...


class _Page(NamedTuple):
    """One page: which services are on it, and those that differ from what is published."""

    digest: int
    services: Mapping[int, ServiceName]
    """Hash of a raw item → its service, unwanted groups included."""

    names: frozenset[ServiceName]
    """The wanted ones."""

    names_by_group: Mapping[str, frozenset[str]]

    length: int
    total: int | None
    nameless: int
    unread: Mapping[ServiceName, str]
    fresh: Mapping[ServiceName, Reading]


class NamespaceListing(NamedTuple):
    """One complete listing of a namespace, by group."""

    groups: Mapping[str, Listing]
    unchanged: int
    """Pages skipped by their hash."""

    is_empty: bool
    """Whether the server lists nothing, not even in unwanted groups."""


class BulkReader:
    """Reads whole namespaces. Owner of what the items and pages of the latest listing were."""

    def __init__(self, namespace: str, options: NacosOptions, reader: InstanceReader, published: Published) -> None:
        self._namespace = namespace
        self._page_size = options.page_size
        self._reader = reader
        self._published = published
        self._pages: dict[_PagePlace, _Page] = {}
        self._services: dict[int, ServiceName] = {}

    async def list_namespace(
        self, connection: Connection, path: str, groups: frozenset[str], clock: Clock
    ) -> NamespaceListing:
        """Read the namespace; `groups` are in the result even if they are not on the server.

        Raises NotOffered or AccessDenied when the listing is refused, otherwise SourceError. Cancelling it is safe.
        """
        read: dict[_PagePlace, _Page] = {}

        async def read_page(number: int, size: int) -> _Page:
            page = await self._read_page(connection, path, (number, size))
            read[number, size] = page
            return page

        started_at = clock.now()
        try:
            pages = await read_pages(read_page, self._page_size, self._published.services())
            _check(pages)
        except SourceDataError as error:
            raise connection.fault(path, error) from error
        unchanged = sum(page is self._pages.get(place) for place, page in read.items())
        self._pages = {place: page._replace(fresh={}) for place, page in read.items()}
        self._services = {}
        for page in read.values():
            self._services.update(page.services)
        listings = _split(pages, groups, started_at, clock.now(), unchanged)
        return NamespaceListing(listings, unchanged, not any(page.length for page in pages))

    async def _read_page(self, connection: Connection, path: str, place: _PagePlace) -> _Page:
        params = {"pageNo": str(place[0]), "pageSize": str(place[1]), "withInstances": "true"}
        body = await connection.get(path, params | {"namespaceId": self._namespace})
        digest = fingerprint(body)
        remembered = self._pages.get(place)
        if remembered is not None and remembered.digest == digest and self._is_published(remembered):
            return remembered
        slicer = Slicer()
        page = connection.dialect.decode_bulk(body)
        cut = _Cut(self._reader, self._published, self._services)
        for item in page.items:
            cut.take(item)
            await slicer.breathe()
        return cut.page(digest, page)

    def _is_published(self, page: _Page) -> bool:
        """Whether everything on a page stands for what is published, so that its bytes say nothing new."""
        for digest, service in page.services.items():
            memory = self._published.memory(service.group)
            if self._published.reads(service.group) and (memory is None or not memory.has_item(service.name, digest)):
                return False
        return not page.unread


class _Cut:
    """Collects the wanted services out of the items of one page."""

    def __init__(self, reader: InstanceReader, published: Published, services: Mapping[int, ServiceName]) -> None:
        self._reader = reader
        self._published = published
        self._remembered = services
        self._services: dict[int, ServiceName] = {}
        self._names: dict[ServiceName, None] = {}
        self._unread: dict[ServiceName, str] = {}
        self._fresh: dict[ServiceName, Reading] = {}
        self._nameless = 0

    def take(self, raw: Raw) -> None:
        """Take one item; it is decoded only if its bytes are not those of a published service."""
        digest = fingerprint(raw)
        service = self._remembered.get(digest)
        item = None if service is not None else open_item(raw)
        if item is not None:
            service = ServiceName(item.group_name, item.service_name)
        if service is None:
            self._nameless += 1
            return
        self._services[digest] = service
        if not self._published.reads(service.group) or not self._list(service):
            return
        memory = self._published.memory(service.group)
        if memory is None or not memory.has_item(service.name, digest):
            self._read(service, item or open_item(raw), digest)

    def page(self, digest: int, page: wire.BulkPage) -> _Page:
        """Return what the page gave; raises SourceDataError when not one of its items has a name."""
        if self._nameless and self._nameless == len(page.items):
            raise SourceDataError(f"none of {self._nameless} services on a page has a name")
        return _Page(
            digest=digest,
            services=self._services,
            names=frozenset(self._names),
            names_by_group=_group(self._names),
            length=len(page.items),
            total=page.total,
            nameless=self._nameless,
            unread=self._unread,
            fresh=self._fresh,
        )

    def _read(self, service: ServiceName, item: OpenedItem | None, digest: int) -> None:
        try:
            if item is None:
                raise SourceDataError("not understood")
            harvest = self._reader.read_item(item)
        except SourceDataError as error:
            self._unread[service] = str(error)
        else:
            self._fresh[service] = Reading(harvest, digest, suspect=harvest.has_unhealthy)

    def _list(self, service: ServiceName) -> bool:
        """Note a service; False when it is on the page twice, for then nothing tells which of its items is right."""
        if service in self._names:
            self._unread[service] = "listed more than once"
            self._fresh.pop(service, None)
            return False
        self._names[service] = None
        return True


def _group(services: Iterable[ServiceName]) -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for group, name in services:
        names.setdefault(group, set()).add(name)
    return {group: frozenset(listed) for group, listed in names.items()}


def _check(pages: list[_Page]) -> None:
    nameless = sum(page.nameless for page in pages)
    unread = {service for page in pages for service in page.unread}
    if nameless + len(unread) and not frozenset().union(*(page.names for page in pages)) - unread:
        raise SourceDataError(f"none of {nameless + len(unread)} services is understood")


def _split(
    pages: list[_Page], groups: frozenset[str], started_at: float, observed_at: float, unchanged: int
) -> dict[str, Listing]:
    names: dict[str, list[frozenset[str]]] = {group: [] for group in groups}
    fresh: dict[str, dict[str, Reading]] = {}
    unread: dict[str, dict[str, str]] = {}
    for page in pages:
        for group, listed in page.names_by_group.items():
            names.setdefault(group, []).append(listed)
        for service, reading in page.fresh.items():
            fresh.setdefault(service.group, {})[service.name] = reading
        for service, why in page.unread.items():
            unread.setdefault(service.group, {})[service.name] = why
    nameless = sum(page.nameless for page in pages)
    return {
        group: Listing(
            frozenset().union(*parts),
            fresh.get(group, {}),
            unread.get(group, {}),
            observed_at,
            unchanged,
            nameless,
            started_at,
        )
        for group, parts in sorted(names.items())
    }


async def look_again_at_suspects(listing: Listing, services: OneByOne, memory: Memory) -> Listing:
    """Read services with unhealthy instances once more, by themselves.

    While the healthy part of a service is at or below its protection threshold, Nacos tells readers that all its
    instances are healthy. The per-service list does so; the bulk listing shows the bare state, and not even the
    threshold (2.3.1 and 3.1.0, measured). Every Nacos client acts on the former, so it is right on every rung.
    Where the per-service list is refused the bare state stands. Raises SourceError when the node stops answering;
    cancelling it is safe.
    """
    suspects = {name for name, reading in listing.fresh.items() if reading.suspect}
    before = {name for name, known in memory.known.items() if known.suspect and name in listing.names}
    suspects |= before - listing.fresh.keys() - listing.unread.keys()
    if not suspects:
        return listing
    round_ = await services.read_services(suspects, _clusters(suspects, listing, memory))
    try:
        round_.settle()
    except (NotOffered, AccessDenied):
        return listing
    except SourceError:
        if round_.hopeless:
            raise
    fresh = {name: reading for name, reading in listing.fresh.items() if name not in round_.unread}
    for name in suspects - round_.unread.keys():
        fresh[name] = _merge(listing.fresh.get(name), round_.fresh.get(name), memory, name)
    return listing._replace(fresh=fresh, unread={**listing.unread, **round_.unread})


def _clusters(names: Set[str], listing: Listing, memory: Memory) -> dict[str, set[str]]:
    """Return the clusters in which the services have instances by the latest bulk listing."""
    clusters = {}
    for name in names:
        reading, known = listing.fresh.get(name), memory.known.get(name)
        harvest = reading.harvest if reading is not None else None
        instances = harvest.instances if harvest is not None else known.instances if known is not None else ()
        clusters[name] = {instance.cluster for instance in instances}
    return clusters


def _merge(bulk: Reading | None, own: Reading | None, memory: Memory, name: str) -> Reading:
    """Return the reading of a suspect: its own list where that changed, else what is published."""
    known = memory.known.get(name)
    item_digest = bulk.item_digest if bulk else known.item_digest if known else 0
    list_digest = own.list_digest if own else known.list_digest if known else 0
    return Reading(own.harvest if own else None, item_digest, list_digest, suspect=True)
