"""The settings file, followed: a changed one is read and judged whole, then takes effect, or nothing does.

Decisions are in `changes`; this is their surroundings: the file, the state that pages and metrics show.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import msgspec
import xxhash

from meshregistry.changes import find_objections
from meshregistry.errors import SettingsError
from meshregistry.kubernetes.settings_objects import ObjectNames, SettingsObjects
from meshregistry.settings.load import Loaded, load_settings
from meshregistry.settings.location import SettingsText, read_settings, replace_text
from meshregistry.settings.registry_source import patch_settings
from meshregistry.settings.root import Settings
from meshregistry.settings.secrets import list_secrets
from meshregistry.sources.files.watching import watch_folder
from meshregistry.telemetry.logs import conceal_in_tracebacks
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wiring import check_readable, cluster_options

_log = logging.getLogger(__name__)


class SettingsOrigin(msgspec.Struct, frozen=True):
    """Where the running settings came from."""

    path: Path
    """As it was given: a file, or a folder with one."""

    environment: Mapping[str, str]
    digest: str
    loaded: Loaded
    is_shadow: bool = False
    """Whether nobody is served whatever the file says."""


def open_settings(path: Path, environ: Mapping[str, str], *, is_shadow: bool = False) -> SettingsOrigin:
    """Return the settings that this version can run. Raises SettingsError with every fault."""
    text = read_settings(path)
    return SettingsOrigin(path, environ, text.digest, _load(text, environ, is_shadow=is_shadow), is_shadow)


def settings_objects(origin: SettingsOrigin, metrics: Metrics) -> SettingsObjects | None:
    """Return the objects of Kubernetes that the environment names, None when it names none."""
    environ = origin.environment
    config_map, source = environ.get("DYNAMIC_CONFIG_MAP", ""), environ.get("WATCHING_REGISTRYSOURCE", "")
    if not config_map and not source:
        return None
    settings = origin.loaded.settings
    namespace = environ.get("POD_NAMESPACE") or settings.k8s.cluster_registries_namespace
    return SettingsObjects(ObjectNames(namespace, config_map, source), cluster_options(settings), metrics)


def read_all(path: Path, objects: SettingsObjects | None) -> SettingsText:
    """Return what counts now: the ConfigMap, or else the file, with the patch. Raises SettingsError."""
    text = read_settings(path)
    if objects is None:
        return text
    try:
        content = objects.config()
    except ValueError as error:
        raise SettingsError([f"settings: {error}"]) from None
    text = text if content is None else replace_text(text, content)
    if objects.spec is None:
        return text
    stamp = xxhash.xxh3_64_hexdigest(msgspec.json.encode(objects.spec, order="deterministic"))
    return text._replace(digest=f"{text.digest}+{stamp}", patch=objects.spec)


def reopen_settings(origin: SettingsOrigin, objects: SettingsObjects) -> SettingsOrigin:
    """Return the settings with what the objects say; when that cannot be used, the file's alone, and a log line."""
    try:
        text = read_all(origin.path, objects)
        loaded = _load(text, origin.environment, is_shadow=origin.is_shadow)
    except SettingsError as error:
        for fault in error.faults:
            _log.error("settings.object_refused effect=%r fault=%s", "the file alone counts", fault)
        return origin
    conceal_in_tracebacks([*list_secrets(origin.loaded.settings), *list_secrets(loaded.settings)])
    return msgspec.structs.replace(origin, digest=text.digest, loaded=loaded)


def _load(text: SettingsText, environ: Mapping[str, str], *, is_shadow: bool) -> Loaded:
    loaded = load_settings(text.text, environ, base_dir=text.path.parent, bundle=text.bundle)
    if text.patch is not None:
        loaded = replace(loaded, settings=patch_settings(loaded.settings, text.patch))
    check_readable(loaded.settings)
    if is_shadow:
        return replace(loaded, settings=loaded.settings.model_copy(update={"shadow": True}))
    return loaded


Apply = Callable[[Settings, asyncio.TaskGroup], Awaitable[tuple[str, ...]]]
"""Makes settings take effect; tasks of new sources go into the group. Returns what needs a restart."""


class Reload:
    """Owner of what is known of the settings file: which content runs, which was refused and why."""

    def __init__(
        self, origin: SettingsOrigin, apply: Apply, metrics: Metrics, objects: SettingsObjects | None = None
    ) -> None:
        self._origin = origin
        self._objects = objects
        self._apply = apply
        self._metrics = metrics
        self._seen = origin.digest
        self._faults: tuple[str, ...] = ()
        self._needs_restart: tuple[str, ...] = ()
        self._reloaded_at = 0.0
        self._asked = asyncio.Event()
        metrics.reload_ok.set(1)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the effective settings should know: the last reload, its faults, what waits."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._reloaded_at))
        return (
            *([f"reloaded at {at}"] if self._reloaded_at else []),
            *(f"needs a restart: {path}" for path in self._needs_restart),
            *(f"the file is refused, these settings stay: {fault}" for fault in self._faults),
        )

    def ask(self) -> None:
        """Have the file looked at now."""
        self._asked.set()

    async def watch(self) -> None:
        """Ask whenever the file may have changed, for ever. Cancelling it is safe."""
        folder = self._origin.path if self._origin.path.is_dir() else self._origin.path.parent
        period_s = self._origin.loaded.settings.reload.check_interval
        async with aclosing(watch_folder(folder, period_s)) as notices:
            async for _ in notices:
                self._asked.set()

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Follow the file whenever asked, for ever. Cancelling it can leave a change half done: only for the stop."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.follow(tasks)

    async def follow(self, tasks: asyncio.TaskGroup) -> None:
        """Look at the file once and make what it says take effect; what cannot changes nothing."""
        try:
            text = await self._read_settled()
            if text.digest == self._seen:
                return
            self._seen = text.digest
            if text.digest == self._origin.digest:
                self._note_success(restored=True)
                return
            wanted = await asyncio.to_thread(self._judge, text)
            self._needs_restart = await self._apply(wanted.settings, tasks)
        except SettingsError as error:
            self._note_failure(error)
            return
        self._origin = msgspec.structs.replace(self._origin, digest=text.digest, loaded=wanted)
        self._note_success(restored=False)
        for warning in wanted.warnings:
            _log.warning("reload.warning %s", warning)

    async def _read_settled(self) -> SettingsText:
        """Return the file once it has stopped changing: a writer may not be done yet. Raises SettingsError."""
        settle_s = self._origin.loaded.settings.reload.settle
        try:
            text = await asyncio.to_thread(read_all, self._origin.path, self._objects)
        except SettingsError:
            self._seen = ""
            raise
        while text.digest != self._seen:
            await asyncio.sleep(settle_s)
            again = await asyncio.to_thread(read_all, self._origin.path, self._objects)
            if again.digest == text.digest:
                break
            text = again
        return text

    def _judge(self, text: SettingsText) -> Loaded:
        """Return the settings in a text. Raises SettingsError when they must not take effect."""
        try:
            wanted = _load(text, self._origin.environment, is_shadow=self._origin.is_shadow)
        except SettingsError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge: no file may end a running service
            # Not logged with its traceback, which may print a secret.
            raise SettingsError([f"settings: cannot be understood ({type(error).__name__})"]) from None
        objections = find_objections(self._origin.loaded, wanted)
        if objections:
            raise SettingsError(objections)
        return wanted

    def _note_success(self, *, restored: bool) -> None:
        self._faults = ()
        self._metrics.reload_ok.set(1)
        if restored:
            _log.info("reload.restored path=%s", self._origin.path)
            return
        self._reloaded_at = time.time()
        self._metrics.reloads.labels("success").inc()
        self._metrics.reload_time.set(self._reloaded_at)
        _log.info("reload.done path=%s", self._origin.path)
        for path in self._needs_restart:
            _log.warning("reload.needs_restart setting=%s", path)

    def _note_failure(self, error: SettingsError) -> None:
        faults = tuple(error.faults)
        if faults == self._faults:
            return
        self._faults = faults
        self._metrics.reload_ok.set(0)
        self._metrics.reloads.labels("failure").inc()
        for fault in faults:
            _log.error("reload.refused path=%s fault=%s", self._origin.path, fault)
