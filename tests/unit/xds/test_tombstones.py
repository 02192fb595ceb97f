"""What went out of sight: for whom, since when, until it is forgotten."""

import pytest

from meshregistry.model.service_entry import Kind
from meshregistry.store.store import SnapshotStore
from meshregistry.xds.selection import Selection
from meshregistry.xds.tombstones import Forgotten, Tombstones
from meshregistry.xds.visibility import Visibility, read_visibility
from tests.support.ads_world import commit, make_resource, make_store

ENTRY = Kind.SERVICE_ENTRY
ANYONE = Visibility()
CANARY = read_visibility("canary", (), strict=False)


def follow(store: SnapshotStore, selection: Selection | None = None, bound: int = 100) -> Tombstones:
    """Return the tombstones of a listener that starts now."""
    tombstones = Tombstones(selection or Selection(), bound)
    tombstones.begin(store.current)
    store.listen(lambda change: tombstones.note_change(change, store.current))
    return tombstones


def test_removal_concerns_those_that_were_told_of_the_resource() -> None:
    """Whoever was told later, or never, is told nothing."""
    store = make_store()
    tombstones = follow(store)
    commit(store, {"a": 1})
    born = store.current.sequence
    commit(store, {"a": None})
    gone = store.current.sequence
    assert {"ns/a": ""} == tombstones.find(ENTRY, born, born, ANYONE)
    assert {} == tombstones.find(ENTRY, born - 1, born - 1, ANYONE)
    assert {} == tombstones.find(ENTRY, gone, gone, ANYONE)
    assert {} == tombstones.find(Kind.SIDECAR, 0, gone, ANYONE)


def test_what_was_there_at_the_start_is_followed() -> None:
    """A listener starts over a store that is not empty."""
    store = make_store(make_resource("a"))
    tombstones = follow(store)
    start = store.current.sequence
    commit(store, {"a": None})
    assert {"ns/a": ""} == tombstones.find(ENTRY, start, start, ANYONE)


def test_another_label_ends_a_stay_and_a_change_of_content_does_not() -> None:
    """A client of the old label is told, one of the new label saw nothing before."""
    store = make_store(make_resource("a", 1, "canary"))
    tombstones = follow(store)
    start = store.current.sequence
    commit(store, {"a": 2}, "canary")
    assert 0 == len(tombstones)
    commit(store, {"a": 2}, "stable")
    assert {"ns/a": "canary"} == tombstones.find(ENTRY, start, start, CANARY)
    assert {} == tombstones.find(ENTRY, start, start, read_visibility("stable", (), strict=False))
    commit(store, {"a": None})
    assert {"ns/a": "canary"} == tombstones.find(ENTRY, start, start, CANARY)


def test_what_the_listener_does_not_serve_leaves_no_tombstone() -> None:
    """Neither do namespaces of others."""
    store = make_store(make_resource("o_a"), make_resource("a"))
    tombstones = follow(store, Selection(namespaces=frozenset({"ns"})))
    start = store.current.sequence
    commit(store, {"o_a": None, "o_b": 1, "a": None})
    commit(store, {"o_b": None})
    assert {"ns/a": ""} == tombstones.find(ENTRY, start, start, ANYONE)
    assert 1 == len(tombstones)


def test_forgetting_keeps_what_is_later_and_refuses_those_that_are_earlier() -> None:
    """The commit up to which all have confirmed is the last one forgotten."""
    store = make_store(*map(make_resource, "abc"))
    tombstones = follow(store)
    start = store.current.sequence
    commit(store, {"a": None})
    commit(store, {"b": None})
    tombstones.forget(ENTRY, start + 1)
    assert {"ns/b": ""} == tombstones.find(ENTRY, start + 1, start + 1, ANYONE)
    with pytest.raises(Forgotten, match=f"after {start} "):
        tombstones.find(ENTRY, start, start, ANYONE)
    tombstones.forget(ENTRY, None)
    tombstones.forget(Kind.SIDECAR, None)
    assert (0, ()) == (len(tombstones), tombstones.kinds())
    assert {} == tombstones.find(ENTRY, start + 2, start + 2, ANYONE)


def test_beyond_the_bound_the_oldest_are_dropped() -> None:
    """Memory is bounded without any clean-up."""
    store = make_store(*map(make_resource, "abc"))
    tombstones = follow(store, bound=2)
    start = store.current.sequence
    for name in "abc":
        commit(store, {name: None})
    assert 2 == len(tombstones)
    with pytest.raises(Forgotten):
        tombstones.find(ENTRY, start, start, ANYONE)
    assert {"ns/b": "", "ns/c": ""} == tombstones.find(ENTRY, start + 1, start + 1, ANYONE)


def test_one_commit_larger_than_the_bound_refuses_everybody_before_it() -> None:
    """Half a commit is no commit."""
    store = make_store(*map(make_resource, "abc"))
    tombstones = follow(store, bound=2)
    start = store.current.sequence
    commit(store, dict.fromkeys("abc"))
    with pytest.raises(Forgotten):
        tombstones.find(ENTRY, start, start, ANYONE)
    assert {} == tombstones.find(ENTRY, start + 1, start + 1, ANYONE)
