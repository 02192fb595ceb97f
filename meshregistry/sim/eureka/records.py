"""One registration, and how clients send it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson

STATUSES = ("UP", "DOWN", "STARTING", "OUT_OF_SERVICE", "UNKNOWN")
OWN_DATACENTER: Mapping[str, object] = {
    "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
    "name": "MyOwn",
}
_URLS = ("homePageUrl", "statusPageUrl", "healthCheckUrl", "secureHealthCheckUrl")
_REQUIRED = (("hostName", "host"), ("ipAddr", "ip"), ("app", "app"))


class Malformed(ValueError):
    """What was sent is no registration; the text is the server's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a client registers; times in milliseconds, durations in seconds."""

    app: str
    id: str
    ip: str
    host: str
    status: str = "UP"
    overridden: str = "UNKNOWN"
    port: int = 8080
    port_enabled: bool = True
    secure_port: int = 443
    secure_enabled: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    vip: str | None = None
    secure_vip: str | None = None
    datacenter: Mapping[str, object] = field(default_factory=lambda: OWN_DATACENTER)
    urls: Mapping[str, str] = field(default_factory=dict)
    renewal_s: int = 30
    duration_s: int = 90
    dirty_ms: int = 0
    updated_ms: int = 0
    action: str = "ADDED"

    def changed(self, action: str, now_ms: int, **changes: object) -> "Record":
        """Return the record after a change by the server."""
        return replace(self, action=action, updated_ms=now_ms, **changes)  # type: ignore[arg-type]


def read_record(body: bytes, application: str, now_ms: int) -> Record:
    """Return the registration in a request for an application. Raises Malformed (ApplicationResource.addInstance)."""
    try:
        sent = orjson.loads(body)["instance"]
        fields = {name: _text(sent.get(name)) for name in ("instanceId", *(wire for wire, _ in _REQUIRED))}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise Malformed('{"error": "cannot parse request body"}') from error
    missing = [name for name, value in fields.items() if not value]
    if missing:
        raise Malformed(f"Missing {missing[0]}")
    if fields["app"].upper() != application.upper():
        raise Malformed(f"Mismatched appName, expecting {application} but was {fields['app']}")
    if not isinstance(sent.get("dataCenterInfo"), dict):
        raise Malformed("Missing dataCenterInfo")
    return _complete(sent, fields, now_ms)


def _complete(sent: Mapping[str, object], fields: Mapping[str, str], now_ms: int) -> Record:
    lease = _mapping(sent.get("leaseInfo"))
    port, secure = _mapping(sent.get("port")), _mapping(sent.get("securePort"))
    status = _text(sent.get("status")).upper()
    overridden = _text(sent.get("overriddenStatus", sent.get("overriddenstatus"))).upper()
    return Record(
        app=fields["app"].upper(),
        id=fields["instanceId"],
        ip=fields["ipAddr"],
        host=fields["hostName"],
        status=status if status in STATUSES else "UNKNOWN" if status else "UP",
        overridden=overridden if overridden in STATUSES else "UNKNOWN",
        port=_number(port.get("$"), 7001),
        port_enabled=_text(port.get("@enabled", True)).lower() == "true",
        secure_port=_number(secure.get("$"), 7002),
        secure_enabled=_text(secure.get("@enabled")).lower() == "true",
        metadata={name: _text(value) for name, value in _mapping(sent.get("metadata")).items() if name != "@class"},
        vip=_text(sent.get("vipAddress")) or None,
        secure_vip=_text(sent.get("secureVipAddress")) or None,
        datacenter=_mapping(sent.get("dataCenterInfo")),
        urls={name: _text(sent[name]) for name in _URLS if sent.get(name)},
        renewal_s=_number(lease.get("renewalIntervalInSecs"), 30),
        duration_s=_number(lease.get("durationInSecs"), 90),
        dirty_ms=_number(sent.get("lastDirtyTimestamp"), now_ms),
        updated_ms=now_ms,
        action="ADDED",
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Scalars as the server keeps them: texts."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: object, default: int) -> int:
    try:
        return int(str(value))
    except ValueError:
        return default
