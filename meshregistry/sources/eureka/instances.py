"""Registrations as the source keeps them, and the model's instances in them."""

from typing import NamedTuple

import msgspec
from msgspec import Raw

from meshregistry.model.instance import Instance, Pairs
from meshregistry.sources.eureka import dialects
from meshregistry.sources.eureka.dialects import PortBox, Record
from meshregistry.sources.eureka.options import EurekaOptions
from meshregistry.sources.interning import Interner
from meshregistry.sources.metadata import MetadataPool, decode_texts

STATUSES = frozenset({"DOWN", "OUT_OF_SERVICE", "STARTING", "UNKNOWN", "UP"})

_CLASS = "@class"
_POOL_LIMIT = 8192
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


class Datacenter(NamedTuple):
    """What Amazon's data centre says of an instance; "" for every other."""

    zone: str = ""
    instance_id: str = ""


class RegistrationReader:
    """Turns records into registrations. Owner of the pools that let equal values share memory, and be read once."""

    def __init__(self, options: EurekaOptions) -> None:
        self._host_names = options.host_names
        self._lease_factor = options.lease_factor
        self._metadata = MetadataPool(without=(_CLASS,))
        self._aliases = Interner[tuple[str, ...]](_POOL_LIMIT)
        self._datacenters: dict[bytes, Datacenter] = {}

    def read(self, record: Record, application: str, unix_now: float) -> tuple[str, Registration]:
        """Return a record's identity within its application and what is kept of it, also of an unusable one."""
        datacenter = self._read_datacenter(bytes(record.data_center_info))
        raw = bytes(record.metadata)
        metadata: Pairs = ()
        flaw = ""
        try:
            metadata = () if raw in _NO_METADATA else self._metadata.read(raw)
        except ValueError:
            flaw = "metadata"
        instance = None
        if not flaw:
            instance, flaw = self._read_instance(record, application, metadata, datacenter.zone)
        is_overdue = self._lease_factor > 0 and _is_overdue(record.lease_info, self._lease_factor, unix_now)
        dirty_at = record.last_dirty_timestamp or 0
        registration = Registration(normalize_status(record.status), dirty_at, instance, flaw, is_overdue)
        return record.instance_id or _identify(record, metadata, datacenter), registration

    def _read_instance(
        self, record: Record, application: str, metadata: Pairs, zone: str
    ) -> tuple[Instance | None, str]:
        """Return the instance, or why there is none."""
        host, ip = record.host_name.strip(), record.ip_addr.strip()
        address = (host or ip) if self._host_names else (ip or host)
        plain, secure = _number(record.port), _number(record.secure_port)
        secure = secure if record.secure_port is not None and record.secure_port.enabled else 0
        port = plain or secure
        if not address:
            return None, "address"
        if not port:
            return None, "port"
        instance = Instance(
            address,
            port,
            metadata=metadata,
            port_enabled=bool(plain) and record.port is not None and record.port.enabled is not False,
            secure_port=secure,
            zone=zone,
            aliases=self._aliases.share(_list_aliases(record, application)),
        )
        return instance, ""

    def _read_datacenter(self, raw: bytes) -> Datacenter:
        known = self._datacenters.get(raw)
        if known is None:
            if len(self._datacenters) >= _POOL_LIMIT:
                self._datacenters.clear()
            known = self._datacenters[raw] = _read_datacenter(raw)
        return known


def normalize_status(status: str) -> str:
    """Return one of Eureka's five statuses; what is none of them is UNKNOWN, as in Netflix's client."""
    if status in STATUSES:
        return status
    upper = status.strip().upper()
    return upper if upper in STATUSES else "UNKNOWN"


def _identify(record: Record, metadata: Pairs, datacenter: Datacenter) -> str:
    """Return the identity, without an `instanceId`, as Netflix's InstanceInfo.getId.

    Spring's first release had it in the metadata.
    """
    given = dict(metadata).get("instanceId") or datacenter.instance_id
    return given or record.host_name or f"{record.ip_addr}:{_number(record.port)}"


def _list_aliases(record: Record, application: str) -> tuple[str, ...]:
    """Return the VIP addresses that are not the application's name; one may be a list, each with a port behind it."""
    vip, secure_vip, own = record.vip_address or "", record.secure_vip_address or "", application.lower()
    if (not vip or vip.lower() == own) and (not secure_vip or secure_vip.lower() == own):
        return ()
    names = {vip.strip().partition(":")[0] for vip in f"{vip},{secure_vip}".split(",")}
    return tuple(sorted(name for name in names if name and name.lower() != own))


def _number(box: PortBox | None) -> int:
    """Return a port's number, 0 where there is none; the model's instances tell the legal ones from the others."""
    number = None if box is None else box.number
    return number if number is not None and -_FAR <= number <= _FAR else 0


def _read_datacenter(raw: bytes) -> Datacenter:
    if b'"metadata"' not in raw:
        return Datacenter()
    found = dialects.fields(raw) or {}
    try:
        metadata = decode_texts(bytes(found.get("metadata", b"null")))
    except ValueError:
        return Datacenter()
    return Datacenter(metadata.get("availability-zone", ""), metadata.get("instance-id", ""))


def _is_overdue(raw: Raw, factor: float, unix_now: float) -> bool:
    lease = dialects.fields(raw) or {}
    renewed = dialects.number(dialects.text(lease.get("lastRenewalTimestamp")))
    duration = dialects.number(dialects.text(lease.get("durationInSecs")))
    if not renewed or not duration:
        return False
    return unix_now > renewed / _MS + factor * duration
