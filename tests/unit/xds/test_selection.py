"""The part of the world behind one listener."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.service_entry import Kind, ServiceEntry
from meshregistry.wire.resource import Resource
from meshregistry.xds.selection import Selection, shard_of
from meshregistry.xds.views import Catalog
from meshregistry.xds.visibility import Visibility
from tests.support.ads_world import commit, make_resource, make_store


def make_exported(*export_to: str) -> Resource:
    """Return a resource of namespace `ns` with this `exportTo`."""
    small = make_resource("a")
    return Resource(small.name, small.version, ServiceEntry("ns", "a", ("a",), export_to=export_to), small.any_bytes)


@pytest.mark.parametrize(
    ("name", "of_two", "of_three", "of_eight"),
    [
        ("public/orders", 0, 0, 2),
        ("public/payments", 1, 0, 1),
        ("demo/com.example.orders.v1", 1, 0, 5),
        ("默认/订单", 0, 0, 0),
    ],
)
def test_partition_never_moves(name: str, of_two: int, of_three: int, of_eight: int) -> None:
    """A key that moved between sources would leave its service gone in istiod: these numbers are for ever."""
    assert (of_two, of_three, of_eight) == (shard_of(name, 2), shard_of(name, 3), shard_of(name, 8))


def test_shards_are_of_about_equal_size() -> None:
    """10,000 names over 8 shards."""
    sizes = Counter(shard_of(f"ns/service-{number}", 8) for number in range(10_000))
    assert 8 == len(sizes)
    assert max(sizes.values()) < 1.2 * min(sizes.values())


@given(st.lists(st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from([None, 1, 2])), max_size=5))
def test_shards_together_are_the_world_after_any_changes(steps: list[dict[str, object]]) -> None:
    """Each resource in exactly one shard."""
    store = make_store()
    catalogs = [Catalog(store, Selection(shard=shard, shards=3)) for shard in range(3)]
    for catalog in catalogs:
        store.listen(catalog.note_change)
    for marks in steps:
        commit(store, marks)
        views = [catalog.look(Kind.SERVICE_ENTRY, Visibility()) for catalog in catalogs]
        served = [resource.name for view in views if view is not None for resource in view]
        assert sorted(store.current.collection(Kind.SERVICE_ENTRY).resources) == sorted(served)


def test_namespaces() -> None:
    """Only those that are named."""
    selection = Selection(namespaces=frozenset({"o", "p"}))
    assert [False, True] == [selection.keeps(make_resource(name)) for name in ("a", "o_a")]


@pytest.mark.parametrize(
    ("export_to", "seen"),
    [
        ((), True),
        (("*",), True),
        ((".",), False),
        (("ns",), False),
        (("front",), True),
        (("x", "front"), True),
        (("~",), False),
    ],
)
def test_exports(export_to: tuple[str, ...], seen: bool) -> None:
    """What one of the namespaces may see by istiod's rules."""
    assert seen is Selection(exported_to=frozenset({"front"})).keeps(make_exported(*export_to))
    assert Selection(exported_to=frozenset({"ns"})).keeps(make_exported("."))


@pytest.mark.parametrize(("shard", "shards"), [(2, 2), (-1, 2), (0, 0)])
def test_shard_that_does_not_exist_is_an_error(shard: int, shards: int) -> None:
    """Its listener would serve an empty world."""
    with pytest.raises(ValueError, match="shard"):
        Selection(shard=shard, shards=shards)
