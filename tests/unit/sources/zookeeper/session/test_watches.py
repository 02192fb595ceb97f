"""What is watched: used up by the events that the protocol says, asked for again in portions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.zookeeper.session.records import WatchKind
from meshregistry.sources.zookeeper.session.watches import Watches

KINDS = ("data", "exist", "child", "persistent", "recursive")


def watching(path: str) -> Watches:
    watches = Watches()
    for kind in KINDS:
        getattr(watches, kind).add(path)
    return watches


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (WatchKind.CREATED, {"child"}),
        (WatchKind.CHANGED, {"child"}),
        (WatchKind.CHILDREN, {"data", "exist"}),
        (WatchKind.DELETED, set()),
    ],
)
def test_an_event_uses_up_the_watches_that_wait_for_it(kind: WatchKind, left: set[str]) -> None:
    watches = watching("/a")
    watches.fired(kind, "/a")
    assert left | {"persistent", "recursive"} == {name for name, count in watches.counts().items() if count}


def test_an_event_of_another_node_uses_up_nothing() -> None:
    watches = watching("/a")
    watches.fired(WatchKind.DELETED, "/a/b")
    assert dict.fromkeys(KINDS, 1) == watches.counts()


paths = st.sets(st.text("ab/é", min_size=1, max_size=12), max_size=30)


@given(st.fixed_dictionaries(dict.fromkeys(KINDS, paths)), st.integers(1, 60), st.booleans())
def test_portions_hold_everything_once_within_the_limit(
    sets: dict[str, set[str]], limit_bytes: int, lasting: bool
) -> None:
    watches = Watches()
    for kind, members in sets.items():
        getattr(watches, kind).update(members)
    portions = watches.chunks(lasting=lasting, limit_bytes=limit_bytes)
    for kind, members in sets.items():
        expected = members if lasting or kind in ("data", "exist", "child") else set()
        found = [path for portion in portions for path in getattr(portion, kind)]
        assert sorted(expected) == sorted(found)
    for portion in portions:
        held = [path for kind in KINDS for path in getattr(portion, kind)]
        assert held
        assert len(held) == 1 or sum(4 + len(path.encode()) for path in held) <= limit_bytes


def test_nothing_watched_needs_no_request() -> None:
    assert [] == Watches().chunks(lasting=True)
