"""istiod's configuration client without the I/O: first requests, responses, the store, what changed.

Source: istiod ``pkg/adsc/adsc.go`` (ConfigInitialRequests, handleRecv, handleMCP, mcpToPilot, HasSynced) and
``pilot/pkg/config/memory/store.go``.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from meshregistry.watch.families import MESH_CONFIG, Family, kind_of
from meshregistry.watch.resources import (
    DecodedResource,
    DecodedResponse,
    Node,
    Request,
    ResourceMetadata,
    Spec,
)
from meshregistry.watch.validation import validate

REVISION_LABEL = "istio.io/rev"
VERSION_ANNOTATION = "ResourceVersion"
UNACKNOWLEDGED_PREFIX = "istio.io/debug"


class ConfigKey(NamedTuple):
    """What identifies a config in istiod's store, whatever API version it came under."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """A config as istiod holds it; ``spec`` None only before validation, for a resource without metadata."""

    key: ConfigKey
    version: str
    create_time_ns: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Spec | None


class Action(StrEnum):
    """What became of one received or missing resource."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    SKIPPED = "skipped"
    """The version is the one already held."""
    INVALID = "invalid"
    """Refused by validation: an existing config stays as it was."""
    UNDECODABLE = "undecodable"
    """Counts as not received: an existing config is deleted."""
    OTHER_REVISION = "other revision"
    """Counts as not received: an existing config is deleted."""


@dataclass(frozen=True, slots=True)
class ConfigEvent:
    """One step of applying a response; ``old`` and ``new`` are the stored configs before and after it.

    ``reason`` says why a resource was refused or lost, or which lost resource is behind a deletion.
    """

    action: Action
    key: ConfigKey
    old: StoredConfig | None = None
    new: StoredConfig | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Handled:
    """The outcome of one response: the ACK to send (None: istiod sends none), the steps in order, the sync edge."""

    type_url: str
    ack: Request | None
    events: tuple[ConfigEvent, ...] = ()
    completed_sync: bool = False
    """This response was the last one that readiness waited for."""


@dataclass(slots=True)
class Counters:
    """Totals since the model was made; only the model writes them."""

    responses: int = 0
    acks: int = 0
    unknown_types: int = 0
    actions: Counter[Action] = field(default_factory=Counter)
    deleted_by_fault: int = 0
    """Deletions in which an undecodable resource had a part: it had the config's name, or no readable name at all."""


@dataclass(frozen=True, slots=True)
class _NotReceived:
    action: Action
    key: ConfigKey
    reason: str


class IstiodModel:
    """One istiod's view of one configuration source. It owns the store and the counters; use it from one task.

    The store outlives streams: nothing is deleted while disconnected, and ``synced`` is never cleared.
    """

    def __init__(self, family: Family, node: Node, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.family = family
        self.node = node
        self.configs: dict[ConfigKey, StoredConfig] = {}
        self.counters = Counters()
        self._clock_ns = clock_ns
        self._started_ns = clock_ns()
        self._answered: set[str] = set()

    @property
    def synced(self) -> bool:
        """Whether istiod would call itself ready: every requested type but MeshConfig was answered once."""
        return not self.missing_types

    @property
    def missing_types(self) -> tuple[str, ...]:
        """The type URLs readiness still waits for, in request order."""
        return tuple(type_url for type_url in self.family.gating_types if type_url not in self._answered)

    def initial_requests(self) -> list[Request]:
        """The requests that open every stream: no version, a wall-clock text as nonce, the node on the first only."""
        now_ns = self._clock_ns()
        return [
            Request(
                type_url=type_url,
                response_nonce=self._clock_text(now_ns + index),
                node=None if index else self.node,
            )
            for index, type_url in enumerate(self.family.types)
        ]

    def handle(self, response: DecodedResponse) -> Handled:
        """Apply one response as istiod does and say what to answer."""
        self.counters.responses += 1
        ack = self._acknowledge(response)
        if response.type_url not in self.family.types:
            self.counters.unknown_types += 1
            return Handled(response.type_url, ack)
        if response.type_url == MESH_CONFIG:
            return Handled(response.type_url, ack)
        events = self._apply(kind_of(response.type_url), response.resources)
        self.counters.actions.update(event.action for event in events)
        was_synced = self.synced
        self._answered.add(response.type_url)
        return Handled(response.type_url, ack, tuple(events), completed_sync=self.synced and not was_synced)

    def _acknowledge(self, response: DecodedResponse) -> Request | None:
        if response.type_url.startswith(UNACKNOWLEDGED_PREFIX):
            return None
        if response.type_url == MESH_CONFIG and response.resources:
            return None
        self.counters.acks += 1
        return Request(
            type_url=response.type_url,
            version_info=response.version_info,
            response_nonce=response.nonce,
            node=self.node,
        )

    def _apply(self, kind: str, resources: tuple[DecodedResource, ...]) -> list[ConfigEvent]:
        events = []
        received: set[ConfigKey] = set()
        lost: list[_NotReceived] = []
        for resource in resources:
            config = _to_config(kind, resource, self.node.revision)
            if isinstance(config, _NotReceived):
                lost.append(config)
                events.append(ConfigEvent(config.action, config.key, reason=config.reason))
            else:
                received.add(config.key)
                events.append(self._store(config))
        return events + self._delete_missing(kind, received, lost)

    def _store(self, config: StoredConfig) -> ConfigEvent:
        old = self.configs.get(config.key)
        if old is not None and config.version and old.version == config.version:
            return ConfigEvent(Action.SKIPPED, config.key, old, old)
        faults = validate(config.key.kind, config.key.namespace, config.annotations, config.spec, self.family.behaviour)
        if faults:
            return ConfigEvent(Action.INVALID, config.key, old, old, "; ".join(faults))
        new = self._with_stored_version(config, is_update=old is not None)
        self.configs[config.key] = new
        return ConfigEvent(Action.UPDATED if old else Action.CREATED, config.key, old, new)

    def _with_stored_version(self, config: StoredConfig, *, is_update: bool) -> StoredConfig:
        if config.version:
            return config
        annotations = {**config.annotations, VERSION_ANNOTATION: ""} if is_update else config.annotations
        return replace(config, version=self._clock_text(self._clock_ns()), annotations=annotations)

    def _delete_missing(self, kind: str, received: set[ConfigKey], lost: list[_NotReceived]) -> list[ConfigEvent]:
        causes = {resource.key: resource for resource in lost}
        missing = [key for key in self.configs if key.kind == kind and key not in received]
        events = []
        for key in missing:
            cause = causes.get(key) or causes.get(ConfigKey(kind, "", ""))
            if cause is not None and cause.action is Action.UNDECODABLE:
                self.counters.deleted_by_fault += 1
            reason = cause.reason if cause else ""
            events.append(ConfigEvent(Action.DELETED, key, self.configs.pop(key), None, reason))
        return events

    def _clock_text(self, now_ns: int) -> str:
        """Go's ``time.Now().String()``, which istiod uses as nonce and as version of a resource without one."""
        seconds, nanos = divmod(now_ns, 10**9)
        uptime_s = (now_ns - self._started_ns) / 10**9
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanos:09} +0000 UTC m=+{uptime_s:.9f}"


def _to_config(kind: str, resource: DecodedResource, revision: str) -> StoredConfig | _NotReceived:
    metadata = resource.metadata
    if metadata is None:
        nameless = ConfigKey(kind, "", "")
        if resource.fault:
            return _NotReceived(Action.UNDECODABLE, nameless, resource.fault)
        return StoredConfig(nameless, "", 0, {}, {}, None)
    label = metadata.labels.get(REVISION_LABEL)
    namespace, _, name = metadata.name.partition("/")
    key = ConfigKey(kind, namespace, name)
    if revision and label is not None and label != revision:
        return _NotReceived(Action.OTHER_REVISION, key, f"label {REVISION_LABEL} is {label!r}")
    if metadata.name.count("/") != 1:
        return _NotReceived(
            Action.UNDECODABLE,
            ConfigKey(kind, "", metadata.name),
            f"name {metadata.name!r} is not namespace/name",
        )
    if resource.fault:
        return _NotReceived(Action.UNDECODABLE, key, resource.fault)
    return _config(key, metadata, resource.spec)


def _config(key: ConfigKey, metadata: ResourceMetadata, spec: Spec | None) -> StoredConfig:
    return StoredConfig(key, metadata.version, metadata.create_time_ns, metadata.labels, metadata.annotations, spec)
