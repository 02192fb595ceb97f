"""What Nacos answers, from bytes to records; no I/O.

Shapes as captured from 2.3.1 and 3.1.0. The listings with instances are cut into one raw item per service first,
so that only services whose bytes changed are decoded at all.
"""

import re
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Raw

from meshregistry.sources.decoding import DECODE_ERRORS, fingerprint, understood

_BUILT_AT = re.compile(rb'"lastRefTime":\d+')
_DEFAULT_TTL_S = 18_000
_FAR = 2**31
"""Numbers beyond are malformed; within, the conversion judges them."""


class BulkPage(NamedTuple):
    """One page of the listing with instances: raw items, and how many there are in all if the server says."""

    items: list[Raw]
    total: int | None


class ServiceNames(msgspec.Struct):
    """One page of the v1 service list; on 2.0.0 to 2.0.3 `count` is the size of this page."""

    count: int
    doms: list[str]


class CatalogueRow(msgspec.Struct, gc=False, rename="camel"):
    """One service of the catalogue without instances; what it lacks is empty."""

    name: str | None = None
    group_name: str | None = None


class Catalogue(msgspec.Struct, rename="camel"):
    """One page of the catalogue without instances."""

    count: int
    service_list: list[CatalogueRow]


class Host(msgspec.Struct, gc=False, rename="camel"):
    """One instance in any answer; the catalogue of 2.x calls healthy `valid`, 1.x sends both."""

    ip: str = ""
    port: Annotated[int, msgspec.Meta(ge=-_FAR, le=_FAR)] | None = None
    weight: Annotated[float, msgspec.Meta(ge=-_FAR, le=_FAR)] | None = None
    healthy: bool | None = None
    valid: bool | None = None
    enabled: bool | None = None
    cluster_name: str | None = None
    metadata: Raw = Raw(b"null")


class Cluster(msgspec.Struct, gc=False):
    """One cluster of a service in the listing with instances."""

    hosts: list[Host] | None = None


class BulkItem(msgspec.Struct, rename="camel"):
    """One service of the listing with instances."""

    service_name: str
    group_name: str
    cluster_map: dict[str, Cluster | None] | None = None


class ItemKey(msgspec.Struct, rename="camel"):
    """Only the name of a service of the listing, whose clusters are malformed."""

    service_name: str
    group_name: str


class LooseCluster(msgspec.Struct):
    """A cluster whose hosts are looked at one by one."""

    hosts: list[Raw] | None = None


class LooseItem(msgspec.Struct, rename="camel"):
    """A service whose hosts are looked at one by one, because some are malformed."""

    service_name: str
    group_name: str
    cluster_map: dict[str, LooseCluster | None] | None = None


class InstanceList(msgspec.Struct):
    """The answer of the v1 instance list."""

    hosts: list[Host] | None


class LooseInstanceList(msgspec.Struct):
    """The same whose hosts are looked at one by one."""

    hosts: list[Raw] | None


class LoginGrant(msgspec.Struct, rename="camel"):
    """A token and its lifetime in seconds."""

    access_token: str
    token_ttl: float = _DEFAULT_TTL_S


class _AdminPage(msgspec.Struct, rename="camel"):
    total_count: int
    page_items: list[Raw]


class _AdminAnswer(msgspec.Struct):
    code: int
    data: _AdminPage


class _ClientAnswer(msgspec.Struct):
    code: int
    data: list[Raw]


class _State(msgspec.Struct):
    version: str


class _StateAnswer(msgspec.Struct):
    data: _State


class _Metrics(msgspec.Struct):
    status: str


_CATALOG = msgspec.json.Decoder(list[Raw])
_ADMIN = msgspec.json.Decoder(_AdminAnswer)
_CLIENT = msgspec.json.Decoder(_ClientAnswer)
_CATALOGUE = msgspec.json.Decoder(Catalogue)
_NAMES = msgspec.json.Decoder(ServiceNames)
_STATE_V3 = msgspec.json.Decoder(_StateAnswer)
_STATE_V1 = msgspec.json.Decoder(_State)
_METRICS = msgspec.json.Decoder(_Metrics)
_LOGIN = msgspec.json.Decoder(LoginGrant)


def decode_catalog_page(body: bytes) -> BulkPage:
    """Read `/v1/ns/catalog/services?withInstances=true` of 2.x: a bare array without a total.

    Raises SourceDataError.
    """
    return BulkPage(understood(_CATALOG.decode, body), None)


def decode_admin_page(body: bytes) -> BulkPage:
    """Read `/v3/admin/ns/service/list?withInstances=true`. Raises SourceDataError."""
    answer = understood(_ADMIN.decode, body)
    return BulkPage(answer.data.page_items, answer.data.total_count)


def decode_catalogue(body: bytes) -> Catalogue:
    """Read `/v1/ns/catalog/services` without instances, which 1.x and 2.x answer alike. Raises SourceDataError."""
    return understood(_CATALOGUE.decode, body)


def unwrap_client_list(body: bytes) -> bytes:
    """Return the answer of `/v3/client/ns/instance/list` as an instance list of v1. Raises SourceDataError."""
    return b'{"hosts":[' + b",".join(map(bytes, understood(_CLIENT.decode, body).data)) + b"]}"


def decode_names(body: bytes) -> ServiceNames:
    """Read `/v1/ns/service/list`. Raises SourceDataError."""
    return understood(_NAMES.decode, body)


def decode_state_v3(body: bytes) -> str:
    """Return the version in `/v3/admin/core/state`. Raises SourceDataError."""
    return understood(_STATE_V3.decode, body).data.version


def decode_state_v1(body: bytes) -> str:
    """Return the version in `/v1/console/server/state`. Raises SourceDataError."""
    return understood(_STATE_V1.decode, body).version


def decode_metrics(body: bytes) -> str:
    """Return the status in `/v1/ns/operator/metrics`, normally UP. Raises SourceDataError."""
    return understood(_METRICS.decode, body).status


def decode_login(body: bytes) -> LoginGrant | None:
    """Return the grant of a login answer, or None if it holds no token that can stand in a header."""
    try:
        grant = _LOGIN.decode(body)
    except DECODE_ERRORS:
        return None
    token = grant.access_token
    return grant if token and token.isascii() and token.isprintable() else None


def fingerprint_of_instance_list(body: bytes) -> int:
    """Return the hash of an instance list without the time at which the server built it."""
    return fingerprint(_BUILT_AT.sub(b"", body, count=1))
