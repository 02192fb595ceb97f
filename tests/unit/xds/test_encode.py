"""Response bytes: built once, shared, in the smallest form where stubs are allowed."""

import gc
from itertools import zip_longest

from envoy.service.discovery.v3 import discovery_pb2 as pb

from meshregistry.model.service_entry import Kind
from meshregistry.xds.encode import Body, BodyCache
from meshregistry.xds.sotw import SotwContent
from meshregistry.xds.views import Catalog, View
from meshregistry.xds.visibility import Visibility
from tests.support.ads_world import commit, make_resource, make_store
from tests.support.pb2_decoder import message_class


def build(cache: BodyCache, view: View, base: View | None = None) -> Body:
    """Build a body without pauses."""
    bodies = [body for body in cache.build(SotwContent(version="v", view=view, base=base)) if body is not None]
    (body,) = bodies
    return body


def look(catalog: Catalog) -> View:
    """Return the present view of ServiceEntries."""
    view = catalog.look(Kind.SERVICE_ENTRY, Visibility())
    assert view is not None
    return view


def test_equal_responses_share_their_bytes() -> None:
    """X35 H3: the same objects for all streams in step."""
    catalog = Catalog(make_store(*(make_resource(f"s{number:04}") for number in range(300))))
    cache = BodyCache()
    assert build(cache, look(catalog)) is build(cache, look(catalog))


def test_streams_in_step_build_one_body_together() -> None:
    """Each goes on where the other stopped, so two need no more slices than one alone."""
    store = make_store(*(make_resource(f"s{number:04}") for number in range(1200)))
    view, cache = look(Catalog(store)), BodyCache()
    alone = sum(body is None for body in BodyCache().build(SotwContent(version="v", view=look(Catalog(store)))))
    builders = [cache.build(SotwContent(version="v", view=view)) for _ in range(2)]
    turns = [body for pair in zip_longest(*builders) for body in pair]
    first, second = (body for body in turns if body is not None)
    assert first is second
    assert (build(BodyCache(), view).chunks, 1200) == (first.chunks, first.resources)
    # zip_longest fills up the builder that ends first with one None.
    assert alone <= sum(body is None for body in turns) <= alone + 1


def test_pages_that_are_encoded_already_take_no_turns() -> None:
    """A single change costs one slice, however large the world is, and stubs for all of it as many as the world."""
    store = make_store(*(make_resource(f"s{number:04}") for number in range(1200)))
    catalog, cache = Catalog(store), BodyCache()
    store.listen(catalog.note_change)
    slices = []
    views = [look(catalog)]
    for mark in (2, 3):
        commit(store, {"s0500": mark})
        views.append(look(catalog))
    for base, view in ((None, views[0]), (None, views[1]), (views[0], views[1]), (views[1], views[2])):
        slices.append(sum(body is None for body in cache.build(SotwContent(version="v", view=view, base=base))))
    assert [3, 1, 3, 1] == slices


def test_a_change_encodes_one_page_anew() -> None:
    """P8: everything else is the bytes of before."""
    store = make_store(*(make_resource(f"s{number:04}") for number in range(1000)))
    catalog = Catalog(store)
    store.listen(catalog.note_change)
    before = look(catalog)
    commit(store, {"s0500": 2})
    after = look(catalog)
    assert (len(before.pages), 1) == (len(after.pages), sum(not before.has_page(page) for page in after.pages))


def test_stubs_of_a_page_are_for_those_alone_who_hold_it() -> None:
    """A slow stream gets in full what a quick one, whose stubs for the same page are ready, has already."""
    store = make_store(*(make_resource(f"s{number:04}") for number in range(200)))
    catalog, cache = Catalog(store), BodyCache()
    store.listen(catalog.note_change)
    before = look(catalog)
    commit(store, {"s0100": 2})
    after = look(catalog)
    assert [200, 199] == [build(cache, after, base).stubs for base in (after, before)]
    quick, slow = (b"".join(build(cache, after, base).chunks) for base in (after, before))
    changed = after.get("ns/s0100")
    assert changed is not None
    assert (False, True) == (changed.any_bytes in quick, changed.any_bytes in slow)


def test_only_the_last_few_bodies_are_kept() -> None:
    """Memory does not grow with commits."""
    store = make_store(*(make_resource(f"s{number:04}") for number in range(100)))
    catalog = Catalog(store)
    store.listen(catalog.note_change)
    cache = BodyCache()
    for mark in range(20):
        commit(store, {"s0000": f"m{mark}"})
        build(cache, look(catalog))
    gc.collect()
    assert sum(isinstance(thing, View) for thing in gc.get_objects()) < 15


def test_stub_has_no_byte_to_spare() -> None:
    """Name, version and 83 bytes of the shortest frame that istiod accepts: below 130 for a name of 30 characters."""
    view = View(()).updated(["x"], lambda name: make_resource("demo/com.example.order-service"))
    body = build(BodyCache(), view, view)
    assert (30 + 16 + 83, 1, 1) == (body.size, body.resources, body.stubs)


def test_stub_repeats_the_revision_label_and_nothing_else() -> None:
    """R4 R5: a stub without the body, or with another revision, would delete the resource in istiod."""
    view = View(()).updated(["x"], lambda name: make_resource("a", 1, "canary"))
    body = build(BodyCache(), view, view)
    (item,) = pb.DiscoveryResponse.FromString(b"".join(body.chunks)).resources
    stub = message_class("istio.mcp.v1alpha1.Resource").FromString(item.value)
    full = make_resource("a", 1, "canary")
    expected = message_class("istio.mcp.v1alpha1.Resource")(
        metadata={"name": "ns/a", "version": full.version, "labels": {"istio.io/rev": "canary"}},
        body={"type_url": "/istio.networking.v1alpha3.ServiceEntry"},
    )
    assert ("/istio.mcp.v1alpha1.Resource", expected) == (item.type_url, stub)


def test_order_of_arrival_is_no_part_of_the_bytes() -> None:
    """H6 R8 I10: two replicas that learnt the same in another order send the same."""
    resources = [make_resource(f"s{number:04}") for number in range(200)]
    one = make_store(*resources)
    other = make_store()
    catalog = Catalog(other)
    other.listen(catalog.note_change)
    look(catalog)
    for resource in reversed(resources):
        other.commit(Kind.SERVICE_ENTRY, [resource], ())
    bodies = [build(BodyCache(), look(known)) for known in (Catalog(one), catalog)]
    assert b"".join(bodies[0].chunks) == b"".join(bodies[1].chunks)
