"""Requests and answers of one connection: order, numbers, errors, watches; garbage is a fault and nothing worse."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.zookeeper.session import requests
from meshregistry.sources.zookeeper.session.errors import (
    AccessRefused,
    AuthRefused,
    ConnectionLoss,
    MalformedAnswer,
    NoNodeError,
    NotSupportedError,
    ProtocolFault,
)
from meshregistry.sources.zookeeper.session.exchange import IGNORED, PONG, Answer, Exchange
from meshregistry.sources.zookeeper.session.jute import pack_text, pack_texts
from meshregistry.sources.zookeeper.session.records import WatchEvent, WatchKind
from meshregistry.sources.zookeeper.session.requests import Request
from meshregistry.sources.zookeeper.session.watches import Watches


def answer(xid: int, body: bytes = b"", *, code: int = 0, zxid: int = 1) -> bytes:
    return struct.pack(">iqi", xid, zxid, code) + body


def event(number: int, path: str, *, state: int = 3) -> bytes:
    return answer(-1, struct.pack(">ii", number, state) + pack_text(path), zxid=-1)


def exchange(watches: Watches | None = None, **options: int) -> Exchange[str]:
    return Exchange(watches or Watches(), **options)


def outcome(request: Request[object], code: int, body: bytes = b"") -> Answer[str]:
    """What becomes of a request that is answered."""
    under_way = exchange()
    under_way.send(request, "me", 0.0)
    result = under_way.receive(answer(request.xid or 1, body, code=code))
    assert isinstance(result, Answer)
    assert "me" == result.pending.waiter
    return result


def test_a_frame_has_length_number_and_type() -> None:
    frame = exchange().send(requests.sync("/a"), "me", 0.0)
    assert struct.pack(">iii", 14, 1, 9) + pack_text("/a") == frame


def test_a_ping_is_the_one_of_the_protocol() -> None:
    assert struct.pack(">iii", 8, -2, 11) == exchange().ping()


def test_answers_come_in_order_and_go_to_their_waiters() -> None:
    under_way = exchange()
    for waiter in ("first", "second"):
        under_way.send(requests.get_children("/a", watch=False), waiter, 0.0)
    first, second = (under_way.receive(answer(xid, pack_texts([str(xid)]))) for xid in (1, 2))
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert ("first", ("1",), None) == (first.pending.waiter, first.value, first.error)
    assert ("second", ("2",), None) == (second.pending.waiter, second.value, second.error)
    assert 0 == len(under_way)


@pytest.mark.parametrize("xid", [2, 7, 0, -4, -8])
def test_an_answer_out_of_turn_is_a_fault(xid: int) -> None:
    under_way = exchange()
    under_way.send(requests.sync("/a"), "a", 0.0)
    under_way.send(requests.sync("/b"), "b", 0.0)
    with pytest.raises(ProtocolFault, match=f"an answer to request {xid}, expected 1"):
        under_way.receive(answer(xid))
    assert ["a", "b"] == [pending.waiter for pending in under_way.abandon()]
    assert 0 == len(under_way)


def test_an_answer_that_nobody_asked_for_is_a_fault() -> None:
    with pytest.raises(ProtocolFault, match="expected none"):
        exchange().receive(answer(1))


def test_numbers_begin_again_after_the_last() -> None:
    under_way = exchange(first_xid=2**31 - 1)
    frames = [under_way.send(requests.sync("/a"), "a", 0.0) for _ in range(3)]
    assert [2**31 - 1, 1, 2] == [struct.unpack_from(">i", frame, 4)[0] for frame in frames]


def test_requests_with_a_number_of_their_own_take_none() -> None:
    under_way = exchange()
    under_way.send(requests.digest_auth("u", "p"), "a", 0.0)
    under_way.receive(answer(-4, zxid=0))
    assert 1 == struct.unpack_from(">i", under_way.send(requests.sync("/a"), "b", 0.0), 4)[0]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-101, NoNodeError),
        (-102, AccessRefused),
        (-115, AuthRefused),
        (-124, AuthRefused),
        (-6, NotSupportedError),
        (-127, SourceUnavailable),
        (-8, SourceDataError),
        (-9999, SourceDataError),
    ],
)
def test_error_codes_become_errors_that_name_the_path(code: int, kind: type[SourceError]) -> None:
    result = outcome(requests.get_data("/a/b", watch=False), code)
    assert kind is type(result.error)
    assert "/a/b" in str(result.error)


@pytest.mark.parametrize("code", [-4, -112, -118])
def test_a_session_that_ended_or_moved_ends_the_connection_with_its_requests(code: int) -> None:
    under_way = exchange()
    under_way.send(requests.sync("/a"), "a", 0.0)
    with pytest.raises(ConnectionLoss):
        under_way.receive(answer(1, code=code))
    assert ["a"] == [pending.waiter for pending in under_way.abandon()]


def test_absence_answers_exists() -> None:
    assert (False, None) == outcome(requests.exists("/a", watch=False), -101)[1:]
    assert (True, None) == outcome(requests.exists("/a", watch=False), 0)[1:]


def test_an_answer_that_cannot_be_read_costs_only_its_request() -> None:
    result = outcome(requests.get_children("/a", watch=False), 0, b"\0\0\0\x09")
    assert isinstance(result.error, MalformedAnswer)
    assert "/a" in str(result.error)


@pytest.mark.parametrize(
    ("request_", "code", "armed"),
    [
        (requests.get_children("/a", watch=True), 0, "child"),
        (requests.get_data("/a", watch=True), 0, "data"),
        (requests.exists("/a", watch=True), 0, "data"),
        (requests.exists("/a", watch=True), -101, "exist"),
        (requests.add_watch("/a", recursive=True), 0, "recursive"),
        (requests.add_watch("/a", recursive=False), 0, "persistent"),
        (requests.get_children("/a", watch=True), -101, ""),
        (requests.get_data("/a", watch=True), -101, ""),
        (requests.get_data("/a", watch=True), -102, ""),
        (requests.exists("/a", watch=True), -102, ""),
        (requests.add_watch("/a", recursive=True), -6, ""),
        (requests.get_children("/a", watch=False), 0, ""),
    ],
)
def test_the_answer_says_what_is_watched(request_: Request[object], code: int, armed: str) -> None:
    watches = Watches()
    under_way = exchange(watches)
    under_way.send(request_, "me", 0.0)
    assert 0 == sum(watches.counts().values()), "nothing is armed before the answer"
    under_way.receive(answer(1, code=code))
    assert [armed] * bool(armed) == [kind for kind, count in watches.counts().items() if count]


@pytest.mark.parametrize("kind", list(WatchKind))
def test_events_are_told(kind: WatchKind) -> None:
    watches = Watches()
    watches.data.add("/a")
    watches.child.add("/a")
    assert WatchEvent(kind, "/a") == exchange(watches).receive(event(kind.value, "/a"))
    assert 2 > sum(watches.counts().values())


def test_state_events_and_kinds_to_come_are_passed_over() -> None:
    watches = Watches()
    watches.data.add("/a")
    passed_over = [exchange(watches).receive(frame) for frame in (event(-1, "", state=5), event(6, "/a"))]
    assert [IGNORED, IGNORED] == passed_over
    assert {"/a"} == watches.data


def test_the_word_of_an_expired_session_ends_the_connection() -> None:
    with pytest.raises(ConnectionLoss, match="expired"):
        exchange().receive(event(-1, "", state=-112))


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1\0\0\0\3", b"\0\0\0\1\0\0\0\3\0\0\0\x09/a"])
def test_half_an_event_is_a_fault(body: bytes) -> None:
    with pytest.raises(ProtocolFault, match="event"):
        exchange().receive(answer(-1, body))


def test_a_pong_needs_no_ping_before_it() -> None:
    assert PONG == exchange().receive(answer(-2))


def test_only_answers_move_what_was_seen_and_never_back() -> None:
    under_way = exchange()
    for xid, zxid in enumerate((5, 9, 7, 0), 1):
        under_way.send(requests.sync("/a"), "a", 0.0)
        under_way.receive(answer(xid, zxid=zxid))
    under_way.receive(answer(-2, zxid=100))
    under_way.receive(answer(-1, struct.pack(">ii", 1, 3) + pack_text("/a"), zxid=200))
    assert 9 == under_way.last_zxid


def test_the_oldest_request_is_known() -> None:
    under_way = exchange()
    oldest = [under_way.oldest_sent_at]
    under_way.send(requests.sync("/a"), "a", 3.0)
    under_way.send(requests.sync("/a"), "b", 4.0)
    oldest.append(under_way.oldest_sent_at)
    under_way.receive(answer(1))
    assert [None, 3.0, 4.0] == [*oldest, under_way.oldest_sent_at]


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_no_frame_raises_anything_but_a_fault_or_a_loss(frames: list[bytes]) -> None:
    under_way = exchange()
    for make in (requests.get_children, requests.get_data, requests.exists):
        under_way.send(make("/a", watch=True), "me", 0.0)
    try:
        for frame in frames:
            under_way.receive(frame)
    except (ProtocolFault, ConnectionLoss):
        assert len(under_way) <= 3


@given(
    st.sampled_from([requests.get_children("/a", watch=True), requests.get_data("/a", watch=True)]),
    st.integers(-130, 1),
    st.binary(max_size=120),
)
def test_any_body_and_code_in_turn_has_an_outcome(request_: Request[object], code: int, body: bytes) -> None:
    under_way = exchange()
    under_way.send(request_, "me", 0.0)
    try:
        result = under_way.receive(answer(1, body, code=code))
    except ConnectionLoss:
        assert 1 == len(under_way)
    else:
        assert isinstance(result, Answer)
        assert 0 == len(under_way)
