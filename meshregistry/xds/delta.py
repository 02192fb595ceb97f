"""Delta: a response carries what changed since the last one on this stream, and the names that went.

Rules: xDS protocol, section "Incremental xDS"; where peers differ (go-control-plane does not resend a name that is
subscribed again, istiod drops requests with a stale nonce) the document is followed.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import ClassVar, Final

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.wire.resource import Resource
from meshregistry.xds.differences import Part, find_step, size_of
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.requests import Request
from meshregistry.xds.subscription import WILDCARD, prefix_of
from meshregistry.xds.type_state import Content, Reason, TypeState
from meshregistry.xds.views import NOTHING, View

_UNKNOWN: Final = ""

_PAUSE_PER_NAME_S: Final = 0.005
"""Below 200 changes a second the pauses die down to this, above they grow to the longest."""


class DeltaContent(Content, frozen=True):
    """The resources to set and the names to drop, each in the order of names."""

    part: Part


class DeltaType(TypeState):
    """One type of a delta stream.

    `base` is the view that a client of everything holds exactly: it needs no tables, and shares what it is sent with
    all who hold the same. Otherwise, and until it does, `base` is None and there are two tables. `known` is what the
    client was sent or said it has, name → version; a blank version stands for "to be mentioned in the next response,
    one way or the other". `dirty` are the names to look at for the next response: bounded by the resources and names
    known, as a removed name that the client never had is not kept.
    """

    dialect: ClassVar[str] = "delta"
    honours_stale_names: ClassVar[bool] = True
    answers_empty_nonce: ClassVar[bool] = False
    resends_refused: ClassVar[bool] = False

    def __init__(self, options: AdsOptions, type_url: str, kind: Kind | None, refresh_s: float | None) -> None:
        """Answers are split at `options.limits.max_delta_bytes`; there are no stubs to refresh."""
        super().__init__(type_url, kind)
        self._max_bytes = options.limits.max_delta_bytes
        self._longest_pause_s = options.rhythm.delta_push_pause_s
        self._base: View | None = NOTHING
        self._is_cut = False
        self._known: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._look_at_all = False

    @property
    def has_rest(self) -> bool:
        """True while a split answer has further parts."""
        return self._is_cut or bool(self._dirty)

    def begin(self, request: Request) -> None:
        """Take the first request: its names, and the versions the client kept from an earlier stream."""
        if not request.subscribe and not request.unsubscribe:
            self.subscription.begin_legacy()
        for name in request.subscribe:
            self.subscription.add(name)
        for name in request.unsubscribe:
            self.subscription.discard(name)
        # A plain name that is subscribed must be answered even if it does not exist: in removed_resources.
        self._known = dict.fromkeys(self.subscription.names, _UNKNOWN)
        self._known |= {name: v for name, v in request.initial_versions.items() if self.subscription.wants(name)}
        if self._known or not self.subscription.everything:
            self._base = None
            self._look_at_all = True

    def adjust(self, request: Request) -> bool:
        """Apply the names of a later request, subscriptions first; tell whether something must be answered."""
        if not request.subscribe and not request.unsubscribe:
            return False
        owed = self._look_at_all
        self._unfold()
        for name in request.subscribe:
            owed = self._subscribe(name) or owed
        for name in request.unsubscribe:
            self._unsubscribe(name)
        return owed or bool(self._dirty)

    def note_change(self, change: Change) -> bool:
        """Remember the names of a commit that are subscribed."""
        if (base := self._base) is not None:
            return bool(change.changed) or any(base.get(name) is not None for name in change.removed)
        wants = self.subscription.wants
        before = len(self._dirty)
        self._dirty.update(name for name in change.changed if wants(name))
        self._dirty.update(name for name in change.removed if name in self._known)
        return len(self._dirty) > before

    def compose(self, view: View, now: float) -> DeltaContent | None:
        """Return what differs from what the client knows; None if that is nothing and no answer is owed."""
        part = self._take(view) if self._base is None else self._advance(self._base, view)
        if not part.runs and not part.removed and self.due is not Reason.FIRST:
            return None
        return DeltaContent(version=view.version, part=part)

    def pause_s(self, content: Content) -> float:
        """Return a time that grows with the response.

        A single change must not delay the next one, and a flood of changes must not become a flood of responses to
        each of many clients.
        """
        assert isinstance(content, DeltaContent)
        names = content.part.resources + len(content.part.removed)
        return min(names * _PAUSE_PER_NAME_S, self._longest_pause_s)

    def distrust(self) -> None:
        """Keep everything: refused versions are not sent again until they change, the others are held."""

    def _advance(self, base: View, view: View) -> Part:
        """Take what the client of everything lacks until a response is full."""
        step = find_step(base, view, self._max_bytes)
        self._is_cut = step.rest_from is not None
        self._base = view if step.rest_from is None else step.rest_from
        return step.part

    def _take(self, view: View) -> Part:
        """Move dirty names into a response until it is full."""
        if self._look_at_all:
            self._look_at_all = False
            self._dirty.update(self._find_differing(view))
        resources: list[Resource] = []
        removed: list[str] = []
        size = 0
        # Popping from the set keeps the cost of a part independent of what is left for the next ones.
        while self._dirty and size < self._max_bytes:
            name = self._dirty.pop()
            resource = view.get(name) if self.subscription.wants(name) else None
            if resource is None:
                if self._known.pop(name, None) is not None:
                    removed.append(name)
                    size += len(name)
            elif self._known.get(name) != resource.version:
                self._known[name] = resource.version
                resources.append(resource)
                size += size_of(resource)
        self._fold(view)
        return Part(tuple(sorted(resources, key=attrgetter("name"))), tuple(sorted(removed)))

    def _find_differing(self, view: View) -> Iterable[str]:
        """Return the names that are not known as they are, and those that are known and gone."""
        known, wants = self._known, self.subscription.wants
        for resource in view:
            if known.get(resource.name) != resource.version and wants(resource.name):
                yield resource.name
        yield from known.keys() - {name for page in view.pages for name in page.names}

    def _fold(self, view: View) -> None:
        """Give up the tables once they say no more than the view does; emptied ones would keep their size."""
        if self._dirty:
            return
        self._dirty = set()
        if self.subscription.everything:
            self._base, self._is_cut, self._known = view, False, {}

    def _unfold(self) -> None:
        """Make the tables, for what only they can say; the view's changes since then are looked for at the end."""
        if self._base is not None:
            self._known = {resource.name: resource.version for resource in self._base}
            self._base, self._is_cut, self._look_at_all = None, False, True

    def _subscribe(self, name: str) -> bool:
        """Tell whether all resources must be looked at.

        Names that are subscribed must be sent even if we believe that the client has them: it may have forgotten.
        """
        self.subscription.add(name)
        prefix = prefix_of(name)
        if name == WILDCARD:
            self._blank(self._known)
        elif prefix:
            self._blank(known for known in self._known if known.startswith(prefix))
        else:
            self._blank((name,))
            return False
        self._look_at_all = True
        return True

    def _unsubscribe(self, name: str) -> None:
        was_everything = self.subscription.everything
        self.subscription.discard(name)
        if name == WILDCARD:
            self._forget(known for known in self._known if not self.subscription.wants(known))
        elif prefix := prefix_of(name):
            # The members of a collection are reported as removed: the client cannot know which they were.
            self._dirty.update(
                known for known in self._known if known.startswith(prefix) and not self.subscription.wants(known)
            )
        elif not self.subscription.wants(name):
            self._forget((name,))
        elif was_everything:
            # The client cannot tell whether the wildcard still covers the name, so it must be told.
            self._blank((name,))

    def _blank(self, names: Iterable[str]) -> None:
        names = tuple(names)
        self._known.update(dict.fromkeys(names, _UNKNOWN))
        self._dirty.update(names)

    def _forget(self, names: Iterable[str]) -> None:
        for name in tuple(names):
            self._known.pop(name, None)
            self._dirty.discard(name)
