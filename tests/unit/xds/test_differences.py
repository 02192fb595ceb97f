"""Steps from one view to another: complete, bounded, shared, and without a trace when nobody needs them."""

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.wire.resource import Resource
from meshregistry.xds.differences import Part, find_step, size_of
from meshregistry.xds.views import NOTHING, Page, View
from tests.support.ads_world import make_resource

WORLDS = st.dictionaries(st.integers(0, 300).map("s{:03}".format), st.sampled_from([1, 2]), max_size=250)
RESOURCES = {(name, mark): make_resource(name, mark) for name in map("s{:03}".format, range(301)) for mark in (1, 2)}
SIZE = size_of(RESOURCES["s000", 1])
BOUNDS = st.sampled_from([1, 3 * SIZE, 70 * SIZE, 1 << 30])


def view_of(world: dict[str, int]) -> View:
    """Return the view of name → mark."""
    return NOTHING.updated((f"ns/{name}" for name in world), lambda name: RESOURCES[name[3:], world[name[3:]]])


def resources_of(part: Part) -> list[Resource]:
    """Return what a part sets."""
    return [each for run in part.runs for each in (run.resources if isinstance(run, Page) else (run,))]


def walk(base: View, view: View, max_bytes: int) -> tuple[dict[str, str], list[Part]]:
    """Go all the way; return what a client holds then, name → version, and the parts."""
    held, parts = {resource.name: resource.version for resource in base}, []
    at: View | None = base
    while at is not None:
        step = find_step(at, view, max_bytes)
        held.update((resource.name, resource.version) for resource in resources_of(step.part))
        for name in step.part.removed:
            del held[name]
        parts.append(step.part)
        at = step.rest_from
        if at is not None:
            assert held == {resource.name: resource.version for resource in at}
    return held, parts


@given(WORLDS, WORLDS, BOUNDS)
def test_steps_lead_from_one_view_to_another(before: dict[str, int], after: dict[str, int], max_bytes: int) -> None:
    """After each step the client holds what the step says; nothing is set that it had, or twice."""
    base, view = view_of(before), view_of(after)
    held, parts = walk(base, view, max_bytes)
    assert held == {resource.name: resource.version for resource in view}
    changed = [resource.name for part in parts for resource in resources_of(part)]
    assert sorted(f"ns/{name}" for name in after if before.get(name) != after[name]) == changed
    assert sorted(f"ns/{name}" for name in before.keys() - after) == [name for part in parts for name in part.removed]


@given(WORLDS, BOUNDS)
def test_a_part_exceeds_the_bound_by_less_than_its_last_resource(world: dict[str, int], max_bytes: int) -> None:
    """Whole pages, whose bytes are shared, included."""
    for part in walk(NOTHING, view_of(world), max_bytes)[1]:
        assert sum(map(size_of, resources_of(part)[:-1])) < max_bytes


def test_many_removals_are_split_too() -> None:
    """Names count by their length."""
    base = view_of(dict.fromkeys(map("s{:03}".format, range(200)), 1))
    held, parts = walk(base, NOTHING.updated((), lambda _: None), 70)
    assert ({}, {10}) == (held, {len(part.removed) for part in parts if part.removed})


def test_streams_in_step_share_each_step() -> None:
    """So what it holds is found and encoded once."""
    base, view = view_of({"s001": 1, "s002": 1}), view_of({"s001": 1, "s002": 2})
    step = find_step(base, view, 1 << 20)
    assert step is find_step(base, view, 1 << 20)
    assert (["ns/s002"], None) == ([each.name for each in resources_of(step.part)], step.rest_from)
    assert ((), ()) == ((same := find_step(view, view, 1 << 20).part).runs, same.removed)


def test_new_pages_are_taken_whole() -> None:
    """Their encoded form is kept with the page, whoever takes it."""
    world = dict.fromkeys(map("s{:03}".format, range(256)), 1)
    view = view_of(world)
    assert view.pages == find_step(NOTHING, view, 1 << 30).part.runs
    assert view.pages[1:] == find_step(View(view.pages[:1]), view, 1 << 30).part.runs


def test_views_that_nobody_holds_leave_nothing_behind() -> None:
    """A chain of commits must not keep what came before, not even until a garbage collection."""
    gc.collect()
    gc.disable()
    try:
        past = [view_of(dict.fromkeys(map("s{:03}".format, range(200)), 1))]
        find_step(NOTHING, past[0], 50 * SIZE)
        for number in range(5):
            past.append(past[-1].updated([f"ns/s{number:03}"], lambda name: RESOURCES[name[3:], 2]))
            find_step(past[-2], past[-1], 1)
        traces = [weakref.ref(view) for view in past]
        newest = past[-1]
        past.clear()
        assert [None] * 5 + [newest] == [trace() for trace in traces]
        assert 0 == len(newest.steps)
    finally:
        gc.enable()
