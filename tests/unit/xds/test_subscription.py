"""Names, prefixes and wildcards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.xds.subscription import Subscription

PARTS = st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=4).map("/".join)


@given(st.sets(PARTS.map(lambda part: part + "/*")), st.sets(PARTS), PARTS)
def test_membership_covers_names_and_prefixes(prefixes: set[str], names: set[str], name: str) -> None:
    """X14: a name that ends in /* stands for everything under it; the plain rule is the yardstick."""
    subscription = Subscription()
    subscription.replace(prefixes | names)
    expected = name in names or any(name.startswith(prefix[:-1]) for prefix in prefixes)
    assert expected == subscription.wants(name)


@pytest.mark.parametrize(
    ("lists", "everything", "names"),
    [
        ([["*"]], True, set()),
        ([["*"], ["*"]], True, set()),
        ([["*", "a"], ["*", "b"]], True, {"b"}),
        ([["*", "a"], ["b"]], False, {"b"}),
        ([["b"], []], False, set()),
        ([["b"], [], ["*"]], True, set()),
    ],
)
def test_each_list_replaces_the_one_before(lists: list[list[str]], everything: bool, names: set[str]) -> None:
    """X4 X5: SotW states the whole."""
    subscription = Subscription()
    for given_names in lists:
        subscription.replace(given_names)
    assert (everything, names) == (subscription.everything, subscription.names)


def test_legacy_wildcard_survives_empty_lists_only() -> None:
    """X1 X2 X3 E9."""
    subscription = Subscription()
    subscription.begin_legacy()
    assert not subscription.replace([])
    assert subscription.wants("anything")
    assert subscription.replace(["a"])
    assert subscription.replace([])
    assert not subscription.wants("anything")


def test_equal_lists_in_any_order_change_nothing() -> None:
    """N3: an ACK repeats the names, perhaps in another order, perhaps twice."""
    subscription = Subscription()
    assert subscription.replace(["a", "b/*"])
    assert not subscription.replace(["b/*", "a", "a"])


def test_increments_add_and_discard() -> None:
    """X10 X11: the wildcard, prefixes and names are independent of each other."""
    subscription = Subscription()
    for name in ("*", "a", "b/*"):
        subscription.add(name)
    subscription.discard("*")
    assert (True, True, False, 2) == (
        subscription.wants("a"),
        subscription.wants("b/x"),
        subscription.wants("c"),
        subscription.size,
    )
    for name in ("a", "b/*", "zzz", "*"):
        subscription.discard(name)
    assert (False, 0) == (subscription.wants("a"), subscription.size)


def test_ten_thousand_prefixes_cost_no_more_than_one() -> None:
    """The test walks the name's own slashes, not the prefixes."""
    subscription = Subscription()
    subscription.replace([f"p{number}/*" for number in range(10_000)])
    assert all(subscription.wants(f"p{number}/x") for number in range(0, 10_000, 7))
    assert not any(subscription.wants(f"q{number}/x") for number in range(10_000))
