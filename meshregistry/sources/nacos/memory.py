"""What a reading of a scope gives, and what is remembered of it so that equal bytes are not decoded again."""

from collections.abc import Mapping
from typing import NamedTuple

from meshregistry.sources.nacos.instances import Harvest

PagePlace = tuple[int, int]
"""Number and size of a page."""


class Reading(NamedTuple):
    """One service whose bytes differ from those remembered."""

    harvest: Harvest | None
    """None when a second look showed the content to be as published."""

    item_digest: int = 0
    """Hash of its raw item in the bulk listing; 0 when not read there."""

    list_digest: int = 0
    """Hash of its own instance list; 0 when not read."""

    suspect: bool = False
    """Whether the bulk listing shows unhealthy instances, so that its own list must be asked."""


class BulkPage(NamedTuple):
    """One page of the bulk listing, read for one group."""

    digest: int
    names: tuple[str, ...]
    length: int
    total: int | None
    foreign: frozenset[int]
    """Hashes of the items of other groups."""

    nameless: int
    """Items whose service cannot be told."""

    unread: Mapping[str, str]
    """Services none of whose instances can be known, and why."""

    fresh: Mapping[str, Reading]


class Listing(NamedTuple):
    """An authoritative listing of one scope: every name, and the services that differ from what is remembered."""

    names: frozenset[str]
    fresh: Mapping[str, Reading]
    unread: Mapping[str, str]
    """Services that are listed but could not be read, and why."""

    observed_at: float
    unchanged: int
    """Bodies skipped by their hash."""

    nameless: int = 0
    """With any of these the listing cannot say that a service is gone."""

    pages: Mapping[PagePlace, BulkPage] = {}


class Known(NamedTuple):
    """One service as published."""

    item_digest: int
    list_digest: int
    content_digest: int
    instances: int
    bad: int
    suspect: bool


class Memory:
    """The published state of one scope. Owned by its ScopeReader.

    Changes are made on a draft, in slices; once they are published the draft is adopted in one step, because
    half a change would take old bytes for what is published.
    """

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.by_item: dict[int, str] = {}
        """Hash of the raw bulk item a published service was last read from → its name."""

        self.foreign: frozenset[int] = frozenset()
        self.pages: dict[PagePlace, BulkPage] = {}

    def draft(self) -> "Memory":
        """Return a copy to be changed."""
        draft = Memory()
        draft.known, draft.by_item = dict(self.known), dict(self.by_item)
        return draft

    def adopt(self, draft: "Memory") -> None:
        """Become the draft."""
        self.known, self.by_item = draft.known, draft.by_item
        self.foreign, self.pages = draft.foreign, draft.pages

    def put(self, name: str, known: Known) -> None:
        """Remember a service as published."""
        self._forget_item(name)
        self.known[name] = known
        if known.item_digest:
            self.by_item[known.item_digest] = name

    def keep_only(self, names: frozenset[str]) -> None:
        """Forget services that are no longer listed."""
        for name in self.known.keys() - names:
            self._forget_item(name)
            del self.known[name]

    def keep_pages(self, pages: Mapping[PagePlace, BulkPage]) -> None:
        """Remember the pages of the latest listing in place of all others."""
        self.pages = {place: page._replace(fresh={}) for place, page in pages.items()}
        self.foreign = frozenset().union(*(page.foreign for page in pages.values()))

    def _forget_item(self, name: str) -> None:
        known = self.known.get(name)
        if known is not None:
            self.by_item.pop(known.item_digest, None)
