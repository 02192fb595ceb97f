"""The machine with a clock in hand: rhythm, acknowledgements, holds, limits."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from meshregistry.errors import AdsProtocolError
from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.xds.options import AdsOptions, LimitExceeded, Limits, Rhythm
from meshregistry.xds.protocol import Verdict
from meshregistry.xds.requests import Node, Refusal, Request
from tests.conformance.ads.transcripts import got
from tests.support.ads_rig import JUNK, MachineRig
from tests.support.ads_world import GATEWAY, OLD_SERVICE_ENTRY, SERVICE_ENTRY, SIDECAR, make_resource, make_store

pytestmark = pytest.mark.anyio

OPTIONS = AdsOptions(version_stubs=False, rhythm=Rhythm(push_pause_s=0.12, delta_push_pause_s=0.0, ack_timeout_s=30.0))
DIALECTS = pytest.mark.parametrize("dialect", ["sotw", "delta"])
NODE = Node("sidecar~10.0.0.1~a~b", "api", "")


def make_rig(dialect: str = "sotw", options: AdsOptions = OPTIONS, *, complete: bool = True) -> MachineRig:
    """Return a machine over a world of two resources."""
    return MachineRig(dialect, make_store(make_resource("a"), make_resource("b"), complete=complete), options)


async def test_first_change_after_quiet_is_sent_at_once() -> None:
    """Leading edge."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 60
    rig.commit({"a": 2})
    assert [got(a=2, b=1)] == await rig.take()


async def test_responses_of_a_type_keep_their_pause() -> None:
    """P4: a drip of changes leaves istiod its 100 ms of quiet, and the newest state replaces what waits."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    sent_at, marks = [], []
    for mark in range(2, 102):
        rig.now += 0.02
        rig.commit({"a": mark})
        for answer in await rig.take():
            sent_at.append(rig.now)
            marks.append(answer.resources["ns/a"])
    pauses = [later - earlier for earlier, later in pairwise(sent_at)]
    assert min(pauses) >= 0.12
    assert 12 <= len(sent_at) <= 17
    assert len(set(marks)) == len(marks)


async def test_a_thousand_changes_are_at_most_two_responses() -> None:
    """P2."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 1
    answers = []
    for mark in range(2, 1002):
        rig.commit({"a": mark})
        answers += await rig.take()
    rig.now += 0.12
    answers += await rig.take()
    assert [got(a=2, b=1), got(a=1001, b=1)] == answers


async def test_machine_tells_when_the_pause_ends() -> None:
    """The next wake-up is the earliest moment at which something can be sent."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    assert rig.machine.next_wake_up() is None
    rig.commit({"a": 2})
    assert [] == await rig.take()
    assert 1000.12 == rig.machine.next_wake_up()
    rig.now = 1000.12
    assert [got(a=2, b=1)] == await rig.take()
    assert rig.machine.next_wake_up() is None


async def test_delta_has_a_pause_of_its_own() -> None:
    """The default of delta is none."""
    rig = make_rig("delta")
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.commit({"a": 2})
    assert [got(a=2)] == await rig.take()
    rig.commit({"a": 3})
    assert [got(a=3)] == await rig.take()


@DIALECTS
async def test_a_missing_ack_holds_back_until_the_fallback(dialect: str) -> None:
    """N9 D10: the newest state is sent anyway after the fallback time, and once."""
    rig = make_rig(dialect)
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.commit({"a": 2, "b": 2})
    rig.now += 29.9
    assert [] == await rig.take()
    assert 1030.0 == rig.machine.next_wake_up()
    rig.commit({"a": 3})
    rig.now = 1030.0
    assert [got(a=3, b=2)] == await rig.take()
    rig.now = 1100.0
    assert [] == await rig.take()


@DIALECTS
async def test_commits_during_a_wait_wake_the_writer_once(dialect: str) -> None:
    """A thousand commits until an ACK comes cost a hundred streams no thousand wake-ups each."""
    rig = make_rig(dialect)
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    change = Change(Kind.SERVICE_ENTRY, frozenset({"ns/a"}), frozenset())
    assert [True, False, False] == [rig.machine.note_change(change, rig.now) for _ in range(3)]


@DIALECTS
async def test_every_commit_wakes_a_writer_that_is_held(dialect: str) -> None:
    """Any of them may complete the snapshot."""
    rig = make_rig(dialect, complete=False)
    await rig.ask(SERVICE_ENTRY)
    assert [] == await rig.take()
    change = Change(Kind.SERVICE_ENTRY, frozenset(), frozenset())
    assert [True, True] == [rig.machine.note_change(change, rig.now) for _ in range(2)]


@DIALECTS
async def test_types_do_not_wait_for_each_other(dialect: str) -> None:
    """N9 X59: one type without an ACK does not hold back another."""
    rig = make_rig(dialect)
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    await rig.ask(OLD_SERVICE_ENTRY)
    assert [got(a=1, b=1), got(OLD_SERVICE_ENTRY, a=1, b=1)] == await rig.take()
    rig.commit({"a": 2})
    await rig.ask(OLD_SERVICE_ENTRY, nonce=rig.all[1].nonce)
    rig.now += 1
    whole, part = got(OLD_SERVICE_ENTRY, a=2, b=1), got(OLD_SERVICE_ENTRY, a=2)
    assert [whole if dialect == "sotw" else part] == await rig.take()


async def test_pushes_come_in_the_order_that_keeps_references_whole() -> None:
    """E22: types without data first, ServiceEntries before the Sidecars that may refer to them."""
    rig = make_rig()
    for url in (SIDECAR, SERVICE_ENTRY, GATEWAY):
        await rig.ask(url, nonce=JUNK)
    assert [GATEWAY, SERVICE_ENTRY, SIDECAR] == [answer.url for answer in await rig.take()]


async def test_version_is_that_of_the_content() -> None:
    """N7 E8 H6: equal on all streams at one snapshot, equal again when the content is, and the store's own."""
    one, other = make_rig(), make_rig()
    for rig in (one, other):
        await rig.ask(SERVICE_ENTRY)
        await rig.take()
        for mark in (2, 1):
            rig.now += 1
            rig.commit({"a": mark})
            await rig.take()
    versions = [answer.version for answer in one.all]
    assert versions == [answer.version for answer in other.all]
    assert versions[0] == versions[2] != versions[1]
    assert one.store.current.collections["ServiceEntry"].version == versions[0]  # type: ignore[index]
    assert [answer.size for answer in one.all] == [answer.size for answer in other.all]


@DIALECTS
async def test_ack_latency_and_convergence_are_measured(dialect: str) -> None:
    """N10: from the end of sending, and from the commit of the oldest change."""
    rig = make_rig(dialect, replace(OPTIONS, rhythm=Rhythm(push_pause_s=0.5, delta_push_pause_s=0.5)))
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.commit({"a": 2})
    rig.now += 0.2
    rig.commit({"a": 3})
    rig.now += 0.4
    rig.acks = False
    (answer,) = await rig.take()
    rig.now += 0.25
    receipt = rig.machine.receive(Request(SERVICE_ENTRY, nonce=answer.nonce), rig.now)
    assert receipt.verdict is Verdict.ACK
    assert pytest.approx(0.25) == receipt.ack_s
    assert pytest.approx(0.85) == receipt.convergence_s


@DIALECTS
async def test_convergence_counts_from_what_the_registry_said(dialect: str) -> None:
    """The source's observation, not the commit, is where a change begins."""
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 60
    rig.store.commit(Kind.SERVICE_ENTRY, [make_resource("a", 2)], [], observed_at=rig.now - 0.3)
    rig.acks = False
    (answer,) = await rig.take()
    rig.now += 0.1
    receipt = rig.machine.receive(Request(SERVICE_ENTRY, nonce=answer.nonce), rig.now)
    assert pytest.approx(0.4) == receipt.convergence_s


@DIALECTS
async def test_requests_are_classified(dialect: str) -> None:
    """One classifier for both dialects; no other code looks at a nonce."""
    rig = make_rig(dialect)
    machine = rig.machine

    def verdict(**fields: object) -> Verdict:
        fields = {"type_url": SERVICE_ENTRY, **fields}
        return machine.receive(Request(**fields), rig.now).verdict  # type: ignore[arg-type]

    assert verdict(node=NODE) is Verdict.INIT
    assert verdict(type_url=GATEWAY, nonce=JUNK) is Verdict.RECONNECT
    await rig.flush()
    current = machine.types[SERVICE_ENTRY].nonce
    names = {"names": ("ns/a",)} if dialect == "sotw" else {"subscribe": ("ns/a",)}
    assert verdict(nonce=JUNK) is Verdict.STALE
    assert verdict(nonce=JUNK, error=Refusal(3, "late")) is Verdict.STALE
    assert verdict(nonce=current) is Verdict.ACK
    assert verdict(nonce=current, error=Refusal(3, "no")) is Verdict.NACK
    assert verdict(nonce=current, **names) is Verdict.RESUBSCRIBE
    assert verdict(nonce="") is Verdict.SPONTANEOUS


@DIALECTS
async def test_nack_is_remembered(dialect: str) -> None:
    """N4 D7: nonce, code and message stay for the debug page; the version acknowledged last stays, too."""
    rig = make_rig(dialect)
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.acks = False
    rig.commit({"a": 2})
    rig.now += 1
    (refused,) = await rig.take()
    await rig.ask(SERVICE_ENTRY, error="bad host " + "x" * 5000)
    state = rig.machine.types[SERVICE_ENTRY]
    assert state.rejection is not None
    assert (refused.nonce, 3, "bad host xxx", 2000) == (
        state.rejection.nonce,
        state.rejection.code,
        state.rejection.message[:12],
        len(state.rejection.message),
    )
    assert (rig.all[0].version, refused.version, 1) == (state.acked_version, state.version, state.rejections)


@DIALECTS
async def test_node_is_taken_from_the_first_request(dialect: str) -> None:
    """T7 X52 E23: later requests need none, and another one changes nothing."""
    rig = make_rig(dialect)
    rig.machine.receive(Request(SERVICE_ENTRY, node=NODE), rig.now)
    rig.machine.receive(Request(GATEWAY), rig.now)
    rig.machine.receive(Request(GATEWAY, node=Node("somebody else")), rig.now)
    assert NODE == rig.machine.node


@pytest.mark.parametrize("node", [None, Node(""), Node("", "api", "default")])
@DIALECTS
def test_first_request_without_node_id_ends_the_stream(dialect: str, node: Node | None) -> None:
    """T6 X52 X64."""
    with pytest.raises(AdsProtocolError, match="node id"):
        make_rig(dialect).machine.receive(Request(SERVICE_ENTRY, node=node), 1000.0)


@pytest.mark.parametrize("node_id", ["sidecar~~istiod-probe.istio-system~x", "x", "a~b~c~d~e", "节点"])
def test_odd_node_ids_are_accepted(node_id: str) -> None:
    """T6: an istiod without an address of its own has no IP part."""
    receipt = make_rig().machine.receive(Request(SERVICE_ENTRY, node=Node(node_id)), 1000.0)
    assert receipt.verdict is Verdict.INIT


@DIALECTS
def test_request_without_type_url_ends_the_stream(dialect: str) -> None:
    """T8 X51."""
    with pytest.raises(AdsProtocolError, match="type_url"):
        make_rig(dialect).machine.receive(Request("", node=NODE), 1000.0)


def test_too_many_types_end_the_stream() -> None:
    """A stream may ask for 200 types; istiod asks for 16."""
    machine = make_rig().machine
    machine.receive(Request("t/v1/K0", node=NODE), 1000.0)
    for number in range(1, 200):
        machine.receive(Request(f"t/v1/K{number}"), 1000.0)
    with pytest.raises(LimitExceeded):
        machine.receive(Request("t/v1/K200"), 1000.0)


@DIALECTS
def test_too_many_names_end_the_stream(dialect: str) -> None:
    """Names and prefixes count alike."""
    machine = make_rig(dialect, replace(OPTIONS, limits=Limits(max_names=2))).machine
    names = ("a/b", "c/*")
    machine.receive(Request(SERVICE_ENTRY, node=NODE, names=names, subscribe=names), 1000.0)
    with pytest.raises(LimitExceeded):
        machine.receive(Request(SERVICE_ENTRY, names=(*names, "d/e"), subscribe=("d/e",)), 1000.0)


@DIALECTS
@pytest.mark.parametrize(
    "longer",
    [
        {"type_url": "t/v1/"},
        {"names": ("a/",), "subscribe": ("a/",)},
        {"names": ("ok", "a/*"), "subscribe": ("ok",), "unsubscribe": ("a/*",)},
        {"node": Node("istiod")},
    ],
)
def test_what_is_kept_of_a_client_has_a_longest_length(dialect: str, longer: dict[str, Any]) -> None:
    """A name of a megabyte is a megabyte for as long as the stream lives, and a stream may have thousands."""

    def request(length: int) -> Request:
        stretched = {name: stretch(value, length) for name, value in longer.items()}
        return Request(**{"type_url": SERVICE_ENTRY, "node": NODE, **stretched})

    assert Verdict.INIT is make_rig(dialect).machine.receive(request(2048), 1000.0).verdict
    with pytest.raises(LimitExceeded, match="2049"):
        make_rig(dialect).machine.receive(request(2049), 1000.0)


def stretch(value: Any, length: int) -> Any:
    """Return a text of this length in place of a text, or of the last of several."""
    if isinstance(value, Node):
        return Node(stretch(value.id, length))
    return value.ljust(length, "x") if isinstance(value, str) else (*value[:-1], stretch(value[-1], length))


async def test_change_of_another_kind_wakes_nobody() -> None:
    """X28: a change of one type answers that type alone."""
    rig = make_rig()
    await rig.ask(SIDECAR)
    await rig.take()
    rig.commit({"a": 2})
    assert [] == await rig.take()


async def test_a_delta_pause_grows_with_the_response_before_and_dies_down_again() -> None:
    """5 ms for each name, 60 ms at most; the first change after quiet does not wait."""
    rig = MachineRig("delta", make_store(), replace(OPTIONS, rhythm=Rhythm()))
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 1.0
    waits = []
    for mark, changes in enumerate((1, 3, 1, 40, 1)):
        rig.commit({f"svc{number:02}": mark for number in range(changes)})
        due = rig.machine.next_wake_up()
        assert due is not None
        waits.append(round(max(due - rig.now, 0.0), 6))
        rig.now = max(due, rig.now)
        assert [changes] == [len(answer.resources) for answer in await rig.take()]
    assert [0.0, 0.005, 0.015, 0.005, 0.06] == waits


async def test_a_thousand_changes_in_a_second_are_some_twenty_delta_responses() -> None:
    """One commit each 5 ms, as the reducer makes them of a burst; no change waits longer than the longest pause."""
    rig = MachineRig("delta", make_store(), replace(OPTIONS, rhythm=Rhythm()))
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 1.0
    begun, answers, told = rig.now, [], 0
    while told < 1000:
        if rig.now < begun + 1.0:
            first = round((rig.now - begun) * 1000)
            rig.commit({f"svc{number:04}": 1 for number in range(first, first + 5)})
        taken = await rig.take()
        answers += taken
        told += sum(len(answer.resources) for answer in taken)
        rig.now += 0.005
    assert 15 <= len(answers) <= 22
    assert rig.now - begun < 1.07


async def test_delta_answers_are_split() -> None:
    """D11: parts follow ACK by ACK, without a pause, each below the limit, together the whole."""
    store = make_store(*(make_resource(f"svc{number:03}") for number in range(100)))
    limits = Limits(max_delta_bytes=2000)
    rig = MachineRig("delta", store, replace(OPTIONS, limits=limits, rhythm=Rhythm(delta_push_pause_s=5.0)))
    await rig.ask(SERVICE_ENTRY, initial={f"gone{number}": "1" for number in range(200)})
    answers = await rig.take()
    names = [name for answer in answers for name in answer.resources]
    removed = [name for answer in answers for name in answer.removed]
    assert (100, 100) == (len(names), len(set(names)))
    assert (100, 200) == (len(set(names)), len(set(removed)))
    assert len(answers) > 10
    assert max(answer.size for answer in answers) < 2600
    assert [] == await rig.take()


async def test_next_part_of_a_split_answer_waits_for_the_ack() -> None:
    """D10 D11: changes meanwhile are merged into the parts to come."""
    rig = make_rig("delta", replace(OPTIONS, limits=Limits(max_delta_bytes=1)))
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    (first,) = await rig.take()
    rig.commit({"a": 2, "b": 2})
    assert [] == await rig.take()
    parts = [first]
    for _ in range(3):
        await rig.ask(SERVICE_ENTRY)
        parts += await rig.take()
    marks = [list(part.resources.items()) for part in parts]
    assert [1, 1, 1] == [len(mark) for mark in marks]
    assert {"ns/a": "2", "ns/b": "2"} == dict(pair for mark in marks for pair in mark)
