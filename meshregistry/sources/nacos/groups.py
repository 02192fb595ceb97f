"""Which groups a namespace has, where nothing lists it with all its instances.

Slime pkg/source/nacos/client.go finds them in the catalogue, too. Nothing that lists one group can tell of another.
"""

from collections.abc import Set
from typing import NamedTuple

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.decoding import fingerprint
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.messages import ServiceName
from meshregistry.sources.nacos.paging import read_pages


class Groups(NamedTuple):
    """The groups that were found."""

    names: frozenset[str] = frozenset()
    unknown: SourceError | None = None
    """Why there may be more of them, so that the namespace cannot count as read."""


class _CataloguePage(NamedTuple):
    digest: int
    names: frozenset[ServiceName]
    length: int
    total: int
    nameless: int


class Catalogue(NamedTuple):
    """Where the services of a namespace are listed with their groups."""

    path: str
    namespace: str
    page_size: int


async def find_groups(connection: Connection, catalogue: Catalogue, known: Set[ServiceName]) -> Groups:
    """Ask a node for its catalogue; `known` are the services that were read before.

    Raises SourceError when the node does not answer; a refusal is in the result. Cancelling it is safe.
    """
    path = catalogue.path

    async def read(number: int, size: int) -> _CataloguePage:
        params = {"pageNo": str(number), "pageSize": str(size), "withInstances": "false", "hasIpCount": "false"}
        body = await connection.get(path, params | {"namespaceId": catalogue.namespace})
        page = wire.decode_catalogue(body)
        rows = page.service_list
        names = frozenset(ServiceName(row.group_name, row.name) for row in rows if row.group_name and row.name)
        return _CataloguePage(fingerprint(body), names, len(rows), page.count, len(rows) - len(names))

    try:
        pages = await read_pages(read, catalogue.page_size, known)
    except (AccessDenied, NotOffered) as error:
        return Groups(unknown=without_catalogue(error))
    except SourceDataError as error:
        raise connection.fault(path, error) from error
    nameless = sum(page.nameless for page in pages)
    unknown = SourceDataError(f"{path}: {nameless} services without a group") if nameless else None
    return Groups(frozenset(service.group for page in pages for service in page.names), unknown)


def without_catalogue(refusal: SourceError) -> SourceError:
    """Return the error that a refused catalogue is for a namespace all of whose groups are wanted."""
    kind = SourceAuthError if isinstance(refusal, SourceAuthError) else SourceUnavailable
    return kind(f"groups cannot be listed: {refusal}")
