"""One registration in every shape that servers give it: Netflix's own JSON, Spring's, XStream's.

Lists of one may be the item alone, numbers and booleans may be texts, fields may be null, empty or absent.
"""

import msgspec
from msgspec import Raw

from meshregistry.sources.decoding import DECODE_ERRORS

_NOTHING = Raw(b"null")
_NUMBER_DIGITS = 20


class PortBox(msgspec.Struct, gc=False):
    """A port as Eureka writes it: `{"$": 8080, "@enabled": "true"}`."""

    number: int | None = msgspec.field(name="$", default=None)
    enabled: bool | None = msgspec.field(name="@enabled", default=None)


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One registration. `status` is the effective one: the server has applied the override."""

    instance_id: str = ""
    host_name: str = ""
    ip_addr: str = ""
    app: str = ""
    status: str = ""
    port: PortBox | None = None
    secure_port: PortBox | None = None
    metadata: Raw = _NOTHING
    data_center_info: Raw = _NOTHING
    lease_info: Raw = _NOTHING
    vip_address: str | None = None
    secure_vip_address: str | None = None
    last_dirty_timestamp: int | None = None
    action_type: str | None = None


_ITEMS = msgspec.json.Decoder(list[Raw])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_RECORD = msgspec.json.Decoder(Record, strict=False)
_BOX = msgspec.json.Decoder(PortBox, strict=False)
_VALUE = msgspec.json.Decoder(str | int | float | bool | None)


def items(raw: Raw) -> list[Raw]:
    """Return the members of a list, one object that stands for a list of one, or nothing (null, "").

    Raises ValueError for broken JSON only, which a body that was cut into pieces before does not hold.
    """
    start = bytes(memoryview(raw)[:1])
    if start == b"[":
        return _ITEMS.decode(raw)
    return [raw] if start == b"{" else []


def split(members: bytes) -> list[Raw]:
    """Return the members of a list without its brackets. Raises ValueError or RecursionError."""
    return _ITEMS.decode(b"[%b]" % members)


def fields(raw: bytes | Raw) -> dict[str, Raw] | None:
    """Return the fields of an object, None for anything else."""
    try:
        return _FIELDS.decode(raw)
    except DECODE_ERRORS:
        return None


def read_record(raw: bytes | Raw) -> Record | None:
    """Return a registration of any shape, None for what is no object."""
    try:
        return _RECORD.decode(raw)
    except DECODE_ERRORS:
        found = fields(raw)
    return None if found is None else _read_loosely(found)


def _read_loosely(found: dict[str, Raw]) -> Record:
    return Record(
        instance_id=text(found.get("instanceId")),
        host_name=text(found.get("hostName")),
        ip_addr=text(found.get("ipAddr")),
        app=text(found.get("app")),
        status=text(found.get("status")),
        port=_read_box(found.get("port")),
        secure_port=_read_box(found.get("securePort")),
        metadata=found.get("metadata", _NOTHING),
        data_center_info=found.get("dataCenterInfo", _NOTHING),
        lease_info=found.get("leaseInfo", _NOTHING),
        vip_address=text(found.get("vipAddress")),
        secure_vip_address=text(found.get("secureVipAddress")),
        last_dirty_timestamp=number(text(found.get("lastDirtyTimestamp"))),
        action_type=text(found.get("actionType")),
    )


def _read_box(raw: Raw | None) -> PortBox | None:
    """Return a port; one that is a bare number is enabled."""
    if raw is None:
        return None
    try:
        return _BOX.decode(raw)
    except DECODE_ERRORS:
        found = fields(raw)
    if found is not None:
        return PortBox(number(text(found.get("$"))), truth(text(found.get("@enabled"))))
    bare = number(text(raw))
    return None if bare is None else PortBox(bare, True)


def text(raw: Raw | None) -> str:
    """Return a scalar as text; "" for null, objects and lists."""
    if raw is None:
        return ""
    try:
        value = _VALUE.decode(raw)
    except DECODE_ERRORS:
        return ""
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value).lower()


def number(value: int | str | None) -> int | None:
    """Return a whole number that may be a text, None for what is none."""
    if isinstance(value, str):
        digits = value.strip()
        if len(digits) > _NUMBER_DIGITS or not digits.removeprefix("-").isdecimal() or not digits.isascii():
            return None
        return int(digits)
    return value


def truth(value: str) -> bool | None:
    """Return the boolean that a text stands for, None for an empty one."""
    return value.strip().lower() == "true" if value else None
