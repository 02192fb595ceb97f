"""Registrations as the source keeps them, and the model's instances in them.

What Eureka says of an instance beyond address, port and metadata stands in the metadata under keys that start with
`@`, as Eureka's own `@class`: no such key is ever a label. They are there only when they say something unusual, so
that instances keep sharing their metadata.
"""

from typing import NamedTuple

import msgspec
from msgspec import Raw

from meshregistry.model.instance import Instance, Pairs
from meshregistry.sources.eureka import dialects
from meshregistry.sources.eureka.dialects import PortBox, Record
from meshregistry.sources.eureka.options import EurekaOptions
from meshregistry.sources.metadata import MetadataPool, decode_texts

PORT_DISABLED = "@portDisabled"
"""`true` when the plain port is switched off."""

SECURE_PORT = "@securePort"
"""The secure port, when it is switched on."""

VIP = "@vipAddress"
SECURE_VIP = "@secureVipAddress"
"""VIP addresses that are not the application's name; several are separated by commas."""

ZONE = "@availabilityZone"
"""The availability zone of an instance on Amazon."""

STATUSES = frozenset({"DOWN", "OUT_OF_SERVICE", "STARTING", "UNKNOWN", "UP"})

_CLASS = "@class"
_FAR = 2**31
_NO_METADATA = frozenset({b"null", b'""', b"[]"})
_MS = 1000


class Registration(msgspec.Struct, frozen=True, gc=False):
    """One registration as the source remembers it: only what does not change by renewing it."""

    status: str
    dirty_at: int
    """When the instance last changed by its own clock, milliseconds."""

    instance: Instance | None = None
    """None when the record cannot be used; it counts in the server's hash all the same."""

    flaw: str = ""
    """Why there is no instance: `address`, `port`, `metadata`."""

    is_overdue: bool = False
    """Whether it was not renewed for too long by the source's own rule."""


class Identified(NamedTuple):
    """A registration under its identity within the application."""

    id: str
    registration: Registration


class RegistrationReader:
    """Turns records into registrations. Owner of the pool that lets equal metadata share memory."""

    def __init__(self, options: EurekaOptions) -> None:
        self._host_names = options.host_names
        self._lease_factor = options.lease_factor
        self._metadata = MetadataPool(without=(_CLASS,))

    def read(self, record: Record, application: str, unix_now: float) -> Identified:
        """Return what is kept of a record."""
        status = normalize_status(record.status)
        dirty_at = dialects.number(record.last_dirty_timestamp) or 0
        datacenter = _read_datacenter(record.data_center_info)
        try:
            metadata = self._read_metadata(record, application, datacenter)
        except ValueError:
            return Identified(_identify(record, (), datacenter), Registration(status, dirty_at, None, "metadata"))
        id_ = _identify(record, metadata, datacenter)
        host, ip = record.host_name.strip(), record.ip_addr.strip()
        address = (host or ip) if self._host_names else (ip or host)
        port = _read_port(record)
        if not address or port is None:
            return Identified(id_, Registration(status, dirty_at, None, "port" if address else "address"))
        instance = Instance(address, port, metadata=metadata)
        is_overdue = self._lease_factor > 0 and _is_overdue(record.lease_info, self._lease_factor, unix_now)
        return Identified(id_, Registration(status, dirty_at, instance, is_overdue=is_overdue))

    def _read_metadata(self, record: Record, application: str, datacenter: dict[str, str]) -> Pairs:
        raw = bytes(record.metadata)
        pairs = () if raw in _NO_METADATA else self._metadata.read(raw)
        extra = _unusual(record, application, datacenter)
        return tuple(sorted({**dict(pairs), **extra}.items())) if extra else pairs


def normalize_status(status: str) -> str:
    """Return one of Eureka's five statuses; what is none of them is UNKNOWN, as in Netflix's client."""
    upper = status.strip().upper()
    return upper if upper in STATUSES else "UNKNOWN"


def _identify(record: Record, metadata: Pairs, datacenter: dict[str, str]) -> str:
    """Return the instance's identity as Netflix's InstanceInfo.getId; Spring's first release had it in the metadata."""
    given = record.instance_id or dict(metadata).get("instanceId") or datacenter.get("instance-id")
    return given or record.host_name or f"{record.ip_addr}:{_number(record.port)}"


def _read_port(record: Record) -> int | None:
    plain = _number(record.port)
    secure = _number(record.secure_port) if _is_on(record.secure_port, default=False) else None
    return plain if plain is not None else secure


def _unusual(record: Record, application: str, datacenter: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if not _is_on(record.port, default=True) or _number(record.port) is None:
        found[PORT_DISABLED] = "true"
    if _is_on(record.secure_port, default=False) and _number(record.secure_port) is not None:
        found[SECURE_PORT] = str(_number(record.secure_port))
    vips = ((VIP, record.vip_address), (SECURE_VIP, record.secure_vip_address))
    found |= {key: vip for key, vip in vips if vip and vip.lower() != application.lower()}
    zone = datacenter.get("availability-zone")
    return {**found, ZONE: zone} if zone else found


def _is_on(box: PortBox | None, *, default: bool) -> bool:
    return box is not None and dialects.truth(box.enabled, default=default)


def _number(box: PortBox | None) -> int | None:
    number = dialects.number(box.number) if box is not None else None
    return number if number is not None and -_FAR <= number <= _FAR else None


def _read_datacenter(raw: Raw) -> dict[str, str]:
    """Return the metadata of an Amazon data centre; every other has none."""
    if b'"metadata"' not in bytes(raw):
        return {}
    found = dialects.fields(raw) or {}
    try:
        return decode_texts(bytes(found.get("metadata", b"null")))
    except ValueError:
        return {}


def _is_overdue(raw: Raw, factor: float, unix_now: float) -> bool:
    lease = dialects.fields(raw) or {}
    renewed = dialects.number(dialects.text(lease.get("lastRenewalTimestamp")))
    duration = dialects.number(dialects.text(lease.get("durationInSecs")))
    if not renewed or not duration:
        return False
    return unix_now > renewed / _MS + factor * duration
