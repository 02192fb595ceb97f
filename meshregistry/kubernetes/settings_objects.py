"""The objects in which Slime's users keep settings: a ConfigMap in place of the file, a RegistrySource over it.

Rules: Slime module/module.go: DYNAMIC_CONFIG_MAP and WATCHING_REGISTRYSOURCE name them, in POD_NAMESPACE. A ConfigMap
that is gone gives the file back. Different on purpose: one without the key changes nothing, where Slime panics.
"""

import asyncio
import base64
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from meshregistry.kubernetes.client import ClusterClient
from meshregistry.kubernetes.follower import Follower, decode_each
from meshregistry.kubernetes.watch import ClusterOptions, await_access
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

CONFIG_KEY = "cfg_meshregistry"
_LONGEST_WAIT_S = 10.0


class ConfigMap(msgspec.Struct, frozen=True, rename="camel"):
    """A ConfigMap; binary data, such as gzip, is in base64."""

    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class RegistrySource(msgspec.Struct, frozen=True):
    """Slime's resource of the kind RegistrySource."""

    spec: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class ObjectNames:
    """What to look at; "" is nothing."""

    namespace: str
    config_map: str = ""
    registry_source: str = ""


class SettingsObjects:
    """Owner of what the objects say; a cluster that cannot be read keeps what is known."""

    def __init__(self, names: ObjectNames, options: ClusterOptions, metrics: Metrics) -> None:
        self._names = names
        self._options = options
        self._metrics = metrics
        self._settled = asyncio.Event()
        self.on_change: Callable[[], None] = lambda: None
        """Called after every change."""

        self.config_map: ConfigMap | None = None
        self.spec: dict[str, object] | None = None
        """Of the RegistrySource."""

    def config(self) -> bytes | None:
        """Return the settings in the ConfigMap, plain or gzip; None when there is no such ConfigMap.

        Raises ValueError for one without them.
        """
        found = self.config_map
        if found is None:
            return None
        if CONFIG_KEY in (found.data or {}):
            return (found.data or {})[CONFIG_KEY].encode()
        try:
            return base64.b64decode((found.binary_data or {})[CONFIG_KEY], validate=True)
        except (KeyError, ValueError):  # no base64, in ASCII or not
            raise ValueError(f"ConfigMap {self._names.config_map} has no usable {CONFIG_KEY}") from None

    async def wait_settled(self) -> None:
        """Return once the objects have been read, or may not be, or 10 s have passed. Cancelling is safe."""
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                await self._settled.wait()
        except TimeoutError:
            _log.warning("settings.objects_late after_s=%.0f effect=%r", _LONGEST_WAIT_S, "the file counts until then")

    async def run(self) -> None:
        """Follow for ever. Cancelling it is safe."""
        options, names = self._options, self._names
        access = await await_access(options, self._tell_trouble)
        followers = []
        if names.config_map:
            path = f"/api/v1/namespaces/{names.namespace}/configmaps"
            followers.append(self._follower(path, names.config_map, "config_map", ConfigMap))
        if names.registry_source:
            path = f"/apis/microservice.slime.io/v1alpha1/namespaces/{names.namespace}/registrysources"
            followers.append(self._follower(path, names.registry_source, "registry_source", RegistrySource))
        async with ClusterClient(access) as client, asyncio.TaskGroup() as tasks:
            for each in followers:
                tasks.create_task(each.run(client, options.resync_s, options.cluster_id))
            for each in followers:
                await each.settled.wait()
            self._settled.set()

    def _tell_trouble(self, trouble: str) -> None:
        _log.error("settings.objects_unreachable reason=%r effect=%r", trouble, "the file alone counts")
        self._settled.set()

    def _follower(self, path: str, name: str, kind: str, form: type[ConfigMap] | type[RegistrySource]) -> Follower:
        query = {"fieldSelector": f"metadata.name={name}"}
        return Follower(kind, path, query, _ObjectShelf(form, self._take, self._count_bad(kind)), self._metrics)

    def _take(self, form: type[ConfigMap] | type[RegistrySource], found: ConfigMap | RegistrySource | None) -> None:
        if form is ConfigMap:
            self.config_map = found if isinstance(found, ConfigMap) else None
        else:
            self.spec = found.spec if isinstance(found, RegistrySource) else None
        self.on_change()

    def _count_bad(self, kind: str) -> Callable[[], None]:
        return self._metrics.pod_bad_objects.labels(kind).inc


_Form = type[ConfigMap] | type[RegistrySource]
_Take = Callable[[_Form, ConfigMap | RegistrySource | None], None]


class _ObjectShelf:
    """At most one object: the one of the name that is followed."""

    def __init__(self, form: _Form, take: _Take, on_bad: Callable[[], None]) -> None:
        self._form = form
        self._take = take
        self._on_bad = on_bad

    def replace(self, items: Iterable[msgspec.Raw]) -> None:
        """Make this all that there is; an object that cannot be read changes nothing."""
        listed = list(items)
        found: list[ConfigMap | RegistrySource] = [*decode_each(listed, self._form, self._on_bad)]
        if found or not listed:
            self._take(self._form, found[0] if found else None)

    def apply(self, kind: str, item: msgspec.Raw) -> None:
        """Take one change."""
        self.replace([] if kind == "DELETED" else [item])
