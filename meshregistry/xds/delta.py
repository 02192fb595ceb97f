"""Delta: a response carries what changed since the last one on this stream, and the names that went.

Rules: xDS protocol, section "Incremental xDS"; where peers differ (go-control-plane does not resend a name that is
subscribed again, istiod drops requests with a stale nonce) the document is followed.
"""

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import ClassVar, Final

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.wire.resource import Resource
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.requests import Request
from meshregistry.xds.subscription import WILDCARD, prefix_of
from meshregistry.xds.type_state import Content, Reason, TypeState
from meshregistry.xds.views import View

_UNKNOWN: Final = ""
_OVERHEAD_BYTES: Final = 64


class DeltaContent(Content, frozen=True):
    """The resources to set and the names to drop, each in the order of names; the parts of a split answer in none."""

    resources: tuple[Resource, ...]
    removed: tuple[str, ...]


class DeltaType(TypeState):
    """One type of a delta stream.

    `known` is what the client was sent or said it has, name → version; a blank version stands for "to be mentioned
    in the next response, one way or the other". `dirty` are the names to look at for the next response: bounded by
    the resources and names known, as a removed name that the client never had is not kept.
    """

    dialect: ClassVar[str] = "delta"
    honours_stale_names: ClassVar[bool] = True
    answers_empty_nonce: ClassVar[bool] = False

    def __init__(self, options: AdsOptions, type_url: str, kind: Kind | None, refresh_s: float | None) -> None:
        """Answers are split at `options.limits.max_delta_bytes`; there are no stubs to refresh."""
        super().__init__(type_url, kind)
        self._max_bytes = options.limits.max_delta_bytes
        self._known: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._look_at_all = False

    @property
    def has_rest(self) -> bool:
        """True while a split answer has further parts."""
        return bool(self._dirty)

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
        self._look_at_all = True

    def adjust(self, request: Request) -> bool:
        """Apply the names of a later request, subscriptions first; tell whether something must be answered."""
        for name in request.subscribe:
            self._subscribe(name)
        for name in request.unsubscribe:
            self._unsubscribe(name)
        return bool(request.subscribe or request.unsubscribe) and (bool(self._dirty) or self._look_at_all)

    def note_change(self, change: Change) -> bool:
        """Remember the names of a commit that are subscribed."""
        wants = self.subscription.wants
        before = len(self._dirty)
        self._dirty.update(name for name in change.changed if wants(name))
        self._dirty.update(name for name in change.removed if name in self._known)
        return len(self._dirty) > before

    def compose(self, view: View, now: float) -> DeltaContent | None:
        """Return what differs from what the client knows; None if that is nothing and no answer is owed."""
        if self._look_at_all:
            self._look_at_all = False
            self._dirty.update(self._known, self._find_wanted(view))
        resources, removed = self._take(view)
        if not resources and not removed and self.due is not Reason.FIRST:
            return None
        return DeltaContent(version=view.version, resources=resources, removed=removed)

    def distrust(self) -> None:
        """Keep everything: refused versions are not sent again until they change, the others are held."""

    def _find_wanted(self, view: View) -> Iterable[str]:
        names = chain.from_iterable(page.names for page in view.pages)
        return names if self.subscription.everything else filter(self.subscription.wants, names)

    def _take(self, view: View) -> tuple[tuple[Resource, ...], tuple[str, ...]]:
        """Move dirty names into a response until it is full."""
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
                size += len(resource.any_bytes) + len(name) + _OVERHEAD_BYTES
        return tuple(sorted(resources, key=attrgetter("name"))), tuple(sorted(removed))

    def _subscribe(self, name: str) -> None:
        """Names that are subscribed must be sent even if we believe that the client has them: it may have forgotten."""
        self.subscription.add(name)
        if name == WILDCARD:
            self._blank(self._known)
            self._look_at_all = True
        elif prefix := prefix_of(name):
            self._blank(known for known in self._known if known.startswith(prefix))
            self._look_at_all = True
        else:
            self._blank((name,))

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
