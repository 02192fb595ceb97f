"""The rung `bulk`: one listing of a namespace with all instances, 10,000 services in 0.3 s on a real server."""

from msgspec import Raw

from meshregistry.errors import SourceDataError, SourceError
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.instances import InstanceReader, open_item
from meshregistry.sources.nacos.memory import BulkPage, Listing, Memory, PagePlace, Reading
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.paging import read_pages
from meshregistry.sources.nacos.services import ServiceReader
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer


class BulkReader:
    """Reads one scope out of the listing of its namespace. Only reads the memory it is given."""

    def __init__(self, scope: Scope, options: NacosOptions, reader: InstanceReader, memory: Memory) -> None:
        self._scope = scope
        self._page_size = options.page_size
        self._reader = reader
        self._memory = memory

    async def list_scope(self, connection: Connection, path: str, clock: Clock) -> Listing:
        """Read the whole namespace and keep the group's services.

        Raises NotOffered or AccessDenied when the listing is refused, otherwise SourceError. Cancelling it is safe.
        """
        read: dict[PagePlace, BulkPage] = {}

        async def read_page(number: int, size: int) -> BulkPage:
            page = await self._read_page(connection, path, (number, size))
            read[number, size] = page
            return page

        try:
            pages = await read_pages(read_page, self._page_size, self._memory.known.keys())
            listing = _join(pages, clock.now())
        except SourceDataError as error:
            raise connection.fault(path, error) from error
        unchanged = sum(page is self._memory.pages.get(place) for place, page in read.items())
        return listing._replace(pages=read, unchanged=unchanged)

    async def _read_page(self, connection: Connection, path: str, place: PagePlace) -> BulkPage:
        params = {"pageNo": str(place[0]), "pageSize": str(place[1]), "withInstances": "true"}
        body = await connection.get(path, params | {"namespaceId": self._scope.namespace})
        digest = wire.fingerprint(body)
        remembered = self._memory.pages.get(place)
        if remembered is not None and remembered.digest == digest:
            return remembered
        slicer = Slicer()
        page = connection.dialect.decode_bulk(body)
        cut = _Cut(self._scope.group, self._reader, self._memory)
        for item in page.items:
            cut.take(item)
            await slicer.breathe()
        return cut.page(digest, page)


class _Cut:
    """Collects the group's services out of the items of one page."""

    def __init__(self, group: str, reader: InstanceReader, memory: Memory) -> None:
        self._group = group
        self._reader = reader
        self._memory = memory
        self._names: dict[str, None] = {}
        self._foreign: list[int] = []
        self._unread: dict[str, str] = {}
        self._fresh: dict[str, Reading] = {}
        self._nameless = 0

    def take(self, raw: Raw) -> None:
        """Take one item; it is decoded only if its bytes are not those of a published service."""
        digest = wire.fingerprint(raw)
        name = self._memory.by_item.get(digest)
        if name is not None:
            self._list(name)
        elif digest in self._memory.foreign:
            self._foreign.append(digest)
        else:
            self._open(raw, digest)

    def page(self, digest: int, page: wire.BulkPage) -> BulkPage:
        """Return what the page gave; raises SourceDataError when not one of its items has a name."""
        if self._nameless and self._nameless == len(page.items):
            raise SourceDataError(f"none of {self._nameless} services on a page has a name")
        return BulkPage(
            digest=digest,
            names=tuple(self._names),
            length=len(page.items),
            total=page.total,
            foreign=frozenset(self._foreign),
            nameless=self._nameless,
            unread=self._unread,
            fresh=self._fresh,
        )

    def _open(self, raw: Raw, digest: int) -> None:
        item = open_item(raw)
        if item is None:
            self._nameless += 1
            return
        if item.group_name != self._group:
            self._foreign.append(digest)
            return
        if not self._list(item.service_name):
            return
        try:
            harvest = self._reader.read_item(item)
        except SourceDataError as error:
            self._unread[item.service_name] = str(error)
        else:
            self._fresh[item.service_name] = Reading(harvest, digest, suspect=harvest.has_unhealthy)

    def _list(self, name: str) -> bool:
        """Note a service; False when it is on the page twice, for then nothing tells which of its items is right."""
        if name in self._names:
            self._unread[name] = "listed more than once"
            self._fresh.pop(name, None)
            return False
        self._names[name] = None
        return True


def _join(pages: list[BulkPage], observed_at: float) -> Listing:
    names = frozenset(name for page in pages for name in page.names)
    unread = {name: why for page in pages for name, why in page.unread.items()}
    nameless = sum(page.nameless for page in pages)
    if nameless + len(unread) and not names - unread.keys():
        raise SourceDataError(f"none of {nameless + len(unread)} services is understood")
    fresh = {name: reading for page in pages for name, reading in page.fresh.items()}
    return Listing(names, fresh, unread, observed_at, 0, nameless)


async def look_again_at_suspects(
    listing: Listing, services: ServiceReader, connection: Connection, memory: Memory
) -> Listing:
    """Read services with unhealthy instances once more, by themselves.

    While the healthy part of a service is at or below its protection threshold, Nacos tells readers that all its
    instances are healthy. The per-service list does so; the bulk listing shows the bare state, and not even the
    threshold (2.3.1 and 3.1.0, measured). Every Nacos client acts on the former, so it is right on every rung.
    Where the per-service list is refused (3.2 and later) the bare state stands. Raises SourceError when the node
    stops answering; cancelling it is safe.
    """
    suspects = {name for name, reading in listing.fresh.items() if reading.suspect}
    remembered = listing.names - listing.fresh.keys() - listing.unread.keys()
    suspects |= {name for name, known in memory.known.items() if known.suspect and name in remembered}
    if not suspects:
        return listing
    round_ = await services.read_services(connection, suspects)
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
    # Remembered pages would hide the suspects that are still to be read.
    pages = {} if round_.unread else listing.pages
    return listing._replace(fresh=fresh, unread={**listing.unread, **round_.unread}, pages=pages)


def _merge(bulk: Reading | None, own: Reading | None, memory: Memory, name: str) -> Reading:
    """Return the reading of a suspect: its own list where that changed, else what is published."""
    known = memory.known.get(name)
    item_digest = bulk.item_digest if bulk else known.item_digest if known else 0
    list_digest = own.list_digest if own else known.list_digest if known else 0
    return Reading(own.harvest if own else None, item_digest, list_digest, suspect=True)
