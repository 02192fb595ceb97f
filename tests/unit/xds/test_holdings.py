"""What clients have of one resource, and since when: asked of the machines that serve them."""

import pytest

from meshregistry.model.service_entry import Kind
from meshregistry.xds.clients import ConnectedStream
from meshregistry.xds.holdings import Holding, HoldingState, Subject, list_holdings
from meshregistry.xds.options import AdsOptions, Limits
from tests.support.ads_rig import CURRENT, JUNK, NO_PAUSE, MachineRig
from tests.support.ads_world import SERVICE_ENTRY, SIDECAR, make_resource, make_store

pytestmark = pytest.mark.anyio

DIALECTS = pytest.mark.parametrize("dialect", ["sotw", "delta"])


def make_rig(dialect: str = "sotw", options: AdsOptions = NO_PAUSE) -> MachineRig:
    """A machine over a world of two resources."""
    return MachineRig(dialect, make_store(make_resource("a"), make_resource("b")), options)


def ask(rig: MachineRig, name: str = "ns/a", *, is_gone: bool = False) -> Holding:
    """What the one client has of the resource as the store has it now."""
    collection = rig.store.current.collection(Kind.SERVICE_ENTRY)
    sequence = collection.sequences.get(name, rig.store.current.sequence)
    subject = Subject(Kind.SERVICE_ENTRY, name, sequence, is_gone=is_gone)
    (found,) = list_holdings([ConnectedStream("1-a", "", rig.dialect, rig.machine)], subject, rig.now)
    return found


def told(holding: Holding) -> tuple[HoldingState, float | None, bool]:
    return holding.state, holding.held_s, holding.is_held_longer


@DIALECTS
async def test_what_is_acknowledged_is_held_since_then_whatever_else_is_pushed(dialect: str) -> None:
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    for mark in range(2, 10):
        rig.now += 60
        rig.commit({"b": mark})
        await rig.take()
    rig.now += 5

    assert (HoldingState.HELD, 485.0, False) == told(ask(rig))
    assert (HoldingState.HELD, 5.0, False) == told(ask(rig, "ns/b"))
    assert 5.0 == ask(rig).acked_age_s


@DIALECTS
async def test_a_change_that_is_not_acknowledged_yet_is_an_older_version(dialect: str) -> None:
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 60
    rig.acks = False
    rig.commit({"a": 2})
    await rig.take()

    assert (HoldingState.OLDER, None, False) == told(ask(rig))
    assert (HoldingState.HELD, 60.0, False) == told(ask(rig, "ns/b"))


@DIALECTS
async def test_a_client_that_has_acknowledged_nothing_has_nothing_yet(dialect: str) -> None:
    rig = make_rig(dialect)
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    await rig.take()

    assert (HoldingState.NOTHING, None, False) == told(ask(rig))


@DIALECTS
async def test_a_client_of_other_names_sees_a_part_only(dialect: str) -> None:
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY, "b")
    await rig.take()
    rig.now += 9

    assert (HoldingState.PART, None, False) == told(ask(rig))
    assert (HoldingState.HELD, 9.0, False) == told(ask(rig, "ns/b"))


@DIALECTS
async def test_a_change_and_its_undoing_before_the_client_heard_of_it_are_no_new_version(dialect: str) -> None:
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 60
    rig.commit({"a": 2})
    rig.commit({"a": 1})
    assert [] == await rig.take()

    assert (HoldingState.HELD, 60.0, False) == told(ask(rig))


@DIALECTS
async def test_a_client_that_comes_back_may_have_held_it_before(dialect: str) -> None:
    rig = make_rig(dialect)
    await (
        rig.ask(SERVICE_ENTRY, initial={"a": CURRENT})
        if dialect == "delta"
        else rig.ask(SERVICE_ENTRY, version=JUNK, nonce="x")
    )
    await rig.take()
    rig.now += 3

    assert (HoldingState.HELD, 3.0, True) == told(ask(rig))


@DIALECTS
async def test_names_that_are_asked_for_later_are_held_since_their_own_ack(dialect: str) -> None:
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY, "b")
    await rig.take()
    rig.now += 100
    await rig.ask(SERVICE_ENTRY, "a", "b")
    assert (HoldingState.NOTHING, None, False) == told(ask(rig))
    await rig.take()
    rig.now += 4

    assert (HoldingState.HELD, 4.0, True) == told(ask(rig))


@DIALECTS
async def test_a_version_that_was_refused_is_not_held_by_acknowledging_others(dialect: str) -> None:
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.commit({"a": 2})
    rig.acks = False
    await rig.take()
    await rig.ask(SERVICE_ENTRY, error="not like this")
    refused = {"sotw": HoldingState.OLDER, "delta": HoldingState.REFUSED}[dialect]
    assert (refused, None, False) == told(ask(rig))
    rig.acks = True
    rig.now += 10
    rig.commit({"b": 2})
    await rig.take()
    rig.now += 1

    # SotW has sent it again with everything else; delta sends it when it changes.
    again = {"sotw": (HoldingState.HELD, 1.0, False), "delta": (HoldingState.REFUSED, None, False)}[dialect]
    assert again == told(ask(rig))
    assert (HoldingState.HELD, 1.0, False) == told(ask(rig, "ns/b"))
    rig.commit({"a": 3})
    await rig.take()
    assert (HoldingState.HELD, 0.0, False) == told(ask(rig))


async def test_the_first_parts_of_a_split_answer_cover_nothing() -> None:
    options = AdsOptions(limits=Limits(max_delta_bytes=1), rhythm=NO_PAUSE.rhythm)
    rig = make_rig("delta", options)
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    (first,) = await rig.take()
    await rig.ask(SERVICE_ENTRY, nonce=first.nonce)
    assert (HoldingState.NOTHING, None, False) == told(ask(rig))
    (second,) = await rig.take()
    await rig.ask(SERVICE_ENTRY, nonce=second.nonce)

    assert [] == await rig.take()
    assert (HoldingState.HELD, 0.0, False) == told(ask(rig))
    assert 2 == len(first.resources) + len(second.resources)


@DIALECTS
async def test_what_is_gone_is_dropped_by_those_who_have_acknowledged_that(dialect: str) -> None:
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.acks = False
    rig.now += 60
    rig.commit({"a": None})
    (answer,) = await rig.take()
    assert (HoldingState.KEPT, None, False) == told(ask(rig, is_gone=True))
    await rig.ask(SERVICE_ENTRY, nonce=answer.nonce)
    rig.now += 2

    assert (HoldingState.DROPPED, 2.0, False) == told(ask(rig, is_gone=True))


async def test_clients_of_other_kinds_are_not_asked() -> None:
    rig = make_rig()
    await rig.ask(SIDECAR)
    await rig.take()
    subject = Subject(Kind.SERVICE_ENTRY, "ns/a", 1)

    assert [] == list(list_holdings([ConnectedStream("1-a", "", "sotw", rig.machine)], subject, rig.now))
