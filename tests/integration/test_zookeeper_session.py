"""The session against ZooKeeper: the same tests on the simulator and real servers; kazoo is the other client."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import pytest
from kazoo.security import make_acl, make_digest_acl

from meshregistry.errors import SourceAuthError
from meshregistry.sources.zookeeper.session import (
    AccessRefused,
    NoNodeError,
    RequestTimeout,
    TlsFiles,
    WatchEvent,
    WatchKind,
    ZooKeeperSession,
)
from tests.support.tcp_gate import TcpGate
from tests.support.zookeeper_access import CLIENT_SUBJECT
from tests.support.zookeeper_rig import EnsembleRig, SecureRig, ZooKeeperRig
from tests.support.zookeeper_session import Notebook, running_session, ticket_of

pytestmark = pytest.mark.anyio

CREATED, DELETED, CHANGED, CHILDREN = WatchKind
FIRST = [True]


@pytest.fixture
async def gate(zookeeper_rig: ZooKeeperRig) -> AsyncIterator[TcpGate]:
    """A door before the server."""
    async with TcpGate(zookeeper_rig.hosts).running() as gate:
        yield gate


def paths_of(book: Notebook, kind: WatchKind) -> list[str]:
    return [event.path for event in book.events if event.kind is kind]


async def test_nodes_are_read_as_they_are(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a/b", b"data \xff\0")
    await zookeeper_rig.writer.create("/a/e", ephemeral=True)
    await zookeeper_rig.writer.create("/a/名字%2F", b"")
    async with running_session(zookeeper_rig.hosts) as (session, book):
        assert {"b", "e", "名字%2F"} == set(await session.get_children("/a"))
        assert () == await session.get_children("/a/b")
        node = await session.get_data("/a/b")
        assert (b"data \xff\0", False, 0, 0) == (node.data, node.ephemeral, node.children, node.version)
        assert node.czxid == node.mzxid == node.pzxid > 0
        assert time.time() * 1000 == pytest.approx(node.ctime_ms, abs=60_000)
        assert (await session.get_data("/a/e")).ephemeral
        assert 3 == (await session.get_data("/a")).children
        assert [True, False] == [await session.exists(path) for path in ("/a/b", "/a/c")]
        assert FIRST == book.notes


@pytest.mark.parametrize("read", ["get_children", "get_data"])
async def test_a_missing_node_is_an_answer(zookeeper_rig: ZooKeeperRig, read: str) -> None:
    async with running_session(zookeeper_rig.hosts, chroot="/missing") as (session, _book):
        with pytest.raises(NoNodeError) as caught:
            await getattr(session, read)("/no/such")
        assert "/no/such" == caught.value.path


async def test_several_lists_are_one_question_and_what_is_denied_is_no_part_of_the_answer(
    zookeeper_rig: ZooKeeperRig,
) -> None:
    await zookeeper_rig.writer.create("/root/a/b")
    await zookeeper_rig.writer.create("/root/empty")
    await zookeeper_rig.writer.create("/root/private", acl=[make_digest_acl("reader", "right", read=True)])
    paths = [f"/{name}" for name in ("a", "missing", "private", "empty", "a/b")]
    async with running_session(zookeeper_rig.hosts, chroot="/root") as (session, book):
        assert {} == await session.find_children(paths)  # not connected yet
        await session.sync("/")
        assert {"/a": ("b",), "/missing": None, "/empty": (), "/a/b": ()} == await session.find_children(paths)
        assert {} == await session.find_children([])
        assert {"/a": ("b",)} == await session.find_children(paths[:1], watch=True)
        await zookeeper_rig.writer.create("/root/a/c")
        await session.sync("/")
        assert [WatchEvent(CHILDREN, "/a")] == book.events
    async with running_session(zookeeper_rig.hosts, in_flight=2) as (session, _book):
        await session.sync("/")
        expected = {"/root/a": ("b", "c"), "/root/empty": ()}
        found = await session.find_children(["/root/a", "/root/empty", "/root"])
        assert expected == {path: tuple(sorted(names or ())) for path, names in found.items()}
    assert {} == await session.find_children(["/root/a"])


async def test_a_written_node_is_there_after_a_sync(zookeeper_rig: ZooKeeperRig) -> None:
    async with running_session(zookeeper_rig.hosts) as (session, _book):
        for number in range(20):
            await zookeeper_rig.writer.create(f"/synced/{number}")
            await session.sync("/synced")
            assert str(number) in await session.get_children("/synced")


async def test_ten_thousand_long_names_are_one_answer(zookeeper_rig: ZooKeeperRig) -> None:
    names = {f"{number:05d}{'x' * 600}" for number in range(10_000)}
    await zookeeper_rig.writer.create("/big")
    await zookeeper_rig.writer.create_many((f"/big/{name}", b"") for name in names)
    async with running_session(zookeeper_rig.hosts) as (session, book):
        assert names == set(await session.get_children("/big"))
        assert FIRST == book.notes


async def test_one_shot_watches_tell_once(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/a/data")
    async with running_session(zookeeper_rig.hosts) as (session, book):
        assert not await session.exists("/a/new", watch=True)
        await session.get_data("/a/data", watch=True)
        await session.get_children("/a", watch=True)
        await writer.create("/a/new")
        await writer.set("/a/data", b"1")
        await writer.set("/a/data", b"2")
        await writer.delete("/a/new")
        await session.sync("/a")
        expected = {
            WatchEvent(CREATED, "/a/new"),
            WatchEvent(CHILDREN, "/a"),
            WatchEvent(CHANGED, "/a/data"),
        }
        assert expected == set(book.events)
        assert 3 == len(book.events)
        assert {"data", "exist", "child", "persistent", "recursive"} == armed(session, 0)


def armed(session: ZooKeeperSession, count: int) -> set[str]:
    """The kinds of watches of which there are so many."""
    watches = session.describe()["watches"]
    assert isinstance(watches, dict)
    return {kind for kind, number in watches.items() if number == count}


async def test_the_end_of_a_node_uses_up_all_its_watches(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a")
    async with running_session(zookeeper_rig.hosts) as (session, book):
        await session.get_data("/a", watch=True)
        await session.get_children("/a", watch=True)
        await zookeeper_rig.writer.delete("/a")
        await session.sync("/")
        assert {WatchEvent(DELETED, "/a")} == set(book.events)
        assert {"data", "child"} <= armed(session, 0)


async def test_a_recursive_watch_tells_of_all_below(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/root")
    async with running_session(zookeeper_rig.hosts) as (session, book):
        await session.add_watch("/root", recursive=True)
        await writer.create("/root/a/b")
        await writer.set("/root/a/b", b"1")
        await writer.delete("/root/a", recursive=True)
        await writer.create("/rooted")
        await session.sync("/root")
        expected = [
            WatchEvent(CREATED, "/root/a"),
            WatchEvent(CREATED, "/root/a/b"),
            WatchEvent(CHANGED, "/root/a/b"),
            WatchEvent(DELETED, "/root/a/b"),
            WatchEvent(DELETED, "/root/a"),
        ]
        assert expected == book.events


async def test_a_persistent_watch_tells_of_its_node_and_children(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/root")
    async with running_session(zookeeper_rig.hosts) as (session, book):
        await session.add_watch("/root", recursive=False)
        await writer.create("/root/a")
        await writer.create("/root/a/b")
        await writer.create("/root/c")
        await session.sync("/root")
        assert [WatchEvent(CHILDREN, "/root")] * 2 == book.events


async def test_an_event_comes_before_an_answer_that_shows_it(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/root")
    async with running_session(zookeeper_rig.hosts) as (session, book):
        await session.add_watch("/root", recursive=True)
        writing = asyncio.ensure_future(
            zookeeper_rig.writer.create_many((f"/root/{number}", b"") for number in range(500))
        )
        while not writing.done():
            seen = set(await session.get_children("/root"))
            assert seen <= {event.path.removeprefix("/root/") for event in book.events}
        await writing


async def test_a_chroot_is_where_paths_begin(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/env/prod/a")
    async with running_session(zookeeper_rig.hosts, chroot="/env/prod") as (session, book):
        assert ("a",) == await session.get_children("/")
        await session.add_watch("/", recursive=True)
        await writer.create("/env/prod/b")
        await writer.create("/env/production")
        await session.sync("/")
        assert [WatchEvent(CREATED, "/b")] == book.events


async def test_an_acl_keeps_out_who_is_not_named(zookeeper_rig: ZooKeeperRig, gate: TcpGate) -> None:
    await zookeeper_rig.writer.create("/private", b"x", acl=[make_digest_acl("reader", "right", read=True)])
    for digest in ((), (("reader", "wrong"),)):
        async with running_session(zookeeper_rig.hosts, digest_auth=digest) as (session, _book):
            with pytest.raises(AccessRefused, match="/private"):
                await session.get_data("/private")
            with pytest.raises(SourceAuthError):
                await session.get_children("/private")
    async with running_session(gate.address, digest_auth=(("other", "x"), ("reader", "right"))) as (session, book):
        assert b"x" == (await session.get_data("/private")).data
        gate.cut()
        await book.until_connected(2)
        assert b"x" == (await session.get_data("/private")).data


async def test_a_change_behind_a_cut_is_told_after_it(zookeeper_rig: ZooKeeperRig, gate: TcpGate) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/a/gone")
    async with running_session(gate.address) as (session, book):
        await session.get_children("/a", watch=True)
        await session.get_data("/a/gone", watch=True)
        await session.get_data("/a", watch=True)
        await session.exists("/a/new", watch=True)
        await session.sync("/a")
        gate.shut()
        await book.until(lambda book: bool(book.losses))
        await writer.delete("/a/gone")
        await writer.create("/a/new")
        gate.open()
        await book.until(lambda book: len(book.events) == 3)
        await session.sync("/a")
        expected = {WatchEvent(CHILDREN, "/a"), WatchEvent(DELETED, "/a/gone"), WatchEvent(CREATED, "/a/new")}
        assert expected == set(book.events)
        assert [True, book.losses[0], False] == book.notes[:3]
        await writer.set("/a", b"1")
        await book.until(lambda book: len(book.events) == 4)
        assert WatchEvent(CHANGED, "/a") == book.events[-1]


async def test_lasting_watches_outlive_a_cut(zookeeper_rig: ZooKeeperRig, gate: TcpGate) -> None:
    await zookeeper_rig.writer.create("/root")
    async with running_session(gate.address) as (session, book):
        await session.add_watch("/root", recursive=True)
        gate.cut()
        await book.until_connected(2)
        await zookeeper_rig.writer.create("/root/a")
        await session.sync("/root")
        assert [WatchEvent(CREATED, "/root/a")] == book.events


async def test_an_expired_session_is_replaced_and_its_watches_with_it(zookeeper_rig: ZooKeeperRig) -> None:
    for path in ("/root", "/other"):
        await zookeeper_rig.writer.create(path)
    async with running_session(zookeeper_rig.hosts) as (session, book):
        await session.add_watch("/root", recursive=True)
        await session.get_children("/other", watch=True)
        ticket = ticket_of(session)
        await zookeeper_rig.expire(ticket.session_id, ticket.password)
        await book.until(lambda book: book.connections[1:].count(True) > 0)
        assert ticket.session_id != ticket_of(session).session_id
        for path in ("/root/a", "/other/a"):
            await zookeeper_rig.writer.create(path)
        await session.sync("/root")
        assert [WatchEvent(CREATED, "/root/a"), WatchEvent(CHILDREN, "/other")] == book.events


async def test_an_outage_is_waited_for(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a/b")
    async with running_session(zookeeper_rig.hosts, request_timeout_s=60.0) as (session, book):
        await book.until_connected()
        await zookeeper_rig.stop()
        waiting = [asyncio.ensure_future(session.get_children("/a")) for _ in range(300)]
        await zookeeper_rig.start()
        assert [("b",)] * 300 == await asyncio.gather(*waiting)
        assert [True, False] == book.connections, "the server remembers sessions"


async def test_a_killed_server_is_noticed_at_once(zookeeper_rig: ZooKeeperRig) -> None:
    async with running_session(zookeeper_rig.hosts) as (_session, book):
        await book.until_connected()
        await zookeeper_rig.kill()
        await book.until(lambda book: bool(book.losses))
        assert "nothing received" not in book.losses[0], "not by the silence of 20 s that it would take"
        await zookeeper_rig.start()
        await book.until_connected(2)


async def test_a_stopped_process_is_given_up_and_taken_back(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a")
    async with running_session(zookeeper_rig.hosts, session_timeout_s=1.5) as (session, book):
        await session.get_children("/a", watch=True)
        await zookeeper_rig.pause()
        await book.until(lambda book: bool(book.losses))
        assert "nothing received for 1." in book.losses[0]
        wanted = int(str(session.describe()["attempts"])) + 2  # each waits half a second for a greeting
        while int(str(session.describe()["attempts"])) < wanted:  # noqa: ASYNC110 - nobody is told of an attempt
            await asyncio.sleep(0.02)
        assert "suspended" == session.describe()["state"]
        await zookeeper_rig.resume()
        await book.until_connected(2)
        await zookeeper_rig.writer.create("/a/b")
        await book.until(lambda book: bool(book.events))
        assert [WatchEvent(CHILDREN, "/a")] == book.events


async def test_a_server_that_lost_everything_is_accepted(zookeeper_rig: ZooKeeperRig) -> None:
    for number in range(5):
        await zookeeper_rig.writer.create(f"/a/{number}")
    async with running_session(zookeeper_rig.hosts, session_timeout_s=1.0) as (session, book):
        await session.get_children("/a", watch=True)
        await zookeeper_rig.writer.close()  # kazoo never gets over it
        await zookeeper_rig.kill()
        await zookeeper_rig.erase()
        await zookeeper_rig.start()
        await zookeeper_rig.open()
        await book.until(lambda book: book.connections[1:].count(True) > 0)
        with pytest.raises(NoNodeError):
            await session.get_children("/a")


async def test_ten_thousand_watches_are_armed_again(zookeeper_rig: ZooKeeperRig, gate: TcpGate) -> None:
    """Their paths are more than a request may hold."""
    paths = [f"/{'a-long-name-' * 10}{number}" for number in range(10_000)]
    async with running_session(gate.address) as (session, book):
        await asyncio.gather(*(session.exists(path, watch=True) for path in paths))
        gate.cut()
        await book.until_connected(2)
        assert 10 <= int(str(session.describe()["rearm_chunks"])) <= 12
        for path in paths[::2500]:
            await zookeeper_rig.writer.create(path)
        await session.sync("/")
        assert paths[::2500] == paths_of(book, CREATED)
        assert [True, False] == book.connections


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_view_kept_by_watch_and_listing_is_right_after_any_cuts(
    zookeeper_rig: ZooKeeperRig, gate: TcpGate, seed: int
) -> None:
    """Listing after each connection and applying events in between is all that a reader needs."""
    dice = random.Random(seed)
    await zookeeper_rig.writer.create("/root")
    view: set[str] = set()

    async def list_again(session: ZooKeeperSession, book: Notebook) -> None:
        done = 0
        while True:
            await book.until_connected(done + 1)
            done, begun = len(book.connections), len(book.notes)
            await session.add_watch("/root", recursive=True)
            await session.sync("/root")
            names = set(await session.get_children("/root"))
            if done != len(book.connections):
                continue
            view.clear()
            view.update(names)
            applied[0] = begun

    applied = [0]
    async with running_session(gate.address, first_backoff_s=0.01) as (session, book):
        listing = asyncio.ensure_future(list_again(session, book))
        for _ in range(60):
            names = {str(dice.randrange(200)) for _ in range(10)}
            await asyncio.gather(*(flip(zookeeper_rig, f"/root/{name}") for name in names))
            if dice.random() < 0.3:
                gate.cut()
        await book.until(lambda book: len(book.losses) + 1 == len(book.connections))
        await asyncio.sleep(0.3)
        await session.sync("/root")
        for note in book.notes[applied[0] :]:
            if isinstance(note, WatchEvent):
                name = note.path.removeprefix("/root/")
                (view.add if note.kind is CREATED else view.discard)(name)
        listing.cancel()
        assert sorted(view) == await zookeeper_rig.writer.children("/root")
        assert len(book.connections) > 5


async def flip(rig: ZooKeeperRig, path: str) -> None:
    """Create a node, or delete it if it is there."""
    if await rig.writer.exists(path):
        await rig.writer.delete(path)
    else:
        await rig.writer.create(path)


async def test_a_killed_leader_costs_neither_session_nor_watch(zookeeper_ensemble: EnsembleRig) -> None:
    for path in ("/root/a", "/other"):
        await zookeeper_ensemble.writer.create(path)
    async with running_session(*zookeeper_ensemble.hosts.split(","), request_timeout_s=60.0) as (session, book):
        await session.add_watch("/root", recursive=True)
        await session.get_children("/other", watch=True)
        await zookeeper_ensemble.kill_leader()
        assert ("a",) == await session.get_children("/root")
        await book.until_connected(2)
        for path in ("/root/b", "/other/b"):
            await zookeeper_ensemble.writer.create(path)
        await session.sync("/root")
        assert [WatchEvent(CREATED, "/root/b"), WatchEvent(CHILDREN, "/other")] == book.events
        assert [True] == [new for new in book.connections if new]


async def test_a_killed_ensemble_is_waited_for(zookeeper_ensemble: EnsembleRig) -> None:
    await zookeeper_ensemble.writer.create("/root/a")
    async with running_session(*zookeeper_ensemble.hosts.split(","), request_timeout_s=100.0) as (session, book):
        await session.get_children("/root", watch=True)
        await zookeeper_ensemble.kill()
        waiting = asyncio.ensure_future(session.get_children("/root"))
        await zookeeper_ensemble.start()
        assert ("a",) == await waiting
        await zookeeper_ensemble.writer.create("/root/b")
        await book.until(lambda book: bool(book.events))
        assert [WatchEvent(CHILDREN, "/root")] == book.events


async def test_tls_is_spoken_to_a_server_of_a_known_authority(secure_zookeeper: SecureRig) -> None:
    await secure_zookeeper.writer.create("/a/b")
    tls = TlsFiles(ca=str(secure_zookeeper.tls.authority))
    async with running_session(secure_zookeeper.tls_hosts, tls=tls) as (session, _book):
        assert ("b",) == await session.get_children("/a")


async def test_tls_refuses_an_unknown_authority_and_a_wrong_name(secure_zookeeper: SecureRig) -> None:
    known = str(secure_zookeeper.tls.authority)

    async def expect(tls: TlsFiles, reason: str) -> None:
        async with running_session(secure_zookeeper.tls_hosts, tls=tls, request_timeout_s=1.0) as (session, book):
            with pytest.raises(RequestTimeout, match=reason):
                await session.get_children("/")
            assert [] == book.notes

    await asyncio.gather(
        expect(TlsFiles(), "CERTIFICATE_VERIFY_FAILED"),
        expect(TlsFiles(ca=known, server_name="other.example"), "other.example"),
        expect(TlsFiles(ca="/no/such/file"), "No such file"),
    )


async def test_a_certificate_of_ours_says_who_we_are(secure_zookeeper: SecureRig) -> None:
    files = secure_zookeeper.tls
    acl = [make_acl("x509", CLIENT_SUBJECT, read=True)]
    await secure_zookeeper.writer.create("/private", b"x", acl=acl)
    known = TlsFiles(ca=str(files.authority), certificate=str(files.client))
    async with running_session(secure_zookeeper.tls_hosts, tls=known) as (session, _book):
        assert b"x" == (await session.get_data("/private")).data
    async with running_session(secure_zookeeper.tls_hosts, tls=TlsFiles(ca=str(files.authority))) as (session, _book):
        with pytest.raises(AccessRefused):
            await session.get_data("/private")


async def test_plain_text_to_an_encrypted_port_says_so(secure_zookeeper: SecureRig) -> None:
    async with running_session(secure_zookeeper.tls_hosts, request_timeout_s=1.0) as (session, _book):
        with pytest.raises(RequestTimeout, match="without a greeting"):
            await session.get_children("/")


async def test_sasl_proves_who_we_are(secure_zookeeper: SecureRig) -> None:
    user, password = secure_zookeeper.sasl_user, secure_zookeeper.sasl_password
    await secure_zookeeper.writer.create("/private/a", acl=[make_acl("sasl", user, read=True)])
    async with running_session(secure_zookeeper.hosts, sasl=(user, password)) as (session, _book):
        assert () == await session.get_children("/private/a")
    async with running_session(secure_zookeeper.hosts) as (session, _book):
        with pytest.raises(AccessRefused):
            await session.get_children("/private/a")


async def test_a_wrong_sasl_password_is_refused(secure_zookeeper: SecureRig) -> None:
    async with running_session(secure_zookeeper.hosts, sasl=(secure_zookeeper.sasl_user, "wrong")) as (session, book):
        with pytest.raises(SourceAuthError, match="credentials refused"):
            await session.get_children("/")
        assert ("refused", []) == (session.describe()["state"], book.notes)
