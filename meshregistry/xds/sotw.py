"""State of the world: every response carries everything the client sees of the type.

With version stubs, a resource that was sent in full at its version on this very stream is carried by its name and
version alone; istiod finds the version equal and keeps what it has (measured with istiod 1.24.6, 1.29.6, 1.30.3).
Never on the first response of a stream: a restarted istiod cannot be told from a reconnecting one.
"""

from typing import ClassVar

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.wire.resource import Resource
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.requests import Request
from meshregistry.xds.subscription import Subscription
from meshregistry.xds.type_state import Content, Reason, TypeState
from meshregistry.xds.views import View, select_version


class SotwContent(Content, frozen=True):
    """Either a whole view, or the selected resources."""

    view: View | None = None
    base: View | None = None
    """What this stream holds in full: equal versions are sent as stubs. None: everything in full."""

    selected: tuple[Resource, ...] = ()


class SotwType(TypeState):
    """One type of a SotW stream.

    `base` is the view of the last response: istiod works strictly in order, so its ACK need not be waited for.
    """

    dialect: ClassVar[str] = "sotw"
    honours_stale_names: ClassVar[bool] = False
    answers_empty_nonce: ClassVar[bool] = True
    resends_refused: ClassVar[bool] = True

    def __init__(self, options: AdsOptions, type_url: str, kind: Kind | None, refresh_s: float | None) -> None:
        """`refresh_s` is the greatest age of a full response for a client of version stubs; None means no stubs."""
        super().__init__(type_url, kind)
        self._pause_s = options.rhythm.push_pause_s
        self._refresh_s = refresh_s
        self._base: View | None = None

    def begin(self, request: Request) -> None:
        """Take the names of the first request; none at all is the legacy wildcard."""
        if request.names:
            self.subscription.replace(request.names)
        else:
            self.subscription.begin_legacy()

    def adjust(self, request: Request) -> bool:
        """Take the whole list of a later request; any difference is answered with the new whole."""
        return self.subscription.replace(request.names)

    def note_change(self, change: Change) -> bool:
        """Tell whether anything subscribed is in the commit."""
        wants = self.subscription.wants
        return self.subscription.everything or any(map(wants, change.changed)) or any(map(wants, change.removed))

    def compose(self, view: View, now: float) -> SotwContent | None:
        """Return the whole of what is subscribed; None if a mere change left it as it was last sent."""
        if self.subscription.everything:
            return self._compose_view(view, now)
        self._base = self.refresh_at = None
        selected = select(view, self.subscription)
        version = select_version(selected)
        return None if self._is_old(version) else SotwContent(version=version, selected=selected)

    def _compose_view(self, view: View, now: float) -> SotwContent | None:
        if self._is_old(view.version):
            return None
        refresh = self.refresh_at is not None and now >= self.refresh_at
        base = None if self._refresh_s is None or refresh else self._base
        self._base = view
        if base is None:
            self.refresh_at = None
        elif self.refresh_at is None and self._refresh_s:
            self.refresh_at = now + self._refresh_s
        return SotwContent(version=view.version, view=view, base=base)

    def pause_s(self, content: Content) -> float:
        """Return the same for every response: each is followed by istiod's debounce."""
        return self._pause_s

    def distrust(self) -> None:
        """Send the next response in full."""
        self._base = None

    def _is_old(self, version: str) -> bool:
        return self.due is Reason.CHANGE and version == self.version


def select(view: View, subscription: Subscription) -> tuple[Resource, ...]:
    """Return what a subscription by names and prefixes finds, in the order of names."""
    found = {name: resource for name in subscription.names if (resource := view.get(name)) is not None}
    for prefix in subscription.prefixes:
        found.update((resource.name, resource) for resource in view.starting_with(prefix))
    return tuple(found[name] for name in sorted(found))
