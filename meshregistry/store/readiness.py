"""The barrier before the first answer: half a catalogue would delete the other half in every istiod."""

import logging
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from meshregistry.model.service_entry import Kind
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)


class SyncBarrier:
    """Owner of which sources are waited for; declares the snapshot complete when that is none. Owned by the reducer."""

    def __init__(self, store: SnapshotStore, sources: Iterable[str], metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._pending = set(sources)

    @property
    def pending(self) -> AbstractSet[str]:
        """Enabled sources that have not yet read each of their scopes once."""
        return self._pending

    def expect(self, restarted: AbstractSet[str], retired: AbstractSet[str]) -> None:
        """Wait for sources that begin anew, and not for others any more, unless something is served already."""
        if not self._store.current.complete:
            self._pending = (self._pending | restarted) - retired

    def release(self, sources: Iterable[str]) -> None:
        """Wait for these sources no longer."""
        self._pending.difference_update(sources)
        if not self._pending and not self._store.current.complete:
            self._store.complete()
            self._metrics.complete.set(1)
            _log.info("store.complete resources=%d", len(self._store.current.collection(Kind.SERVICE_ENTRY).resources))
