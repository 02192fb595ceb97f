"""The shelf of what replicas take from each other."""

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.xds.peers import PeerShelf
from meshregistry.xds.views import NOTHING


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def names(shelf: PeerShelf, kind: Kind) -> list[str]:
    view = shelf.look(kind)
    return [] if view is None else [resource.name for resource in view]


def test_a_state_is_made_when_somebody_asks_and_shared_for_a_while() -> None:
    wishes: list[None] = []
    clock = Clock()
    shelf = PeerShelf(lambda: wishes.append(None), clock)
    changes: list[Change] = []
    shelf.listen(changes.append)

    assert shelf.look(Kind.STATE) is None
    assert 1 == len(wishes)
    shelf.publish_state({"head": b"1", "piece-000000": b"2"})
    assert ["head", "piece-000000"] == names(shelf, Kind.STATE)
    assert [Change(Kind.STATE, frozenset({"head", "piece-000000"}), frozenset())] == changes
    assert 1 == len(wishes)

    clock.now += 10
    shelf.drop_old_state()
    assert shelf.look(Kind.STATE) is None
    assert 2 == len(wishes)


def test_who_asks_after_a_while_gets_a_state_of_that_moment_and_who_is_taking_one_keeps_it() -> None:
    wishes: list[None] = []
    clock = Clock()
    shelf = PeerShelf(lambda: wishes.append(None), clock)
    shelf.publish_state({"head": b"1"})
    for _ in range(6):
        clock.now += 1.5
        assert ["head"] == names(shelf, Kind.STATE)
    assert [] == wishes

    shelf.publish_state({"head": b"2"})
    clock.now += 2.0
    assert shelf.look(Kind.STATE) is None
    assert 1 == len(wishes)


def test_a_state_of_before_a_decision_is_handed_out_no_more() -> None:
    wishes: list[None] = []
    shelf = PeerShelf(lambda: wishes.append(None), Clock())
    shelf.publish_state({"head": b"1"})
    assert ["head"] == names(shelf, Kind.STATE)
    assert [] == wishes

    shelf.publish_decisions({"a": b"1"})
    assert shelf.look(Kind.STATE) is None
    assert 1 == len(wishes)

    shelf.publish_state({"head": b"2"})
    assert ["head"] == names(shelf, Kind.STATE)
    assert 1 == len(wishes)


def test_no_state_is_an_answer_too() -> None:
    shelf = PeerShelf(lambda: None)
    shelf.publish_state({})

    view = shelf.look(Kind.STATE)
    assert view is not None
    assert 0 == view.count


def test_decisions_are_there_at_once_and_tell_what_changed() -> None:
    shelf = PeerShelf(lambda: None)
    changes: list[Change] = []
    shelf.listen(changes.append)

    assert shelf.look(Kind.DECISION) is NOTHING
    shelf.publish_decisions({"a": b"1", "b": b"2"})
    shelf.publish_decisions({"b": b"3"})

    assert ["b"] == names(shelf, Kind.DECISION)
    assert Change(Kind.DECISION, frozenset({"b"}), frozenset({"a"})) == changes[-1]
