"""Request parameters → the records of the registry, with the checks Nacos makes on registration."""

import re
from collections.abc import Mapping

import msgspec
import orjson

from meshregistry.sim.nacos.exchange import Call, Refused, Reply, plain
from meshregistry.sim.nacos.state import (
    DEFAULT_CLUSTER,
    DEFAULT_GROUP,
    PUBLIC,
    Instance,
    InstanceChange,
    ServiceKey,
)

_SERVICE = re.compile(r"(?!@)((?!@@)[^\u4E00-\u9FA5\s])*")
_GROUP = re.compile(r"[a-zA-Z0-9\-_:.]*")
_ADDRESS = re.compile(r"[^\u4E00-\u9FA5\s]*")
_METADATA_LIMIT = 1024


def namespace_of(call: Call) -> str:
    """The namespace asked for; blank means public on every HTTP call."""
    return call.params.get("namespaceId", "").strip() or PUBLIC


def group_of(call: Call, name: str = "groupName") -> str:
    """The group asked for, blank if not given; raises Refused for illegal characters."""
    group = call.params.get(name, "")
    if not _GROUP.fullmatch(group):
        raise _illegal("group")
    return group


def service_key(call: Call) -> ServiceKey:
    """The v1 reading: `serviceName` may have its group in front."""
    given = call.require("serviceName")
    group, separator, name = given.partition("@@")
    if not separator:
        group, name = group_of(call) or DEFAULT_GROUP, given
    return ServiceKey(name, group, namespace_of(call))


def plain_service_key(call: Call) -> ServiceKey:
    """The v3 reading: name and group apart."""
    group = group_of(call) or DEFAULT_GROUP
    return ServiceKey(call.params["serviceName"], group, namespace_of(call))


def check_names(key: ServiceKey) -> None:
    """Raise Refused for a name that cannot be registered by HTTP.

    Reads are not checked: older servers hold such names, and so may this one, by its Python API.
    """
    if not _SERVICE.fullmatch(key.name) or not _GROUP.fullmatch(key.group):
        raise _illegal("serviceName")


def address(call: Call) -> tuple[str, int]:
    """`ip` and `port` of an instance; raises Refused."""
    ip = call.require("ip")
    if not _ADDRESS.fullmatch(ip):
        raise _illegal("ip")
    port = call.require("port")
    if not port.isdecimal() or int(port) > 65535:
        raise Refused(_bare("Param 'port' is illegal, the value should be between 0 and 65535."))
    return ip, int(port)


def instance(call: Call) -> Instance:
    """The instance a registration names; raises Refused."""
    ip, port = address(call)
    return Instance(
        ip,
        port,
        weight=_weight(call, 1.0),
        healthy=call.flag("healthy", default=True),
        enabled=call.flag("enabled", default=True),
        ephemeral=call.flag("ephemeral", default=True),
        cluster=call.params.get("clusterName", "") or DEFAULT_CLUSTER,
        metadata=metadata(call.params.get("metadata", "")),
    )


def instance_change(call: Call) -> InstanceChange:
    """The edit a PUT names; like Nacos it takes weight 1 and enabled for granted; raises Refused."""
    return InstanceChange(
        weight=_weight(call, 1.0),
        enabled=call.flag("enabled", default=True),
        metadata=metadata(call.params.get("metadata", "")),
    )


def protect_threshold(call: Call) -> float:
    """The share of healthy hosts below which a service to be created is protected; raises Refused."""
    given = call.params.get("protectThreshold", "")
    try:
        return float(given) if given else 0.0
    except ValueError:
        raise Refused(plain(f"protectThreshold: {given}", 400)) from None


class _Beat(msgspec.Struct):
    """The `beat` document of a full heartbeat."""

    ip: str
    port: int
    cluster: str = DEFAULT_CLUSTER
    weight: float = 1.0
    metadata: dict[str, str | None] = {}


def beaten_instance(call: Call) -> Instance | None:
    """The instance a full heartbeat describes, None for a light one; raises Refused."""
    text = call.params.get("beat", "")
    if not text:
        return None
    try:
        beat = msgspec.json.decode(text, type=_Beat)
    except msgspec.DecodeError as error:
        raise Refused(plain(f"instance format invalid: {error}", 400)) from error
    return Instance(beat.ip, beat.port, beat.weight, cluster=beat.cluster, metadata=beat.metadata)


def metadata(text: str) -> Mapping[str, str | None]:
    """Metadata as Nacos takes it: a JSON object, or `k=v,k=v`; raises Refused if too long."""
    if len(text) > _METADATA_LIMIT:
        raise Refused(_bare("Param 'Metadata' is illegal, the param length should not exceed 1024."))
    try:
        parsed = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        pairs = (pair.partition("=") for pair in text.split(","))
        return {key: value for key, separator, value in pairs if separator}
    if not isinstance(parsed, dict):
        raise Refused(plain("instance format invalid: metadata", 400))
    return {key: value if value is None else str(value) for key, value in parsed.items()}


def _weight(call: Call, default: float) -> float:
    given = call.params.get("weight", "")
    try:
        weight = float(given) if given else default
    except ValueError:
        raise Refused(plain(f"weight: {given}", 400)) from None
    if not 0.0 <= weight <= 10000.0:
        raise Refused(plain("instance format invalid: The weights range from 0.0 to 10000.0", 400))
    return weight


def _illegal(name: str) -> Refused:
    reason = f"Param '{name}' is illegal, illegal characters should not appear in the param."
    return Refused(_bare(reason))


def _bare(text: str) -> Reply:
    """The parameter filter of Nacos answers in text without saying so."""
    return Reply(f"{text}\r\n".encode(), 400, "application/octet-stream")
