"""Views: paged, sorted, updated in place of a rebuild, filtered by revision."""

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.service_entry import Kind
from meshregistry.wire.resource import Resource
from meshregistry.xds.views import NOTHING, Catalog, View, select_version
from meshregistry.xds.visibility import Visibility
from tests.support.ads_world import commit, make_resource, make_store

EVERYBODY = Visibility()
NAMES = st.sampled_from([f"ns{number % 3}/s{number:03}" for number in range(260)])
STEPS = st.lists(st.dictionaries(NAMES, st.sampled_from([None, 1, 2]), max_size=150), max_size=6)


def listed(view: View) -> list[tuple[str, str]]:
    """Return names and versions in order."""
    return [(resource.name, resource.version) for resource in view]


@given(STEPS)
def test_updated_view_equals_one_built_anew(steps: list[dict[str, object]]) -> None:
    """Content, order, version, count and labels, after any commits."""
    store = make_store()
    catalog = Catalog(store)
    store.listen(catalog.note_change)
    catalog.look(Kind.SERVICE_ENTRY, EVERYBODY)
    for marks in steps:
        commit(store, marks)
        view = catalog.look(Kind.SERVICE_ENTRY, EVERYBODY)
        fresh = Catalog(store).look(Kind.SERVICE_ENTRY, EVERYBODY)
        assert view is not None
        assert fresh is not None
        collection = store.current.collection(Kind.SERVICE_ENTRY)
        assert listed(fresh) == listed(view) == sorted(listed(view))
        assert (collection.version, len(collection.resources)) == (view.version, view.count)
        assert select_version(view) == view.version
        assert all(view.get(name) is resource for name, resource in collection.resources.items())
        assert view.get("ns0/absent") is None


@given(st.dictionaries(NAMES, st.sampled_from(["", "canary", "stable"])), st.sampled_from(["canary", "stable"]))
def test_filtered_view_holds_exactly_what_is_seen(labels: dict[str, str], revision: str) -> None:
    """R5: resources of another revision are left out; the version is that of what is left."""
    resources = [make_resource(name, 1, label) for name, label in labels.items()]
    catalog = Catalog(make_store(*resources))
    view = catalog.look(Kind.SERVICE_ENTRY, Visibility(frozenset({revision}), frozenset({revision, ""})))
    seen = sorted(name for name, label in labels.items() if label in ("", revision))
    assert view is not None
    assert seen == [resource.name for resource in view]
    assert select_version(view) == view.version


def make_catalog() -> Catalog:
    """Return a catalog of two revisions and resources without one."""
    resources = [make_resource(f"s{number:03}", 1, label) for number, label in enumerate(["", "r1", "r2"] * 50)]
    return Catalog(make_store(*resources))


def test_clients_that_see_the_same_share_one_view() -> None:
    """Bytes are shared per set of labels seen, not per revision asked for: strangers cannot multiply them."""
    catalog = make_catalog()
    views = {catalog.look(Kind.SERVICE_ENTRY, seen(f"unknown-{number}")) for number in range(100)}
    assert 1 == len(views)


def seen(*labels: str) -> Visibility:
    """Return the filter of a client of these revisions."""
    return Visibility(frozenset(labels), frozenset({*labels, ""}))


def test_without_labels_every_client_shares_the_whole_view() -> None:
    """The usual case costs nothing."""
    catalog = Catalog(make_store(make_resource("a"), make_resource("b")))
    assert catalog.look(Kind.SERVICE_ENTRY, EVERYBODY) is catalog.look(Kind.SERVICE_ENTRY, seen("canary"))


def test_filtered_view_keeps_its_pages_over_a_commit() -> None:
    """A change costs one page of a filtered view, too."""
    store = make_store(*(make_resource(f"s{number:04}", 1, "" if number % 2 else "r1") for number in range(1000)))
    catalog = Catalog(store)
    store.listen(catalog.note_change)
    before = catalog.look(Kind.SERVICE_ENTRY, seen("other"))
    commit(store, {"s0501": 2})
    after = catalog.look(Kind.SERVICE_ENTRY, seen("other"))
    assert before is not None
    assert after is not None
    assert 1 == sum(not before.has_page(page) for page in after.pages)


def test_prefix_finds_the_range_of_names() -> None:
    """In order, over page borders, and nothing beside it."""
    resources: list[Resource] = [make_resource(f"{space}/s{number:03}") for space in "abc" for number in range(150)]
    view = Catalog(make_store(*resources)).look(Kind.SERVICE_ENTRY, EVERYBODY)
    assert view is not None
    assert [f"b/s{number:03}" for number in range(150)] == [found.name for found in view.starting_with("b/")]
    assert [] == list(view.starting_with("d/"))
    assert [] == list(NOTHING.starting_with("a/"))
    assert NOTHING.get("a/s000") is None


def test_held_kind_has_no_view_until_complete() -> None:
    """S6; a kind that no source produces is empty from the start."""
    store = make_store(make_resource("a"), complete=False)
    catalog = Catalog(store)
    assert catalog.look(Kind.SERVICE_ENTRY, EVERYBODY) is None
    sidecars = catalog.look(Kind.SIDECAR, EVERYBODY)
    assert sidecars is not None
    assert (0, NOTHING) == (sidecars.count, catalog.look(None, EVERYBODY))
    store.complete()
    view = catalog.look(Kind.SERVICE_ENTRY, EVERYBODY)
    assert view is not None
    assert 1 == view.count
