"""The session against servers that misbehave: whatever comes costs a connection at most."""

import asyncio
import random
import socket
import ssl
import struct
import time
from pathlib import Path

import pytest

from meshregistry.errors import SourceAuthError, SourceUnavailable
from meshregistry.sources.polling import REAL_CLOCK, Clock
from meshregistry.sources.zookeeper.session import (
    ConnectionLoss,
    NotSupportedError,
    RequestTimeout,
    TlsFiles,
    WatchEvent,
    WatchKind,
)
from tests.support.ports import free_ports
from tests.support.scripted_zookeeper import SESSION_ID, Peer, ScriptedZooKeeper, good, text, texts
from tests.support.zookeeper_access import TlsFiles as Certificates
from tests.support.zookeeper_session import running_session

pytestmark = pytest.mark.anyio

AUTH, SET_WATCHES, SET_WATCHES_2, ADD_WATCH, CLOSE, SASL = 100, 101, 105, 106, -11, 102
GET_CHILDREN = 8


async def drop_the_first_request(peer: Peer) -> None:
    await peer.accept()
    await peer.request()


async def test_a_read_survives_the_loss_of_its_connection() -> None:
    async with ScriptedZooKeeper(drop_the_first_request, good).running() as server:
        async with running_session(server.address) as (session, book):
            assert ("a",) == await session.get_children("/")
            reason = f"{server.address}: closed by the server"
            assert [True, reason, False] == book.notes
            assert [0, SESSION_ID] == [greeting.session_id for greeting in server.greetings]
            assert 1 == session.describe()["retries"]
        assert [True, reason, False, f"{server.address}: session closed"] == book.notes


async def test_an_ensemble_is_away_when_none_of_its_servers_can_be_reached() -> None:
    closed = [f"127.0.0.1:{port}" for port in free_ports(2)]
    async with running_session(*closed) as (_session, book):
        await book.until(lambda book: bool(book.absences))
    assert [] == book.notes

    async with (
        ScriptedZooKeeper(good).running() as server,
        running_session(closed[0], server.address, clock=REAL_CLOCK._replace(dice=lambda: 0.5)) as (session, book),
    ):
        await book.until_connected()
        assert ([], 2) == (book.absences, session.describe()["attempts"])


async def test_all_requests_under_way_are_repeated() -> None:
    async def drop_the_tenth(peer: Peer) -> None:
        await peer.accept()
        for _ in range(10):
            await peer.request()

    async with (
        ScriptedZooKeeper(drop_the_tenth, good).running() as server,
        running_session(server.address) as (session, _book),
    ):
        found = await asyncio.gather(*(session.get_children("/") for _ in range(10)))
        assert [("a",)] * 10 == found


async def test_credentials_come_first_on_every_connection() -> None:
    async with (
        ScriptedZooKeeper(drop_the_first_request_after_auth, good).running() as server,
        running_session(server.address, digest_auth=(("u", "p"), ("v", "q"))) as (session, _book),
    ):
        assert ("a",) == await session.get_children("/")
    for peer in server.peers:
        assert [AUTH, AUTH, GET_CHILDREN] == [asked.op for asked in peer.asked][:3]
        assert [b"u:p", b"v:q"] == [asked.body[-3:] for asked in peer.asked[:2]]


async def drop_the_first_request_after_auth(peer: Peer) -> None:
    await peer.accept()
    while (asked := await peer.request()).op == AUTH:
        peer.answer(asked.xid, zxid=0)


async def test_refused_credentials_fail_calls_at_once_until_they_are_accepted() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.accept()
        peer.answer((await peer.request()).xid, code=-115)

    async with (
        ScriptedZooKeeper(refuse, refuse, good).running() as server,
        running_session(server.address, digest_auth=(("u", "p"),), auth_pause_s=0.2) as (session, book),
    ):
        with pytest.raises(SourceAuthError, match="credentials refused"):
            await session.get_children("/")
        assert ("refused", []) == (session.describe()["state"], book.notes)
        await book.until_connected()
        assert ("a",) == await session.get_children("/")
        assert ("connected", [True]) == (session.describe()["state"], book.notes)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(struct.pack(">iiiqi", 37, 0, 4000, 5, 16) + bytes(16) + b"\1", id="read-only by its flag"),
        pytest.param(struct.pack(">i", 16) + struct.pack(">iqi", 0, 1, -119), id="read-only"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="HTTP"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x50", id="TLS alert"),
        pytest.param(b"\0\0\0\x25\0\0", id="half a frame"),
        pytest.param(b"", id="nothing"),
        pytest.param(struct.pack(">i", 4) + b"abcd", id="four bytes"),
    ],
)
async def test_a_server_that_greets_badly_leaves_the_next_one(bad: bytes) -> None:
    async def greet_badly(peer: Peer) -> None:
        await peer.greeted()
        peer.send(bad)

    async with (
        ScriptedZooKeeper(greet_badly).running() as wrong,
        ScriptedZooKeeper(good).running() as right,
        running_session(wrong.address, right.address) as (session, book),
    ):
        assert ("a",) == await session.get_children("/")
        assert right.address == session.describe()["server"]
        assert [True] == book.notes


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the other loop asks nobody whom a test can replace
async def test_a_server_that_moves_is_followed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each connection the name is looked up; addresses left over from the time before are not tried."""
    lookups: list[str] = []
    places = [["127.0.0.1", "127.0.0.9"], ["127.0.0.2"]]

    def look_up(name: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        lookups.append(name)
        found = places[min(len(lookups), len(places)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    async with (
        ScriptedZooKeeper(drop_the_first_request).running() as before,
        ScriptedZooKeeper(good, host="127.0.0.2", port=before.port).running() as after,
        ScriptedZooKeeper(good, host="127.0.0.9", port=before.port).running() as stale,
    ):
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        async with running_session(f"zk.example:{before.port}", clock=Clock(dice=lambda: 0.0)) as (session, book):
            assert ("a",) == await session.get_children("/")
            assert f"zk.example/{after.address}" == session.describe()["server"]
            assert [True, f"zk.example/{before.address}: closed by the server", False] == book.notes
    assert (["zk.example"] * 2, 1, 1, 0) == (lookups, len(before.peers), len(after.peers), len(stale.peers))


async def test_silence_instead_of_a_greeting_costs_the_connect_timeout() -> None:
    async def silence(peer: Peer) -> None:
        await peer.reader.read()

    async with (
        ScriptedZooKeeper(silence, good).running() as server,
        running_session(server.address, connect_timeout_s=0.1) as (session, _book),
    ):
        assert ("a",) == await session.get_children("/")
    assert 2 == len(server.peers)


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"\xff\xff\xff\xff", "a frame of negative length"),
        (b"\x7f\xff\xff\xff", "more than the allowed"),
        (struct.pack(">i", 3) + b"abc", "an answer of 3 bytes"),
        (struct.pack(">iiqi", 16, 99, 1, 0), "an answer to request 99, expected 1"),
        (struct.pack(">iiqi", 20, -1, 1, 0) + b"abcd", "a bad watch event"),
        (struct.pack(">i", 100) + b"abc", "closed by the server within a frame"),
    ],
)
async def test_garbage_costs_its_connection_and_says_why(garbage: bytes, reason: str) -> None:
    async def spoil(peer: Peer) -> None:
        await peer.accept()
        await peer.request()
        peer.send(garbage)

    async with ScriptedZooKeeper(spoil, good).running() as server, running_session(server.address) as (session, book):
        assert ("a",) == await session.get_children("/")
        assert 1 == len(book.losses)
        assert reason in book.losses[0]
        assert [True, book.losses[0], False] == book.notes


@pytest.mark.parametrize("seed", range(20))
async def test_random_bytes_never_harm_the_session(seed: int) -> None:
    dice = random.Random(seed)

    async def babble(peer: Peer) -> None:
        if dice.random() < 0.7:
            await peer.accept()
            await peer.request()
        peer.send(dice.randbytes(dice.randrange(64)))
        peer.send_frame(dice.randbytes(dice.randrange(64)))

    async with (
        ScriptedZooKeeper(*[babble] * 5, good).running() as server,
        running_session(server.address, first_backoff_s=0.001) as (session, book),
    ):
        assert ("a",) == await session.get_children("/")
        assert "connected" == session.describe()["state"]
        assert len(book.connections) == len(book.losses) + 1


async def test_an_answer_above_the_limit_says_so_to_the_caller() -> None:
    async def flood(peer: Peer) -> None:
        await peer.accept()
        asked = await peer.request()
        peer.answer(asked.xid, bytes(2000))

    async with (
        ScriptedZooKeeper(flood).running() as server,
        running_session(server.address, max_frame_bytes=1000, request_timeout_s=0.5) as (session, _book),
    ):
        with pytest.raises(RequestTimeout, match="a frame of 2016 bytes, more than the allowed 1000"):
            await session.get_children("/")


async def test_a_server_that_accepts_and_drops_is_not_called_without_pause() -> None:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0 if len(pauses) < 8 else 3600)

    async def drop(peer: Peer) -> None:
        await peer.accept()

    clock = Clock(sleep=note, dice=lambda: 0.0)
    async with (
        ScriptedZooKeeper(drop).running() as server,
        running_session(server.address, clock=clock) as (_session, book),
    ):
        await book.until(lambda book: len(book.losses) == 8)
    assert [0.05, 0.08, 0.128, 0.205, 0.328, 0.524, 0.839, 1.0] == [round(pause, 3) for pause in pauses]
    assert [True, *[False] * 7] == book.connections


async def test_nobody_there_is_said_at_the_deadline() -> None:
    async with ScriptedZooKeeper(good).running() as server:
        gone = server.address
    async with running_session(gone, request_timeout_s=0.3) as (session, book):
        started = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"no answer within 0.3 s .*onnect"):
            await session.get_children("/")
        assert 0.3 == pytest.approx(time.monotonic() - started, abs=0.25)
        assert ("connecting", []) == (session.describe()["state"], book.notes)


async def test_an_expired_session_is_replaced_at_once_on_the_same_server() -> None:
    async def expire(peer: Peer) -> None:
        await peer.accept(timeout_ms=0, session_id=0)
        await peer.reader.read()

    async with (
        ScriptedZooKeeper(drop_the_first_request, expire, good).running() as server,
        running_session(server.address) as (session, book),
    ):
        assert ("a",) == await session.get_children("/")
        assert [0, SESSION_ID, 0] == [greeting.session_id for greeting in server.greetings]
        assert [True, True] == book.connections
        assert 1 == session.describe()["expiries"]


async def test_a_server_that_grants_nobody_a_session_is_asked_with_pauses() -> None:
    async def expire(peer: Peer) -> None:
        await peer.accept(timeout_ms=0, session_id=0)

    async with (
        ScriptedZooKeeper(expire, expire, good).running() as server,
        running_session(server.address) as (session, book),
    ):
        assert ("a",) == await session.get_children("/")
        assert (3, [True]) == (len(server.peers), book.notes)
        assert 0 == session.describe()["expiries"]


async def test_a_server_set_up_anew_is_accepted_after_the_old_session_must_be_over() -> None:
    """Servers close without a word when a client has seen newer transactions than they have."""
    now = 1000.0

    async def refuse(peer: Peer) -> None:
        nonlocal now
        await peer.greeted()
        now += 20.0

    async def see(peer: Peer) -> None:
        await peer.accept()
        peer.answer((await peer.request()).xid, texts("a"), zxid=999)

    clock = Clock(now=lambda: now, sleep=lambda _seconds: asyncio.sleep(0))
    async with (
        ScriptedZooKeeper(see, refuse, refuse, refuse, good).running() as server,
        running_session(server.address, clock=clock) as (session, book),
    ):
        await session.get_children("/")
        await book.until_connected(2)
    greetings = [(greeting.session_id, greeting.last_zxid) for greeting in server.greetings]
    assert [(0, 0), (SESSION_ID, 999), (SESSION_ID, 999), (0, 0), (0, 0)] == greetings


async def test_watches_are_asked_for_again_and_their_events_follow_the_connection() -> None:
    async def arm_and_drop(peer: Peer) -> None:
        await peer.accept()
        for _ in range(2):
            peer.answer((await peer.request()).xid, bytes(72), zxid=50)

    async def fire(peer: Peer) -> None:
        await peer.accept()
        asked = await peer.request()
        peer.event(4, "/a")
        peer.answer(asked.xid, zxid=60)
        await peer.serve()

    async with ScriptedZooKeeper(arm_and_drop, fire).running() as server:
        async with running_session(server.address) as (session, book):
            await session.get_children("/a", watch=True)
            await session.get_data("/b", watch=True)
            await book.until(lambda book: bool(book.events))
            reason = f"{server.address}: closed by the server"
            assert [True, reason, False, WatchEvent(WatchKind.CHILDREN, "/a")] == book.notes
            counts = {"data": 1, "exist": 0, "child": 0, "persistent": 0, "recursive": 0}
            assert counts == session.describe()["watches"]
        asked = server.peers[1].asked[0]
        assert (-8, SET_WATCHES) == (asked.xid, asked.op)
        assert struct.pack(">q", 50) + texts("/b") + texts() + texts("/a") == asked.body


async def test_a_drop_while_arming_loses_no_event() -> None:
    """The second portion must be asked for as of the last connection in use, whatever the first one's answer showed."""
    paths = [f"/{'x' * 1000}{number}" for number in range(150)]

    async def arm_and_drop(peer: Peer) -> None:
        await peer.accept()
        for _ in paths:
            peer.answer((await peer.request()).xid, texts(), zxid=50)

    async def fire_and_drop(peer: Peer) -> None:
        await peer.accept()
        asked = await peer.request()
        peer.event(4, paths[0])
        peer.answer(asked.xid, zxid=60)
        await peer.request()

    async with (
        ScriptedZooKeeper(arm_and_drop, fire_and_drop, good).running() as server,
        running_session(server.address) as (session, book),
    ):
        await asyncio.gather(*(session.get_children(path, watch=True) for path in paths))
        await book.until(lambda book: bool(book.events))
        assert [True, False] == book.connections
        assert [WatchEvent(WatchKind.CHILDREN, paths[0])] == book.events
        assert 3 == session.describe()["rearm_chunks"]
    portions = [asked for peer in server.peers[1:] for asked in peer.asked if asked.op == SET_WATCHES]
    assert [50, 50, 50, 50] == [struct.unpack_from(">q", asked.body)[0] for asked in portions]
    assert all(len(asked.body) < 140_000 for asked in portions)


async def test_an_old_server_says_that_it_has_no_lasting_watches_and_is_not_asked_again() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.accept()
        while (asked := await peer.request()).op != ADD_WATCH:
            peer.answer(asked.xid, texts("a"))
        peer.answer(asked.xid, code=-6)

    async with ScriptedZooKeeper(refuse, good).running() as server, running_session(server.address) as (session, book):
        with pytest.raises(NotSupportedError, match="no persistent watches"):
            await session.add_watch("/", recursive=True)
        await book.until_connected(2)
        with pytest.raises(NotSupportedError, match="no persistent watches"):
            await session.add_watch("/", recursive=True)
        assert ("a",) == await session.get_children("/")
    assert [GET_CHILDREN, CLOSE] == [asked.op for asked in server.peers[1].asked]


async def test_a_server_that_closes_on_every_lasting_watch_has_none() -> None:
    async def close_on_add_watch(peer: Peer) -> None:
        await peer.accept()
        while (asked := await peer.request()).op != ADD_WATCH:
            peer.answer(asked.xid, texts("a"))

    async with (
        ScriptedZooKeeper(close_on_add_watch).running() as server,
        running_session(server.address) as (session, _book),
    ):
        with pytest.raises(NotSupportedError):
            await session.add_watch("/", recursive=True)
        assert ("a",) == await session.get_children("/")
        assert 4 == len(server.peers)


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    async def collect(peer: Peer) -> None:
        await peer.accept()
        waiting = [await peer.request() for _ in range(4)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await peer.request()
        for asked in waiting:
            peer.answer(asked.xid, texts("a"))
        await peer.serve()

    async with (
        ScriptedZooKeeper(collect).running() as server,
        running_session(server.address, in_flight=4) as (session, book),
    ):
        await asyncio.gather(*(session.get_children("/") for _ in range(10)))
        assert [True] == book.notes
        assert 0 == session.describe()["in_flight"]


async def test_a_caller_that_left_disturbs_nobody() -> None:
    received, hold = asyncio.Event(), asyncio.Event()

    async def delay(peer: Peer) -> None:
        await peer.accept()
        first = await peer.request()
        received.set()
        await hold.wait()
        peer.answer(first.xid, texts("late"))
        await peer.serve()

    async with ScriptedZooKeeper(delay).running() as server, running_session(server.address) as (session, book):
        leaving = asyncio.ensure_future(session.get_children("/x", watch=True))
        await book.until_connected()
        await received.wait()
        leaving.cancel()
        second = asyncio.ensure_future(session.get_children("/"))
        await asyncio.wait([leaving])
        hold.set()
        assert ("a",) == await second
        watches = session.describe()["watches"]
        assert isinstance(watches, dict)
        assert 1 == watches["child"], "the server holds it all the same"
        assert [True] == book.notes


async def test_a_silent_server_is_pinged_and_then_given_up() -> None:
    async def fall_silent(peer: Peer) -> None:
        await peer.accept(timeout_ms=600)
        await peer.reader.readexactly(12)
        await peer.reader.read()

    async with (
        ScriptedZooKeeper(fall_silent, good).running() as server,
        running_session(server.address) as (_session, book),
    ):
        await book.until_connected()
        started = time.monotonic()
        await book.until_connected(2)
        assert 0.4 <= time.monotonic() - started < 1.5
        assert "nothing received for 0.4 s" in book.losses[0]


async def test_a_server_that_only_pongs_is_given_up() -> None:
    async def pong(peer: Peer) -> None:
        await peer.accept(timeout_ms=300)
        await peer.request()
        await peer.request()

    async with (
        ScriptedZooKeeper(pong, good).running() as server,
        running_session(server.address, request_timeout_s=0.5) as (session, book),
    ):
        with pytest.raises(RequestTimeout):
            await session.get_children("/")
        await book.until_connected(2)
        assert "a request has no answer after 0.5 s though the server sends" in book.losses[0]


async def test_an_idle_session_is_kept_alive() -> None:
    async def idle(peer: Peer) -> None:
        await peer.accept(timeout_ms=150)
        await peer.serve()

    async with ScriptedZooKeeper(idle).running() as server, running_session(server.address) as (_session, book):
        await book.until_connected()
        await asyncio.sleep(0.6)
        assert [True] == book.notes
    assert 5 <= len(server.peers[0].asked) <= 16


async def test_the_server_is_told_of_the_end_and_waiting_calls_fail() -> None:
    async def leave_waiting(peer: Peer) -> None:
        await peer.accept()
        waiting = await peer.request()
        peer.answer(waiting.xid, texts())
        peer.answer((await peer.request()).xid)

    async with ScriptedZooKeeper(leave_waiting).running() as server:
        async with running_session(server.address) as (session, book):
            await session.get_children("/")
        assert [GET_CHILDREN, CLOSE] == [asked.op for asked in server.peers[0].asked]
        assert [True, f"{server.address}: session closed"] == book.notes
        with pytest.raises(ConnectionLoss, match="the session is closed"):
            await session.get_children("/")
        assert "closed" == session.describe()["state"]


async def test_the_end_does_not_wait_for_a_server_that_does_not_answer() -> None:
    async def ignore(peer: Peer) -> None:
        await peer.accept()
        await peer.reader.read()

    async with ScriptedZooKeeper(ignore).running() as server:
        async with running_session(server.address, close_timeout_s=0.2) as (session, book):
            await book.until_connected()
            waiting = asyncio.ensure_future(session.get_children("/"))
            await asyncio.sleep(0)
            started = time.monotonic()
        assert 0.2 == pytest.approx(time.monotonic() - started, abs=0.2)
        with pytest.raises(ConnectionLoss):
            await waiting


async def test_the_session_can_be_closed_while_nobody_answers() -> None:
    async with ScriptedZooKeeper(good).running() as server:
        gone = server.address
    async with running_session(gone) as (_session, book):
        await asyncio.sleep(0.02)
    assert [] == book.notes


async def test_events_are_told_without_the_chroot_and_foreign_ones_not_at_all() -> None:
    async def fire(peer: Peer) -> None:
        await peer.accept()
        asked = await peer.request()
        assert text("/foo/a") == asked.body[:-1]
        peer.event(1, "/foobar")
        peer.event(1, "/foo/a/b")
        peer.event(2, "/foo")
        peer.answer(asked.xid, texts())
        await peer.serve()

    async with (
        ScriptedZooKeeper(fire).running() as server,
        running_session(server.address, chroot="/foo") as (session, book),
    ):
        await session.get_children("/a")
        assert [WatchEvent(WatchKind.CREATED, "/a/b"), WatchEvent(WatchKind.DELETED, "/")] == book.events


async def test_a_sasl_server_that_does_not_know_the_password_is_not_trusted() -> None:
    async def pretend(peer: Peer) -> None:
        await peer.accept()
        challenge = b'realm="zk-sasl-md5",nonce="n",qop="auth"'
        peer.answer((await peer.request()).xid, struct.pack(">i", len(challenge)) + challenge)
        peer.answer((await peer.request()).xid, struct.pack(">i", 7) + b"rspauth")

    async with (
        ScriptedZooKeeper(pretend).running() as server,
        running_session(server.address, sasl=("bob", "secret")) as (session, book),
    ):
        with pytest.raises(SourceAuthError):
            await session.get_children("/")
        assert [] == book.notes
    assert [SASL, SASL] == [asked.op for asked in server.peers[0].asked]


async def test_a_certificate_of_ours_is_shown(tmp_path: Path) -> None:
    files = Certificates.make(tmp_path)
    context = files.server_context()
    context.load_verify_locations(files.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    ours = TlsFiles(ca=str(files.authority), certificate=str(files.client), server_name="localhost")
    nobody = TlsFiles(ca=str(files.authority))
    async with ScriptedZooKeeper(good, tls=context).running() as server:
        async with running_session(server.address, tls=ours) as (session, _book):
            assert ("a",) == await session.get_children("/")
        async with running_session(server.address, tls=nobody, request_timeout_s=0.5) as (session, book):
            with pytest.raises(RequestTimeout):
                await session.get_children("/")
            assert [] == book.notes
