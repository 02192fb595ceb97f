"""Which HTTP API a server speaks, found by asking it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from meshregistry.errors import SourceDataError, SourceUnavailable
from meshregistry.model.rejects import print_subject
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.client import AccessDenied, NotOffered

Fetch = Callable[[str, Mapping[str, str]], Awaitable[bytes]]
"""Asks one server: API path and parameters in, body of a 200 answer out."""

SERVICE_LIST = "/v1/ns/service/list"
INSTANCE_LIST = "/v1/ns/instance/list"
"""These two exist on 1.x to 3.1. The v3 client API has no service list, and its instance list reads one cluster
(`DEFAULT`) unless told all their names, so it replaces them only where the names are known."""

_CLIENT_INSTANCE_LIST = "/v3/client/ns/instance/list"

LOGIN_PATHS = ("/v3/auth/user/login", "/v1/auth/users/login", "/v1/auth/login")
"""For a node whose HTTP API is not known: a server that lacks one says so, and the next is tried."""

_STATE_V3 = "/v3/admin/core/state"
_STATE_V1 = "/v1/console/server/state"
_CATALOGUE_V1 = "/v1/ns/catalog/services"
_METRICS_V1 = "/v1/ns/operator/metrics"
_MAJOR = re.compile(r"[0-9]{1,3}")
_FIRST_WITH_BULK = 2
"""1.x counts the pages of the listing with instances from 0 (CatalogController 1.4.8), later ones from 1."""


class Dialect(NamedTuple):
    """What to ask a server for, and how to read its answer."""

    name: str
    """`v1` or `v3`."""

    version: str
    """The server's own, or "" when it does not tell."""

    bulk_path: str | None
    """The listing of a namespace with all instances; None where it cannot be trusted."""

    catalogue_path: str | None
    """The listing of a namespace without instances where that is another call than `bulk_path`; pages count from 1."""

    clusters_path: str | None
    """The instance list of those clusters of a service that are named; None where it is not needed."""

    namespaces_path: str
    """The list of namespaces."""

    decode_bulk: Callable[[bytes], wire.BulkPage]
    login_paths: tuple[str, ...]
    """In the order to be tried."""


def dialect_v3(version: str) -> Dialect:
    """The API of servers from 3.0 on."""
    logins = ("/v3/auth/user/login", "/v1/auth/users/login")
    bulk, namespaces = "/v3/admin/ns/service/list", "/v3/admin/core/namespace/list"
    return Dialect("v3", version, bulk, None, _CLIENT_INSTANCE_LIST, namespaces, wire.decode_admin_page, logins)


def dialect_v1(version: str) -> Dialect:
    """The API of 1.x and 2.x. Bulk listing only where the version is known to count pages from 1."""
    major = version.partition(".")[0]
    has_bulk = _MAJOR.fullmatch(major) is not None and int(major) >= _FIRST_WITH_BULK
    bulk, catalogue = (_CATALOGUE_V1, None) if has_bulk else (None, _CATALOGUE_V1)
    logins = ("/v1/auth/users/login", "/v1/auth/login")
    namespaces = "/v1/console/namespaces"
    return Dialect("v1", version, bulk, catalogue, None, namespaces, wire.decode_catalog_page, logins)


async def probe(fetch: Fetch) -> Dialect:
    """Find out what a server speaks: v3 state, v1 state, v1 metrics, in this order.

    Raises SourceUnavailable when the server does not answer or is not ready, SourceDataError when what
    answers is not Nacos. Cancelling it is safe.
    """
    version = await _version(fetch, _STATE_V3, wire.decode_state_v3)
    if version is not None:
        return dialect_v3(version)
    version = await _version(fetch, _STATE_V1, wire.decode_state_v1)
    if version is not None:
        return dialect_v1(version)
    status = wire.decode_metrics(await fetch(_METRICS_V1, {}))
    if status != "UP":
        raise SourceUnavailable(f"the server says it is {print_subject(status)}")
    return dialect_v1("")


async def _version(fetch: Fetch, path: str, decode: Callable[[bytes], str]) -> str | None:
    """Return the version, or None when the server does not have the call or answers something else."""
    try:
        return print_subject(decode(await fetch(path, {})))
    except (NotOffered, AccessDenied, SourceDataError):
        return None
