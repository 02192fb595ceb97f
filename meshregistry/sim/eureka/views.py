"""What a registry looks like to readers: everything, the latest changes, parts."""

import orjson

from meshregistry.sim.eureka.caches import Key
from meshregistry.sim.eureka.codecs import XSTREAM, Codec, as_xml, instance_fields, join_application, join_applications
from meshregistry.sim.eureka.leases import Lease
from meshregistry.sim.eureka.registry import Registry

_FULL_VERSION = 1
_PART_VERSION = -1

Group = dict[str, list[Lease]]


class Views:
    """Writes answers. Owner of the counter of deltas, which starts anew with the server."""

    def __init__(self, registry: Registry, codec: Codec) -> None:
        self._registry = registry
        self._codec = codec
        self._deltas = 0

    @property
    def codec(self) -> Codec:
        """The dialect."""
        return self._codec

    @codec.setter
    def codec(self, codec: Codec) -> None:
        self._codec = codec
        for lease in self._registry.leases():
            lease.written = b""

    def restart(self) -> None:
        """Count deltas from the beginning."""
        self._deltas = 0

    def write(self, key: Key) -> bytes | None:
        """Return the body for a key; None for an application that is unknown."""
        registry = self._registry
        match key.kind:
            case "apps":
                groups = {name: list(members.values()) for name, members in registry.applications.items()}
                return self._join(key, groups, _FULL_VERSION, registry.hash)
            case "delta":
                self._deltas += 1
                return self._join(key, self._recent(), self._deltas, registry.hash)
            case "app":
                members = registry.applications.get(key.name.upper())
                return None if members is None else self._one(key, list(members.values()))
        chosen = self._behind(key.name, is_secure=key.kind == "svip")
        return self._join(key, chosen, _PART_VERSION, _hash(chosen))

    def write_instance(self, lease: Lease, *, is_json: bool) -> bytes:
        """Return the answer for one registration, which is never cached."""
        if is_json:
            return orjson.dumps({"instance": instance_fields(lease, self._codec)})
        return as_xml("instance", instance_fields(lease, XSTREAM)).encode()

    def _recent(self) -> Group:
        """The changed registrations in the state they are in, each once, the last change last."""
        latest: dict[tuple[str, str], Lease] = {}
        for change in self._registry.changes:
            record = change.lease.record
            latest.pop((record.app, record.id), None)
            latest[record.app, record.id] = change.lease
        groups: Group = {}
        for lease in latest.values():
            groups.setdefault(lease.record.app, []).append(lease)
        return groups

    def _behind(self, vip: str, *, is_secure: bool) -> Group:
        groups: Group = {}
        for lease in self._registry.leases():
            vips = lease.record.secure_vip if is_secure else lease.record.vip
            if vip in (vips or "").split(","):
                groups.setdefault(lease.record.app, []).append(lease)
        return groups

    def _join(self, key: Key, groups: Group, version: int, hash_: str) -> bytes:
        if key.is_json:
            written = ((name, self._written(key, leases)) for name, leases in groups.items())
            return join_applications(written, version, hash_, self._codec)
        applications = [_xml_fields(name, leases) for name, leases in groups.items()]
        fields = {"versions__delta": version, "apps__hashcode": hash_, "application": applications}
        return as_xml("applications", fields).encode()

    def _one(self, key: Key, leases: list[Lease]) -> bytes:
        name = key.name.upper()
        if key.is_json:
            return join_application(name, self._written(key, leases), self._codec)
        return as_xml("application", _xml_fields(name, leases)).encode()

    def _written(self, key: Key, leases: list[Lease]) -> list[bytes]:
        if key.is_compact:
            return [orjson.dumps(instance_fields(lease, self._codec, compact=True)) for lease in leases]
        for lease in leases:
            lease.written = lease.written or orjson.dumps(instance_fields(lease, self._codec))
        return [lease.written for lease in leases]


def _xml_fields(name: str, leases: list[Lease]) -> dict[str, object]:
    return {"name": name, "instance": [instance_fields(lease, XSTREAM) for lease in leases]}


def _hash(groups: Group) -> str:
    statuses = [lease.record.status for leases in groups.values() for lease in leases]
    return "".join(f"{status}_{statuses.count(status)}_" for status in sorted(set(statuses)))
