"""How registrations are written: Netflix's and Spring's JSON, that of older servers, XML."""

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

import msgspec
import orjson

from meshregistry.sim.eureka.leases import Lease
from meshregistry.sim.eureka.records import Record

_MS = 1000
_FULL_ONLY = {
    "overriddenStatus",
    "countryId",
    "leaseInfo",
    "metadata",
    "homePageUrl",
    "statusPageUrl",
    "healthCheckUrl",
}


class Codec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dialect of JSON; the defaults are Spring Cloud 2025.0 and Netflix 1.10, all of it XStream's of old servers."""

    single_objects: bool = False
    """A list of one is written as the item, an empty one not at all."""

    numeric_version: bool = False
    boolean_enabled: bool = False
    lower_case_overridden: bool = False
    no_hash: bool = False
    """A proxy or an ancient server without `apps__hashcode`."""


SPRING = Codec()
XSTREAM = Codec(single_objects=True, numeric_version=True, boolean_enabled=True, lower_case_overridden=True)
CODECS = {"spring": SPRING, "xstream": XSTREAM}


def instance_fields(lease: Lease, codec: Codec, *, compact: bool = False) -> dict[str, object]:
    """Return a registration in the order in which Spring Cloud writes it."""
    record = lease.record
    fields: dict[str, object] = {
        "instanceId": record.id,
        "hostName": record.host,
        "app": record.app,
        "ipAddr": record.ip,
        "status": record.status,
        "overriddenstatus" if codec.lower_case_overridden else "overriddenStatus": record.overridden,
        "port": _port(record.port, codec, enabled=record.port_enabled),
        "securePort": _port(record.secure_port, codec, enabled=record.secure_enabled),
        "countryId": 1,
        "dataCenterInfo": record.datacenter,
        "leaseInfo": _lease_info(lease),
        "metadata": record.metadata or {"@class": "java.util.Collections$EmptyMap"},
        **record.urls,
        **_vips(record),
        "isCoordinatingDiscoveryServer": "false",
        "lastUpdatedTimestamp": str(record.updated_ms),
        "lastDirtyTimestamp": str(record.dirty_ms),
        "actionType": record.action,
    }
    return {name: value for name, value in fields.items() if name not in _FULL_ONLY} if compact else fields


def join_applications(applications: Iterable[tuple[str, list[bytes]]], version: int, hash_: str, codec: Codec) -> bytes:
    """Return an answer that lists applications, each with its registrations already written."""
    head: dict[str, object] = {"versions__delta": version if codec.numeric_version else str(version)}
    if not codec.no_hash:
        head["apps__hashcode"] = hash_
    members = _listed("application", [_application(name, written, codec) for name, written in applications], codec)
    return b'{"applications":' + orjson.dumps(head)[:-1] + members + b"}}"


def join_application(name: str, instances: list[bytes], codec: Codec) -> bytes:
    """Return the answer for one application."""
    return b'{"application":' + _application(name, instances, codec) + b"}"


def as_xml(name: str, value: object) -> str:
    """Return fields as XML, indented as little as readers need: not at all."""
    if isinstance(value, Mapping):
        if "$" in value:
            return f"<{name} enabled={quoteattr(str(value['@enabled']).lower())}>{value['$']}</{name}>"
        kind = f" class={quoteattr(str(value['@class']))}" if "@class" in value else ""
        inner = "".join(as_xml(key, each) for key, each in value.items() if key != "@class")
        return f"<{name}{kind}>{inner}</{name}>"
    if isinstance(value, list):
        return "".join(as_xml(name, each) for each in value)
    return f"<{name}>{escape(str(value))}</{name}>"


def _application(name: str, instances: list[bytes], codec: Codec) -> bytes:
    return b'{"name":' + orjson.dumps(name) + _listed("instance", instances, codec) + b"}"


def _listed(name: str, items: list[bytes], codec: Codec) -> bytes:
    if codec.single_objects and len(items) < 2:
        return b"".join(b',"' + name.encode() + b'":' + item for item in items)
    return b',"' + name.encode() + b'":[' + b",".join(items) + b"]"


def _port(number: int, codec: Codec, *, enabled: bool) -> dict[str, object]:
    return {"$": number, "@enabled": enabled if codec.boolean_enabled else str(enabled).lower()}


def _vips(record: Record) -> dict[str, str]:
    vips = {"vipAddress": record.vip, "secureVipAddress": record.secure_vip}
    return {name: vip for name, vip in vips.items() if vip is not None}


def _lease_info(lease: Lease) -> dict[str, int]:
    return {
        "renewalIntervalInSecs": lease.record.renewal_s,
        "durationInSecs": lease.record.duration_s,
        "registrationTimestamp": int(lease.registered_at * _MS),
        "lastRenewalTimestamp": int(lease.renewed_at * _MS),
        "evictionTimestamp": 0,
        "serviceUpTimestamp": int(lease.up_at * _MS),
    }
