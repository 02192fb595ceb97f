"""What a kind looks like to a client: an immutable, sorted, paged view whose encoded bytes are shared by all.

A view is a tuple of pages of some dozens of resources in the order of their names. A commit replaces only the pages
it touches, so the encoded form of everything else survives it, and a client that is slow holds only the pages that
differ. The order is canonical: equal resources give equal bytes on every replica.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from xxhash import xxh3_64_intdigest

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.wire.resource import Resource
from meshregistry.xds.selection import Selection
from meshregistry.xds.visibility import Visibility

if TYPE_CHECKING:
    from meshregistry.xds.differences import Step

_PAGE: Final = 64
_MASK: Final = (1 << 64) - 1
_MAX_FILTERED_VIEWS: Final = 64
EVERYTHING: Final = Selection()

_name = attrgetter("name")
_revision = attrgetter("revision")
_labels = attrgetter("labels")
_page_digest = attrgetter("digest")


class Page:
    """Some neighbouring resources; immutable, compared by identity. `bytes_by_form` caches its encoded forms."""

    __slots__ = ("bytes_by_form", "digest", "labels", "names", "resources")

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = tuple(resources)
        self.names = tuple(map(_name, resources))
        self.labels = frozenset(map(_revision, resources))
        self.digest = sum(map(_digest, resources))
        self.bytes_by_form: dict[str, bytes] = {}

    def replaced(self, names: Iterable[str], look_up: Callable[[str], Resource | None]) -> "Page | None":
        """Return the page after these names changed; None if one of them came or went.

        This is what nearly every commit is, so it looks only at what changed.
        """
        resources, digest, revisions = list(self.resources), self.digest, set(self.labels)
        for name in names:
            index = bisect_left(self.names, name)
            new = look_up(name)
            if new is None or index == len(self.names) or self.names[index] != name:
                return None
            digest += _digest(new) - _digest(resources[index])
            revisions.add(new.revision)
            resources[index] = new
        page = Page.__new__(Page)
        page.resources, page.names, page.digest = tuple(resources), self.names, digest
        page.labels = self.labels if len(revisions) == 1 else frozenset(map(_revision, resources))
        page.bytes_by_form = {}
        return page

    def get(self, name: str) -> Resource | None:
        """Return the resource of this name, if the page has it."""
        index = bisect_left(self.names, name)
        return self.resources[index] if index < len(self.names) and self.names[index] == name else None

    def cut(self, start: int, stop: int) -> "Page | None":
        """Return a part of the page: itself if it is all, None if it is nothing."""
        if stop - start == len(self.names):
            return self
        return Page(self.resources[start:stop]) if start < stop else None


class View:
    """The resources of one kind that a client sees at one commit; immutable, compared by identity.

    `steps` caches what leads here from older views, for as long as these live.
    """

    __slots__ = ("__weakref__", "_firsts", "_page_set", "count", "labels", "pages", "steps", "version")

    def __init__(self, pages: Iterable[Page] = ()) -> None:
        self.pages = tuple(pages)
        self._firsts = [page.names[0] for page in self.pages]
        self._page_set = frozenset(self.pages)
        self.count = sum([len(page.names) for page in self.pages])
        self.labels: frozenset[str] = frozenset().union(*map(_labels, self.pages))
        self.version = _version(map(_page_digest, self.pages))
        """Equal for equal content, and equal to the collection's version when nothing is filtered."""

        self.steps: WeakKeyDictionary[View, Step] = WeakKeyDictionary()

    def __iter__(self) -> Iterator[Resource]:
        return chain.from_iterable(page.resources for page in self.pages)

    def get(self, name: str) -> Resource | None:
        """Return the resource of this name, if it is visible."""
        return self.pages[self._index(name)].get(name) if self.pages else None

    def find_new(self, page: Page) -> Sequence[Resource]:
        """Return the resources of a page, perhaps of another view, that this one has not, or not at their version."""
        if page in self._page_set:
            return ()
        # A commit seldom changes which names there are: then the pages are alike, and nothing must be searched.
        twin = self.pages[self._index(page.names[0])] if self.pages else None
        held = twin.resources if twin is not None and twin.names == page.names else map(self.get, page.names)
        return [new for old, new in zip(held, page.resources, strict=True) if old is not new and _differs(old, new)]

    def find_lost(self, page: Page) -> Sequence[str]:
        """Return the names of a page, perhaps of another view, that this one has not."""
        if page in self._page_set or (self.pages and self.pages[self._index(page.names[0])].names == page.names):
            return ()
        return [name for name in page.names if self.get(name) is None]

    def has_page(self, page: Page) -> bool:
        """Tell whether this very page is part of the view: then its content is equal without a look."""
        return page in self._page_set

    def starting_with(self, prefix: str) -> Iterator[Resource]:
        """Return the resources whose names start with the prefix, in order."""
        if not self.pages:
            return
        for page in self.pages[self._index(prefix) :]:
            for index in range(bisect_left(page.names, prefix), len(page.names)):
                if not page.names[index].startswith(prefix):
                    return
                yield page.resources[index]

    def updated(self, names: Iterable[str], look_up: Callable[[str], Resource | None]) -> "View":
        """Return the view after these names changed; `look_up` gives their present state, None if gone."""
        touched: dict[int, set[str]] = {}
        for name in names:
            touched.setdefault(self._index(name), set()).add(name)
        pages = list(self.pages)
        for index in sorted(touched, reverse=True):
            pages[index : index + 1] = _rebuild(self.pages[index : index + 1], touched[index], look_up)
        return View(pages)

    def without(self, names: Iterable[str]) -> "View":
        """Return the view after these names went."""
        return self.updated(names, lambda _: None)

    def until(self, name: str) -> Iterator[Page]:
        """Return what has this or a smaller name."""
        return (part for page in self.pages if (part := page.cut(0, bisect_right(page.names, name))) is not None)

    def beyond(self, name: str) -> Iterator[Page]:
        """Return what has a greater name."""
        return (
            part
            for page in self.pages
            if (part := page.cut(bisect_right(page.names, name), len(page.names))) is not None
        )

    def filtered(self, labels: frozenset[str], previous: "View | None" = None) -> "View":
        """Return the part whose `istio.io/rev` is among the labels, reusing equal pages of a previous such view."""
        known = {page.names: page for page in previous.pages} if previous else {}
        return View(page for whole in self.pages if (page := _filter(whole, labels, known)) is not None)

    def _index(self, name: str) -> int:
        return max(bisect_right(self._firsts, name) - 1, 0)


def select_version(resources: Iterable[Resource]) -> str:
    """Return the version of a free selection of resources, by the same rule as that of a view."""
    return _version(map(_digest, resources))


class Catalog:
    """Owns the views of all kinds; reads the store, and is told of each commit before any stream is.

    Bounds: one whole view per kind; filtered views, one per kind and set of labels that really occur, are dropped
    beyond `_MAX_FILTERED_VIEWS`, oldest first, and built again when needed.
    """

    def __init__(self, store: SnapshotStore, selection: Selection = EVERYTHING) -> None:
        """`selection` is the part of the world that is looked at."""
        self._store = store
        self._selection = selection
        self._whole: dict[Kind, View] = {}
        self._changed: dict[Kind, set[str]] = {}
        self._filtered: dict[tuple[Kind, frozenset[str]], tuple[View, View]] = {}

    def note_change(self, change: Change) -> None:
        """Remember the names of a commit; the view is brought up to date when somebody looks."""
        if change.kind in self._whole:
            self._changed.setdefault(change.kind, set()).update(change.changed, change.removed)

    def cursor(self) -> int:
        """Return the store's commit number now."""
        return self._store.current.sequence

    def look(self, kind: Kind | None, visibility: Visibility) -> View | None:
        """Return what the client sees of the kind now; None while the kind is held for the first complete snapshot."""
        if kind is None:
            return NOTHING
        snapshot = self._store.current
        if kind in snapshot.held and not snapshot.complete:
            return None
        whole = self._look_whole(kind)
        labels = visibility.visible(whole.labels)
        return whole if labels == whole.labels else self._look_filtered(kind, whole, labels)

    def _look_whole(self, kind: Kind) -> View:
        resources, keeps = self._store.current.collection(kind).resources, self._selection.keeps
        view = self._whole.get(kind)
        if view is None:
            kept = resources.values() if self._selection == EVERYTHING else filter(keeps, resources.values())
            view = self._whole[kind] = View(_paginate(sorted(kept, key=_name)))
        elif names := self._changed.pop(kind, None):
            view = self._whole[kind] = view.updated(names, partial(_find, resources, keeps))
        return view

    def _look_filtered(self, kind: Kind, whole: View, labels: frozenset[str]) -> View:
        source, view = self._filtered.get((kind, labels), (None, None))
        if source is not whole or view is None:
            view = whole.filtered(labels, view)
            self._filtered[kind, labels] = (whole, view)
            if len(self._filtered) > _MAX_FILTERED_VIEWS:
                self._filtered.pop(next(iter(self._filtered)))
        return view


def _find(resources: Mapping[str, Resource], keeps: Callable[[Resource], bool], name: str) -> Resource | None:
    resource = resources.get(name)
    return resource if resource is not None and keeps(resource) else None


def _digest(resource: Resource) -> int:
    return xxh3_64_intdigest(f"{resource.name}\0{resource.version}".encode("utf-8", "replace"))


def _version(digests: Iterable[int]) -> str:
    return f"{sum(digests) & _MASK:016x}"


def _paginate(resources: Sequence[Resource]) -> Iterator[Page]:
    return (Page(resources[start : start + _PAGE]) for start in range(0, len(resources), _PAGE))


def _rebuild(old: Sequence[Page], names: set[str], look_up: Callable[[str], Resource | None]) -> Iterable[Page]:
    """Return what takes the place of one page, or of none."""
    if old and (page := old[0].replaced(names, look_up)) is not None:
        return (page,)
    resources = {resource.name: resource for page in old for resource in page.resources if resource.name not in names}
    resources.update((name, found) for name in names if (found := look_up(name)) is not None)
    ordered = sorted(resources.values(), key=_name)
    if not ordered:
        return ()
    return (Page(ordered),) if len(ordered) <= 2 * _PAGE else _paginate(ordered)


def _filter(page: Page, labels: frozenset[str], known: dict[tuple[str, ...], Page]) -> Page | None:
    if page.labels <= labels:
        return page
    resources = [resource for resource in page.resources if resource.revision in labels]
    if not resources:
        return None
    old = known.get(tuple(resource.name for resource in resources))
    if old is not None and all(map(_is_same, old.resources, resources)):
        return old
    return Page(resources)


def _is_same(one: Resource, other: Resource) -> bool:
    return one is other


def _differs(one: Resource | None, other: Resource) -> bool:
    return one is None or one.version != other.version


NOTHING: Final = View()
