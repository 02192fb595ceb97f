"""What leads from one view to another, in parts that are small enough for one delta response each.

A stream that holds exactly a view needs nothing but a reference to it. Streams in step hold the same view, so what
separates it from a newer one is found once, and encoded once, for all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from meshregistry.wire.resource import Resource
from meshregistry.xds.views import Page, View

_OVERHEAD_BYTES = 64


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Part:
    """One response: what to set (a page stands for all its resources) and what to drop, in the order of names."""

    runs: tuple[Page | Resource, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def resources(self) -> int:
        """How many resources are set."""
        return sum(len(run.resources) if isinstance(run, Page) else 1 for run in self.runs)


@dataclass(frozen=True, slots=True)
class Step:
    """A part, and what they hold after it who held the base."""

    part: Part
    rest_from: View | None
    """None after the last part: the newer view itself, which must not refer to itself."""


def find_step(base: View, view: View, max_bytes: int) -> Step:
    """Return the first part of what leads from `base` to `view`; it ends with the resource that exceeds the bound.

    The step is kept with the view for as long as the base lives. Callers that share views share one `max_bytes`.
    """
    if base is view:
        return Step(_NOTHING, None)
    step = view.steps.get(base)
    if step is None:
        step = view.steps[base] = _compare(base, view, max_bytes)
    return step


def size_of(resource: Resource) -> int:
    """Return about how many bytes a resource takes in a delta response."""
    return len(resource.any_bytes) + len(resource.name) + _OVERHEAD_BYTES


def _compare(base: View, view: View, max_bytes: int) -> Step:
    removed: list[str] = []
    size = 0
    for name in _find_removed(base, view):
        removed.append(name)
        size += len(name)
        if size >= max_bytes:
            return Step(Part(removed=tuple(removed)), base.without(removed))
    runs: list[Page | Resource] = []
    for page in view.pages:
        for run in _find_changed(base, page, max_bytes - size):
            runs.append(run)
            size += sum(map(size_of, run.resources)) if isinstance(run, Page) else size_of(run)
            if size >= max_bytes:
                last = run.names[-1] if isinstance(run, Page) else run.name
                return Step(Part(tuple(runs), tuple(removed)), _splice(view, base.without(removed), last))
    return Step(Part(tuple(runs), tuple(removed)), None)


def _find_removed(base: View, view: View) -> Iterable[str]:
    return chain.from_iterable(map(view.find_lost, base.pages))


def _find_changed(base: View, page: Page, room: int) -> Iterable[Page | Resource]:
    changed = base.find_new(page)
    # The bytes of a whole page are shared by all that it is new to, whatever else they hold.
    whole = len(changed) == len(page.resources) and sum(map(size_of, changed)) <= room
    return (page,) if whole else changed


def _splice(view: View, base: View, last: str) -> View:
    """Return the view up to and including a name, and the base beyond it."""
    return View((*view.until(last), *base.beyond(last)))


_NOTHING = Part()
