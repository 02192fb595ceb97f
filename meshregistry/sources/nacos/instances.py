"""Nacos instances as model records: one way for every call that lists them, so that all rungs give equal values.

Disabled instances are left out: the per-service list never has them, the listing with instances does.
Weight 0 and unhealthy ones stay; the conversion judges them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from meshregistry.errors import SourceDataError
from meshregistry.model.instance import Instance, Pairs
from meshregistry.sources.decoding import DECODE_ERRORS, understood
from meshregistry.sources.interning import Interner
from meshregistry.sources.metadata import MetadataPool
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.options import DEFAULT_CLUSTER

_CLUSTERS = 8192

_ITEM = msgspec.json.Decoder(wire.BulkItem)
_KEY = msgspec.json.Decoder(wire.ItemKey)
_LIST = msgspec.json.Decoder(wire.InstanceList)
_LOOSE_ITEM = msgspec.json.Decoder(wire.LooseItem)
_LOOSE_LIST = msgspec.json.Decoder(wire.LooseInstanceList)
_HOST = msgspec.json.Decoder(wire.Host)


OpenedItem = wire.BulkItem | wire.LooseItem | wire.ItemKey


class BadRecord(Exception):
    """One instance record cannot be used; `reason` is the word it is counted by."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Harvest(NamedTuple):
    """What one service's answer gave."""

    instances: tuple[Instance, ...]
    """In canonical order."""

    bad: Mapping[str, int]
    """Records dropped alone, by reason: `malformed`, `address`, `port`, `metadata`."""

    disabled: frozenset[tuple[str, int]] = frozenset()
    """Addresses and ports of the disabled ones, as far as the listing shows them: they are not missing."""

    @property
    def has_unhealthy(self) -> bool:
        """Whether any usable instance is unhealthy."""
        return not all(instance.healthy for instance in self.instances)


def open_item(raw: msgspec.Raw) -> OpenedItem | None:
    """Return a service of the listing in the tightest form it allows, or None if not even its name can be told."""
    for decode in (_ITEM.decode, _LOOSE_ITEM.decode, _KEY.decode):
        try:
            item = decode(raw)
        except DECODE_ERRORS:
            continue
        return item if item.service_name else None
    return None


class InstanceReader:
    """Turns answers into instances. Owner of the pools that let equal metadata share memory."""

    def __init__(self) -> None:
        self._pool = MetadataPool()
        self._cluster = Interner[str](_CLUSTERS)

    def read_item(self, item: OpenedItem) -> Harvest:
        """Read one service of the listing with instances.

        Raises SourceDataError when no instance of it can be known: what is known of the service must stay.
        """
        if isinstance(item, wire.ItemKey):
            raise SourceDataError("clusters not understood")
        clusters = item.cluster_map or {}
        return self._harvest((name, host) for name, each in clusters.items() if each for host in each.hosts or ())

    def read_list(self, body: bytes) -> Harvest:
        """Read the v1 instance list of one service; raises SourceDataError as `read_item` does."""
        try:
            hosts = _LIST.decode(body).hosts or ()
        except DECODE_ERRORS:
            raws = understood(_LOOSE_LIST.decode, body).hosts or ()
            return self._harvest((None, raw) for raw in raws)
        return self._harvest((None, host) for host in hosts)

    def _harvest(self, hosts: Iterable[tuple[str | None, wire.Host | msgspec.Raw]]) -> Harvest:
        bad: dict[str, int] = {}
        instances: list[Instance] = []
        disabled: list[tuple[str, int]] = []
        for cluster, host in hosts:
            try:
                known = _decode_host(host) if isinstance(host, msgspec.Raw) else host
                if known.enabled is False:
                    disabled.append((known.ip or "", known.port or 0))
                else:
                    instances.append(self._instance(cluster, known))
            except BadRecord as error:
                bad[error.reason] = bad.get(error.reason, 0) + 1
        if bad and not instances and not disabled:
            raise SourceDataError(f"none of {sum(bad.values())} instance records is usable: {bad}")
        instances.sort()
        return Harvest(tuple(instances), bad, frozenset(disabled))

    def _instance(self, cluster: str | None, host: wire.Host) -> Instance:
        """Return the instance; raises BadRecord."""
        if not host.ip or host.ip.isspace():
            raise BadRecord("address")
        if host.port is None:
            raise BadRecord("port")
        healthy = host.valid if host.healthy is None else host.healthy
        return Instance(
            host.ip,
            host.port,
            cluster or self._cluster.share(host.cluster_name or DEFAULT_CLUSTER),
            healthy is not False,
            True,
            1.0 if host.weight is None else host.weight,
            self._metadata(host.metadata),
        )

    def _metadata(self, raw: msgspec.Raw) -> Pairs:
        try:
            return self._pool.read(raw)
        except ValueError as error:
            raise BadRecord("metadata") from error


def _decode_host(raw: msgspec.Raw) -> wire.Host:
    try:
        return _HOST.decode(raw)
    except DECODE_ERRORS as error:
        raise BadRecord("malformed") from error
