"""Sidecars from the registries' updates to the store: they are neither merged nor guarded, a source decides alone."""

from collections import Counter
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
    """Owner of what every source says of Sidecars, and of what has changed since the last commit; owned by the reducer.

    Where several sources name one, the first by the alphabet is served, whoever speaks last: what people write
    (`files`) goes before what is made of consumers (`zookeeper`).
    """

    def __init__(self, store: SnapshotStore, create_time: datetime, rejects: RejectLedger, metrics: Metrics) -> None:
        self._store = store
        self._create_time = create_time
        self._rejects = rejects
        self._metrics = metrics
        self._told: dict[str, dict[str, Resource]] = {}
        """By name, then by source."""

        self._restored: dict[str, Resource] = {}
        """What another process served and no source of this one has named yet: nobody knows whose it is."""

        self._unheard: set[str] = set()
        """The sources whose it may be."""

        self._changed: dict[str, Resource | None] = {}
        self._sources: dict[str, str] = {}
        self._speakers: set[str] = set()
        self._judged: set[tuple[str, str]] = set()
        """Source and name."""

    def note(self, update: SidecarChanges, territory: Territory | None = None) -> None:
        """Take changed Sidecars; one that must not be published leaves the last good one.

        One outside the source's territory leaves nothing: what was served of it is not the source's to have either.
        """
        self._speakers.add(update.source)
        for name, made in update.sidecars.items():
            denial = deny_sidecar(made.sidecar, update.source, territory) if made.sidecar and territory else None
            rejects = (denial,) if denial else made.rejects
            self._judge(name, update.source, rejects)
            if denial or not (made.sidecar or rejects):
                self._put(name, update.source, None)
            elif made.sidecar:
                self._restored.pop(name, None)
                self._put(name, update.source, encode_sidecar(made.sidecar, self._create_time))
            elif name in self._restored:
                self._put(name, update.source, self._restored.pop(name))
        if update.is_complete:
            self._end_unnamed(update)

    def _end_unnamed(self, update: SidecarChanges) -> None:
        source = update.source
        for name in [name for name, told in self._told.items() if source in told and name not in update.sidecars]:
            self._put(name, source, None)
        for name in [name for judged, name in self._judged if judged == source and name not in update.sidecars]:
            self._judge(name, source, ())
        self._unheard.discard(source)
        if not self._unheard:
            for name in self._restored:
                self._changed[name], self._sources[name] = None, source
            self._restored.clear()

    def _put(self, name: str, source: str, resource: Resource | None) -> None:
        """Take what a source says of a Sidecar, None for none: another source's stays, and what nobody has named."""
        told = self._told.setdefault(name, {})
        said = told.pop(source, None)
        if resource is not None:
            told[source] = resource
        if not told:
            del self._told[name]
        if said is not None or resource is not None:
            first = min(told, default=source)
            self._changed[name], self._sources[name] = told.get(first), first

    def _judge(self, name: str, source: str, rejects: tuple[Reject, ...]) -> None:
        self._rejects.replace(f"{Kind.SIDECAR} {source} {name}", rejects)
        if rejects:
            self._judged.add((source, name))
        else:
            self._judged.discard((source, name))

    def restore(self, resources: Iterable[Resource], makers: Iterable[str]) -> None:
        """Go on with the Sidecars of another process, until every source that makes some has told all of its own.

        Where no source produces any, there are none.
        """
        if Kind.SIDECAR in self._store.current.held:
            self._restored = {resource.name: resource for resource in resources}
            self._unheard = set(makers)
            self._store.commit(Kind.SIDECAR, self._restored.values(), ())
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
            for name in change.removed:
                metrics.sidecar_deletion.labels(self._sources[name]).inc()
                metrics.count_events(self._sources[name], Kind.SIDECAR.value, "Deleted")
        self._count_served()
        self._changed.clear()
        self._sources.clear()

    def _count_served(self) -> None:
        served = Counter(map(min, self._told.values()))
        for source in self._speakers:
            self._metrics.sidecar_total.labels(source).set(served[source])
