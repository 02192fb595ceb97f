"""Slime's incremental dialect, the parts that the transcripts of `conformance/ads/test_incremental` cannot see."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.service_entry import Kind
from meshregistry.xds.incremental import IncrementalType, Journal, read_cursor, write_cursor
from meshregistry.xds.options import AdsOptions, Rhythm
from meshregistry.xds.selection import Selection
from meshregistry.xds.tombstones import Forgotten
from tests.conformance.ads.transcripts import got
from tests.support.ads_rig import NODE, MachineRig
from tests.support.ads_world import SERVICE_ENTRY, commit, full_name, make_resource, make_store

SEQUENCES = st.integers(0, (1 << 64) - 1)
MARKED = (NODE[0], {**NODE[1], "MCP_INC_PUSH": "true"})
OPTIONS = AdsOptions(incremental=True, rhythm=Rhythm(push_pause_s=0.0, ack_timeout_s=30.0))


async def connect(*names: str) -> MachineRig:
    """Return a machine over some resources, whose client has acknowledged the first response."""
    rig = MachineRig("sotw", make_store(*map(make_resource, names)), OPTIONS, MARKED)
    await rig.ask(SERVICE_ENTRY, nonce="")
    [answer] = await rig.take()
    assert set(map(full_name, names)) == set(answer.resources)
    return rig


def floor(rig: MachineRig) -> int | None:
    """Return what the client has confirmed."""
    state = rig.machine.types[SERVICE_ENTRY]
    assert isinstance(state, IncrementalType)
    return state.floor


@given(SEQUENCES, SEQUENCES)
def test_cursors_compare_as_their_sequences_and_are_never_empty(one: int, other: int) -> None:
    """Text is all a client may compare."""
    assert (one < other) == (write_cursor(one) < write_cursor(other))
    assert len(write_cursor(one)) == len(write_cursor(other)) == 21
    assert one == read_cursor(write_cursor(one))


def test_no_nonce_is_the_beginning() -> None:
    """Nothing was acknowledged."""
    assert 0 == read_cursor("")


@pytest.mark.anyio
async def test_nonce_is_the_sequence_of_the_store() -> None:
    """The cursor is where the client stands after the response."""
    rig = await connect("a")
    rig.commit({"a": 2})
    [answer] = await rig.take()
    assert write_cursor(rig.store.current.sequence) == answer.nonce


@pytest.mark.anyio
async def test_idle_stream_needs_no_wake_up() -> None:
    """No refresh, no stubs: zero bytes for ever."""
    rig = await connect("a")
    rig.commit({"a": 2})
    await rig.take()
    assert rig.machine.next_wake_up() is None
    rig.now += 100_000
    assert [] == await rig.take()


@pytest.mark.anyio
async def test_change_that_is_taken_back_before_it_was_sent_is_silence() -> None:
    """The cursor moves on in silence."""
    rig = await connect("a")
    rig.commit({"a": 2})
    rig.commit({"a": 1})
    assert [] == await rig.take()
    assert rig.store.current.sequence == floor(rig)


@pytest.mark.anyio
async def test_floor_is_what_the_client_has_acknowledged() -> None:
    """An answer on its way holds the tombstones."""
    rig = await connect("a", "b")
    start = rig.store.current.sequence
    assert start == floor(rig)
    rig.acks = False
    rig.commit({"a": None})
    await rig.take()
    assert start == floor(rig)
    rig.journal.forget(rig.machine.types.values())
    assert 1 == len(rig.journal.tombstones)
    await rig.ask(SERVICE_ENTRY)
    assert start + 1 == floor(rig)
    rig.journal.forget(rig.machine.types.values())
    assert 0 == len(rig.journal.tombstones)


@pytest.mark.anyio
async def test_silence_confirms_nothing_while_an_answer_is_on_its_way() -> None:
    """A change that is taken back moves the cursor, not the floor."""
    rig = await connect("a", "b")
    start = rig.store.current.sequence
    rig.acks = False
    rig.commit({"a": None})
    await rig.take()
    rig.now += 31
    rig.commit({"b": 2})
    rig.commit({"b": 1})
    assert [] == await rig.take()
    assert start == floor(rig)


@pytest.mark.anyio
async def test_slowest_client_decides_what_is_forgotten() -> None:
    """And without clients everything is."""
    slow = await connect("a", "b")
    slow.acks = False
    slow.commit({"a": None})
    await slow.take()
    quick = MachineRig("sotw", slow.store, OPTIONS, MARKED)
    await quick.ask(SERVICE_ENTRY, nonce="")
    await quick.take()
    states = [*slow.machine.types.values(), *quick.machine.types.values()]
    slow.journal.forget(states)
    assert 1 == len(slow.journal.tombstones)
    slow.journal.forget(states[1:])
    assert 0 == len(slow.journal.tombstones)
    slow.commit({"b": None})
    slow.journal.forget([])
    assert 0 == len(slow.journal.tombstones)


@pytest.mark.anyio
async def test_client_that_asks_again_without_an_ack_gets_the_tombstones_again() -> None:
    """What it confirmed counts, not what it was sent."""
    rig = await connect("a", "b")
    rig.acks = False
    rig.commit({"a": None})
    assert [got(_gone=("a",))] == await rig.take()
    await rig.ask(SERVICE_ENTRY, nonce="")
    rig.now += 31
    assert [got(b=1, _gone=("a",))] == await rig.take()


@pytest.mark.anyio
async def test_client_that_needs_what_is_forgotten_cannot_go_on() -> None:
    """Its next stream begins in full."""
    rig = await connect("a")
    rig.commit({"a": None})
    rig.journal.forget([])
    with pytest.raises(Forgotten):
        await rig.take()


def test_names_that_changed_are_found_once_for_all_streams_in_step() -> None:
    """And anew after the next commit."""
    store = make_store(make_resource("a"), make_resource("b"))
    journal = Journal(store, Selection())
    start = journal.cursor
    commit(store, {"b": 2, "c": 1})
    found = journal.changed_since(Kind.SERVICE_ENTRY, start)
    assert ("ns/b", "ns/c") == found
    assert found is journal.changed_since(Kind.SERVICE_ENTRY, start)
    assert () == journal.changed_since(Kind.SERVICE_ENTRY, journal.cursor)
    commit(store, {"c": None})
    assert ("ns/b",) == journal.changed_since(Kind.SERVICE_ENTRY, start)


@pytest.mark.anyio
async def test_responses_keep_the_pause_of_sotw() -> None:
    """The client behind it is an istiod with its debounce."""
    slow = MachineRig(
        "sotw", make_store(make_resource("a")), replace(OPTIONS, rhythm=Rhythm(push_pause_s=0.12)), MARKED
    )
    await slow.ask(SERVICE_ENTRY, nonce="")
    assert [got(a=1)] == await slow.take()
    slow.commit({"a": 2})
    assert [] == await slow.take()
    slow.now += 0.12
    assert [got(a=2)] == await slow.take()
