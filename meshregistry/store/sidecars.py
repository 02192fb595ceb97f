"""Sidecars from the registries' updates to the store: they are neither merged nor guarded, a source decides alone."""

from collections.abc import Iterable
from datetime import datetime

from meshregistry.model.events import SidecarChanges
from meshregistry.model.policy import Territory
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Kind
from meshregistry.model.territory import deny_sidecar
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource
from meshregistry.wire.sidecar import encode_sidecar


class SidecarShelf:
    """Owner of the Sidecars that have changed since the last commit; owned by the reducer."""

    def __init__(self, store: SnapshotStore, create_time: datetime, rejects: RejectLedger, metrics: Metrics) -> None:
        self._store = store
        self._create_time = create_time
        self._rejects = rejects
        self._metrics = metrics
        self._changed: dict[str, Resource | None] = {}
        self._sources: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._judged: dict[str, str] = {}

    def note(self, update: SidecarChanges, territory: Territory | None = None) -> None:
        """Take changed Sidecars; one that must not be published leaves the last good one.

        One outside the source's territory leaves nothing: what was served of it is not the source's to have either.
        """
        if update.is_complete:
            self._end_unnamed(update)
        for name, made in update.sidecars.items():
            denial = deny_sidecar(made.sidecar, update.source, territory) if made.sidecar and territory else None
            self._judge(name, update.source, (denial,) if denial else made.rejects)
            if denial:
                self._remove(name, update.source)
            elif made.sidecar is not None or not made.rejects:
                self._changed[name] = encode_sidecar(made.sidecar, self._create_time) if made.sidecar else None
                self._sources[name] = self._owners[name] = update.source

    def _end_unnamed(self, update: SidecarChanges) -> None:
        known = self._store.current.collection(Kind.SIDECAR).resources
        for name in known.keys() - update.sidecars.keys():
            self._remove(name, update.source)
        for name in [name for name, source in self._judged.items() if source == update.source]:
            if name not in update.sidecars:
                self._judge(name, update.source, ())

    def _remove(self, name: str, source: str) -> None:
        """Remove a Sidecar unless it is another source's."""
        if self._owners.get(name, source) == source:
            self._changed[name], self._sources[name] = None, source

    def _judge(self, name: str, source: str, rejects: tuple[Reject, ...]) -> None:
        self._rejects.replace(f"{Kind.SIDECAR} {name}", rejects)
        self._judged.pop(name, None)
        if rejects:
            self._judged[name] = source

    def restore(self, resources: Iterable[Resource]) -> None:
        """Go on with the Sidecars of another process, until their source tells all of its own.

        Where no source produces any, there are none.
        """
        if Kind.SIDECAR in self._store.current.held:
            self._store.commit(Kind.SIDECAR, resources, ())
            served = self._store.current.collection(Kind.SIDECAR).resources
            self._metrics.resources.labels(Kind.SIDECAR.value).set(len(served))

    def commit(self) -> None:
        """Commit what was taken, in one step; nothing if nothing really changed."""
        if not self._changed:
            return
        upserts = [resource for resource in self._changed.values() if resource is not None]
        removals = [name for name, resource in self._changed.items() if resource is None]
        before = self._store.current.collection(Kind.SIDECAR).resources
        change = self._store.commit(Kind.SIDECAR, upserts, removals)
        if change is not None:
            metrics = self._metrics
            metrics.commits.labels(change.kind.value).inc()
            metrics.mcp_push_count.inc()
            metrics.resources.labels(change.kind.value).set(len(self._store.current.collection(Kind.SIDECAR).resources))
            for name in change.changed:
                counted = metrics.sidecar_update if name in before else metrics.sidecar_creation
                counted.labels(self._sources[name]).inc()
                event_type = "Updated" if name in before else "Added"
                metrics.count_events(self._sources[name], Kind.SIDECAR.value, event_type)
                metrics.sidecar_total.labels(self._sources[name]).inc(name not in before)
            for name in change.removed:
                metrics.sidecar_deletion.labels(self._sources[name]).inc()
                metrics.count_events(self._sources[name], Kind.SIDECAR.value, "Deleted")
                metrics.sidecar_total.labels(self._sources[name]).dec()
        self._changed.clear()
        self._sources.clear()
