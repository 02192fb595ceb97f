"""Slime's private incremental dialect: SotW messages that carry only what changed, and tombstones for what went.

The first response of a type on a stream is full: the client deletes what it does not mention. Every later one is a
difference. Only Istio builds with the client of slime-io/istio-mcp (pkg/mcp/client/client.go) read it that way: a
stock istiod deletes everything that a difference does not mention. The nonce is the cursor, the store's sequence up
to which the client was told; it is never empty, which in Slime made an endless loop (slime issues 404 and 408), and
other nonces are ignored, not answered.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.requests import Request
from meshregistry.xds.selection import Selection
from meshregistry.xds.sotw import SotwContent, SotwType, select
from meshregistry.xds.tombstones import MAX_TOMBSTONES, Tombstones
from meshregistry.xds.type_state import Reason, TypeState
from meshregistry.xds.views import View

_PREFIX: Final = "s"
_DIGITS: Final = 20
"""Enough for 64 bits, so that the order of the texts is that of the numbers."""


class IncrementalContent(SotwContent, frozen=True):
    """Resources to set, and names to drop with the revision label under which the client saw each."""

    tombstones: tuple[tuple[str, str], ...] = ()


class Journal:
    """What an incremental listener knows beyond the snapshot; one for all its streams, owned by the server."""

    def __init__(self, store: SnapshotStore, selection: Selection, bound: int = MAX_TOMBSTONES) -> None:
        """`bound` is that of the tombstones."""
        self._store = store
        self.tombstones = Tombstones(selection, bound)
        self._changed: dict[tuple[Kind, int], tuple[str, ...]] = {}
        self._changed_at = -1

    @property
    def cursor(self) -> int:
        """The sequence of the present snapshot."""
        return self._store.current.sequence

    def begin(self) -> None:
        """Start from the present snapshot; from now on every commit must be noted."""
        self.tombstones.begin(self._store.current)

    def note_change(self, change: Change) -> None:
        """Take a commit, synchronously."""
        self.tombstones.note_change(change, self._store.current)

    def changed_since(self, kind: Kind, sequence: int) -> Sequence[str]:
        """Return the names present whose last change is later; computed once for all streams in step."""
        if self._changed_at != self.cursor:
            self._changed.clear()
            self._changed_at = self.cursor
        found = self._changed.get((kind, sequence))
        if found is None:
            sequences = self._store.current.collection(kind).sequences
            found = tuple(sorted(name for name, last in sequences.items() if last > sequence))
            self._changed[kind, sequence] = found
        return found

    def forget(self, states: Iterable[TypeState]) -> None:
        """Drop the tombstones that no stream needs; `states` are all types of all streams of the listener."""
        floors: dict[Kind, int] = {}
        for state in states:
            if isinstance(state, IncrementalType) and state.kind is not None and state.floor is not None:
                floors[state.kind] = min(state.floor, floors.get(state.kind, state.floor))
        for kind in self.tombstones.kinds():
            self.tombstones.forget(kind, floors.get(kind))


class IncrementalType(SotwType):
    """One type of an incremental stream.

    `_told` is the cursor of the last response, or a later one up to which there was nothing to say: the client works
    strictly in order, so its ACK need not be waited for. `floor` is what it has confirmed.
    """

    dialect: ClassVar[str] = "incremental"

    def __init__(
        self, journal: Journal, options: AdsOptions, type_url: str, kind: Kind | None, refresh_s: float | None
    ) -> None:
        """There are no stubs to refresh."""
        super().__init__(options, type_url, kind, None)
        self._journal = journal
        self._told: int | None = None
        self._confirmed = 0
        self._owes_all = False

    @property
    def floor(self) -> int | None:
        """The sequence up to which this client needs no tombstones; None before the first response."""
        return None if self._told is None else max(self._confirmed, read_cursor(self.acked_nonce))

    def adjust(self, request: Request) -> bool:
        """Take the whole list of a later request; any difference is answered with everything that is wanted."""
        differs = super().adjust(request)
        self._owes_all = self._owes_all or differs
        return differs

    def compose(self, view: View, now: float) -> IncrementalContent | None:
        """Return everything at first and when it is owed, else what the client was not told of; None if nothing.

        Raises:
            Forgotten: the tombstones that the client needs were dropped.
        """
        told, cursor = self._told, self._journal.cursor
        self._told = cursor
        if told is None:
            self._confirmed, self._owes_all = cursor, False
            return self._list_all(view, ())
        if self.due is Reason.CHANGE and view.version == self.version:
            self._confirm(cursor)
            return None
        if self._owes_all or self.due is not Reason.CHANGE:
            self._owes_all = False
            return self._list_all(view, self._find_lost(view, self.floor or 0, told))
        return self._list_changed(view, told, cursor)

    def make_nonce(self, unique: str) -> str:
        """Return the cursor, whatever is unique."""
        return write_cursor(self._told or 0)

    def distrust(self) -> None:
        """Send everything in the next response, with all tombstones since what the client confirmed."""
        self._owes_all = True

    def _list_all(self, view: View, tombstones: tuple[tuple[str, str], ...]) -> IncrementalContent:
        if self.subscription.everything:
            return IncrementalContent(version=view.version, view=view, tombstones=tombstones)
        selected = select(view, self.subscription)
        return IncrementalContent(version=view.version, selected=selected, tombstones=tombstones)

    def _list_changed(self, view: View, told: int, cursor: int) -> IncrementalContent | None:
        names = () if self.kind is None else self._journal.changed_since(self.kind, told)
        wanted = filter(self.subscription.wants, names)
        selected = tuple(resource for name in wanted if (resource := view.get(name)) is not None)
        tombstones = self._find_lost(view, told, told)
        if not selected and not tombstones:
            self._confirm(cursor)
            return None
        return IncrementalContent(version=view.version, selected=selected, tombstones=tombstones)

    def _find_lost(self, view: View, after: int, told: int) -> tuple[tuple[str, str], ...]:
        if self.kind is None:
            return ()
        ended = self._journal.tombstones.find(self.kind, after, told, self.visibility)
        wants = self.subscription.wants
        return tuple((name, ended[name]) for name in sorted(ended) if wants(name) and view.get(name) is None)

    def _confirm(self, cursor: int) -> None:
        # Nothing under way and nothing refused: the client stands where we do.
        if self.in_flight is None and not self._owes_all:
            self._confirmed = cursor


def write_cursor(sequence: int) -> str:
    """Return the nonce of a sequence: texts compare as their numbers do, and none is empty."""
    return f"{_PREFIX}{sequence:0{_DIGITS}d}"


def read_cursor(nonce: str) -> int:
    """Return the sequence of a nonce of ours; 0 for no nonce."""
    return int(nonce.removeprefix(_PREFIX) or 0)
