"""What a Eureka server knows and answers, without a network: for tests of the source that own its time."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote

from meshregistry.errors import SourceUnavailable
from meshregistry.model.events import RegistryAway, ScopeListing, SourceSynced, SourceUpdate
from meshregistry.model.instance import Instance
from meshregistry.sources.eureka.client import Node, NotFound, Refused

RETENTION_S = 180.0


class Fault(StrEnum):
    """How a server misbehaves."""

    NONE = "none"
    DOWN = "down"
    NO_DELTA = "no_delta"
    BROKEN_DELTA = "broken_delta"
    BROKEN_FULL = "broken_full"
    STALE_FULL = "stale_full"
    STALE_DELTA = "stale_delta"
    NO_HASH = "no_hash"


class Lease(NamedTuple):
    """One registration."""

    ip: str
    status: str
    dirty: int


class Change(NamedTuple):
    """One entry of the queue of recent changes."""

    at: float
    application: str
    id: str
    action: str
    lease: Lease


def record(application: str, id_: str, lease: Lease, action: str = "ADDED", **changes: object) -> dict[str, object]:
    """Return a registration as Spring Cloud writes it."""
    return {
        "instanceId": id_,
        "hostName": f"{id_}.example",
        "app": application,
        "ipAddr": lease.ip,
        "status": lease.status,
        "overriddenStatus": "UNKNOWN",
        "port": {"$": 8080, "@enabled": "true"},
        "securePort": {"$": 443, "@enabled": "false"},
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": 90, "lastRenewalTimestamp": 1_000_000_000_000},
        "metadata": {"@class": "java.util.Collections$EmptyMap"},
        "vipAddress": application.lower(),
        "secureVipAddress": application.lower(),
        "lastDirtyTimestamp": str(lease.dirty),
        "actionType": action,
        **changes,
    }


class EurekaModel:
    """One server. Owner of its registry, its queue of changes and its caches."""

    def __init__(self) -> None:
        self.leases: dict[tuple[str, str], Lease] = {}
        self.queue: list[Change] = []
        self.asked: list[str] = []
        self.regions: list[str] = []
        self.now = 0.0
        self.version = 0
        self._dirty = 0
        self._fault = Fault.NONE
        self._cached: dict[str, bytes] = {}

    @property
    def fault(self) -> Fault:
        """How it misbehaves now; a stale cache holds what was known when the fault began."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        self._cached = {"/apps": self._full(), "/apps/delta": self._delta()}

    @property
    def hash(self) -> str:
        """The hash of the whole registry."""
        statuses = [lease.status for lease in self.leases.values()]
        return "".join(f"{status}_{statuses.count(status)}_" for status in sorted(set(statuses)))

    def register(self, application: str, id_: str, ip: str, status: str = "UP") -> None:
        """Add or replace a registration."""
        self._dirty += 1
        self.leases[application, id_] = Lease(ip, status, self._dirty)
        self._note(application, id_, "ADDED")

    def set_status(self, application: str, id_: str, status: str) -> None:
        """Override the status of a registration, if it is there."""
        lease = self.leases.get((application, id_))
        if lease is not None:
            self.leases[application, id_] = lease._replace(status=status)
            self._note(application, id_, "MODIFIED")

    def cancel(self, application: str, id_: str) -> None:
        """Remove a registration, if it is there."""
        if (application, id_) in self.leases:
            self._note(application, id_, "DELETED")
            del self.leases[application, id_]

    def restart(self) -> None:
        """Forget everything."""
        self.leases, self.queue, self.version = {}, [], 0

    def services(self, *statuses: str) -> dict[str, tuple[Instance, ...]]:
        """Return what a reader should have made of the registry."""
        wanted = statuses or ("UP",)
        found: dict[str, list[Instance]] = {application: [] for application, _ in self.leases}
        for (application, _), lease in self.leases.items():
            if lease.status in wanted:
                found[application].append(Instance(lease.ip, 8080))
        return {name: tuple(sorted(set(instances))) for name, instances in found.items()}

    async def get(self, node: Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        """Answer as `EurekaClient.get`."""
        self.asked.append(path)
        self.regions.append(regions)
        match self._fault, path:
            case Fault.DOWN, _:
                raise SourceUnavailable(f"{node}{path}: refused")
            case Fault.NO_DELTA, "/apps/delta":
                raise Refused(f"{node}{path}: status 403")
            case (Fault.BROKEN_DELTA, "/apps/delta") | (Fault.BROKEN_FULL, "/apps"):
                return [self._full()[:-20]]
            case (Fault.STALE_FULL, "/apps") | (Fault.STALE_DELTA, "/apps/delta"):
                return [self._cached[path]]
        return [self._answer(path)]

    def _answer(self, path: str) -> bytes:
        if path == "/apps":
            return self._full()
        if path == "/apps/delta":
            return self._delta()
        kind, _, name = path.removeprefix("/").partition("/")
        chosen = {key: lease for key, lease in self.leases.items() if key[0].lower() == unquote(name).lower()}
        if kind == "apps" and not chosen:
            raise NotFound(f"{path}: status 404")
        applications = self._list([(*key, "ADDED", lease) for key, lease in chosen.items()])
        if kind == "apps":
            return json.dumps({"application": applications[0]}).encode()
        return self._reply(applications, "-1")

    def _full(self) -> bytes:
        return self._reply(self._list([(*key, "ADDED", lease) for key, lease in self.leases.items()]), "1")

    def _delta(self) -> bytes:
        self.version += 1
        self.queue = [change for change in self.queue if change.at > self.now - RETENTION_S]
        latest = {(change.application, change.id): change for change in self.queue}
        items = [
            (*key, change.action, self.leases.get(key, change.lease) if change.action != "DELETED" else change.lease)
            for key, change in latest.items()
        ]
        return self._reply(self._list(items), str(self.version))

    def _reply(self, applications: list[dict[str, object]], version: str) -> bytes:
        answer: dict[str, object] = {"versions__delta": version, "application": applications}
        if self._fault is not Fault.NO_HASH:
            answer["apps__hashcode"] = self.hash
        return json.dumps({"applications": answer}).encode()

    def _list(self, items: list[tuple[str, str, str, Lease]]) -> list[dict[str, object]]:
        names = dict.fromkeys(application for application, *_ in items)
        return [
            {
                "name": name,
                "instance": [record(name, id_, lease, action) for each, id_, action, lease in items if each == name],
            }
            for name in names
        ]

    def _note(self, application: str, id_: str, action: str) -> None:
        self.queue.append(Change(self.now, application, id_, action, self.leases[application, id_]))


class Services:
    """A sink that does with updates what the store does, and remembers them."""

    def __init__(self) -> None:
        self.services: dict[str, tuple[Instance, ...]] = {}
        self.listings: list[ScopeListing] = []
        self.synced: list[SourceSynced] = []
        self.absences: list[RegistryAway] = []

    async def publish(self, update: SourceUpdate) -> None:
        """Take an update."""
        if isinstance(update, ScopeListing):
            self.listings.append(update)
            kept = {name: known for name, known in self.services.items() if name in update.names}
            self.services = {**kept, **update.services}
        elif isinstance(update, SourceSynced):
            self.synced.append(update)
        elif isinstance(update, RegistryAway):
            self.absences.append(update)
