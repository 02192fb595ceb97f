"""Laws of the commit: equal content, equal version; nothing changed, nothing told."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.service_entry import Kind, ServiceEntry
from meshregistry.store.snapshot import EMPTY, Change
from meshregistry.store.store import SnapshotStore
from meshregistry.wire.resource import Resource, ResourceEncoder

SERVICES = Kind.SERVICE_ENTRY
ENCODER = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC))


def resource(name: str, host: str = "a.example") -> Resource:
    return ENCODER.encode(ServiceEntry("nacos", name, (host,)))


def store_of(*resources: Resource) -> SnapshotStore:
    store = SnapshotStore([SERVICES])
    store.commit(SERVICES, resources, ())
    return store


def recorded(store: SnapshotStore) -> list[Change]:
    changes: list[Change] = []
    store.listen(changes.append)
    return changes


def version(store: SnapshotStore) -> str:
    return store.current.collection(SERVICES).version


def names(*bare: str) -> frozenset[str]:
    return frozenset(f"nacos/{name}" for name in bare)


catalogues = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["one.example", "two.example"]))
batches = st.lists(st.tuples(catalogues, st.sets(st.sampled_from("abcdef"))), max_size=6)


def replayed(steps: Iterable[tuple[dict[str, str], set[str]]]) -> tuple[SnapshotStore, dict[str, str]]:
    """Commit each step, and keep beside it what the content should be by the plainest means."""
    store, expected = SnapshotStore([SERVICES]), dict[str, str]()
    for upserts, removals in steps:
        gone = removals - upserts.keys()
        store.commit(SERVICES, [resource(name, host) for name, host in upserts.items()], names(*gone))
        expected = {name: host for name, host in {**expected, **upserts}.items() if name not in gone}
    return store, expected


@given(steps=batches)
def test_version_and_content_depend_on_the_end_and_not_on_the_way(steps: list[tuple[dict[str, str], set[str]]]) -> None:
    store, expected = replayed(steps)
    direct = store_of(*(resource(name, host) for name, host in sorted(expected.items(), reverse=True)))

    assert direct.current.collection(SERVICES).resources == store.current.collection(SERVICES).resources
    assert version(direct) == version(store)
    assert store.current.collection(SERVICES).resources.keys() == store.current.collection(SERVICES).sequences.keys()


@given(steps=batches)
def test_changes_replayed_by_a_listener_give_the_content(steps: list[tuple[dict[str, str], set[str]]]) -> None:
    """A client that only hears names and reads the snapshot ends with the snapshot."""
    store = SnapshotStore([SERVICES])
    replica: dict[str, Resource] = {}

    def follow(change: Change) -> None:
        for name in change.changed:
            replica[name] = store.current.collection(SERVICES).resources[name]
        for name in change.removed:
            del replica[name]

    store.listen(follow)
    for upserts, removals in steps:
        store.commit(SERVICES, [resource(name, host) for name, host in upserts.items()], names(*removals))

    assert store.current.collection(SERVICES).resources == replica


@given(before=catalogues, after=catalogues)
def test_different_content_has_different_versions(before: dict[str, str], after: dict[str, str]) -> None:
    first = store_of(*(resource(name, host) for name, host in before.items()))
    second = store_of(*(resource(name, host) for name, host in after.items()))

    assert (before == after) == (version(first) == version(second))


def test_equal_content_again_moves_and_tells_nothing() -> None:
    store = store_of(resource("a"), resource("b"))
    before, changes = store.current, recorded(store)

    assert None is store.commit(SERVICES, [resource("b"), resource("a")], names("never-there"))
    assert before is store.current
    assert [] == changes


def test_a_commit_tells_exactly_what_changed() -> None:
    store = store_of(resource("kept"), resource("changed"), resource("gone"))
    changes = recorded(store)

    upserts = [resource("kept"), resource("changed", "b.example"), resource("new")]
    change = store.commit(SERVICES, upserts, names("gone", "never-there"), observed_at=7.5)

    assert Change(SERVICES, names("changed", "new"), names("gone"), 7.5) == change
    assert [change] == changes
    assert names("kept", "changed", "new") == store.current.collection(SERVICES).resources.keys()


def test_a_changed_resource_is_not_removed_in_the_same_commit() -> None:
    store = store_of(resource("a"))

    assert Change(SERVICES, names("a"), frozenset()) == store.commit(SERVICES, [resource("a", "b.example")], names("a"))


def test_the_last_removal_leaves_the_empty_collection() -> None:
    store = store_of(resource("a"), resource("b"))
    store.commit(SERVICES, (), names("a", "b"))

    assert EMPTY == store.current.collection(SERVICES)


def test_a_kept_snapshot_never_changes() -> None:
    store = store_of(resource("a"))
    kept = store.current
    copy = msgspec.structs.replace(kept, collections={kind: kept.collection(kind) for kind in kept.collections})
    store.commit(SERVICES, [resource("a", "b.example"), resource("b")], ())

    assert copy == kept
    assert names("a") == kept.collection(SERVICES).resources.keys()
    assert {"nacos/a": 1} == kept.collection(SERVICES).sequences


def test_each_resource_remembers_the_sequence_of_its_last_change() -> None:
    store = store_of(resource("a"), resource("b"))
    store.commit(SERVICES, [resource("b", "b.example"), resource("a")], ())

    assert {"nacos/a": 1, "nacos/b": 2} == store.current.collection(SERVICES).sequences
    assert 2 == store.current.sequence


def test_listeners_see_the_new_snapshot() -> None:
    store = SnapshotStore([SERVICES])
    seen: list[int] = []
    store.listen(lambda change: seen.append(store.current.sequence))
    store.commit(SERVICES, [resource("a")], ())

    assert [1] == seen


def test_a_listener_that_ended_hears_nothing_more_and_may_end_twice() -> None:
    store = SnapshotStore([SERVICES])
    changes: list[Change] = []
    end = store.listen(changes.append)
    end()
    end()
    store.commit(SERVICES, [resource("a")], ())

    assert [] == changes


def test_a_listener_may_end_itself_while_it_is_told() -> None:
    store = SnapshotStore([SERVICES])
    changes: list[Change] = []
    end = store.listen(lambda change: end())
    store.listen(changes.append)
    change = store.commit(SERVICES, [resource("a")], ())

    assert [change] == changes


def test_completion_is_told_once_for_each_held_kind_without_names() -> None:
    store = SnapshotStore([SERVICES, Kind.SIDECAR])
    before, changes = store.current, recorded(store)

    store.complete()
    store.complete()

    assert (False, True) == (before.complete, store.current.complete)
    assert {SERVICES, Kind.SIDECAR} == {change.kind for change in changes}
    assert [(frozenset(), frozenset())] * 2 == [(change.changed, change.removed) for change in changes]
    assert 1 == store.current.sequence


def test_a_kind_that_nothing_produces_is_empty() -> None:
    assert EMPTY == store_of(resource("a")).current.collection(Kind.SIDECAR)
