"""The rigs themselves: to kazoo and on the wire the simulator is what the real servers are."""

import asyncio
import struct

import anyio
import pytest
from kazoo.exceptions import KazooException, NoAuthError, NodeExistsError, NotEmptyError, RolledBackError
from kazoo.security import make_digest_acl

from meshregistry.sim.zookeeper.codes import Version
from tests.support.zookeeper_churn import Churn, ChurnOptions, Load, load
from tests.support.zookeeper_rig import EnsembleRig, SecureRig, ZooKeeperRig
from tests.support.zookeeper_wire import (
    ADD_WATCH,
    AUTH,
    CLOSE,
    CREATE,
    CREATE2,
    DELETE,
    EXISTS,
    GET_CHILDREN,
    GET_CHILDREN2,
    GET_DATA,
    MULTI,
    PING,
    REMOVE_WATCHES,
    SASL,
    SET_DATA,
    SET_WATCHES,
    SET_WATCHES2,
    SYNC,
    Event,
    WireClient,
    connected,
    create,
    greeted,
    names,
    string,
    strings,
    watch,
)
from tests.support.zookeeper_writer import Writer, WriterOptions

# The loop makes a difference to the simulator only, whose unit tests run on both.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

_CREATED, _DELETED, _CHANGED, _CHILDREN = 1, 2, 3, 4
_ANY_VERSION = struct.pack(">i", -1)
_PERSISTENT, _RECURSIVE = struct.pack(">i", 0), struct.pack(">i", 1)


async def test_what_is_created_is_read_back_and_what_is_deleted_is_gone(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/dubbo/com.acme.Orders/providers/one", b"1")
    await writer.create("/dubbo/com.acme.Orders/providers/two", b"2", ephemeral=True)
    await writer.set("/dubbo/com.acme.Orders/providers/one", b"3")

    assert ["one", "two"] == await writer.children("/dubbo/com.acme.Orders/providers")
    assert b"3" == await writer.get("/dubbo/com.acme.Orders/providers/one")

    await writer.delete("/dubbo", recursive=True)

    assert ["zookeeper"] == await writer.children("/")


async def test_a_stopped_server_comes_back_as_it_was(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a/persistent")
    await zookeeper_rig.writer.create("/a/ephemeral", ephemeral=True)

    await zookeeper_rig.stop()
    with pytest.raises(ConnectionRefusedError):
        async with connected(zookeeper_rig.hosts):
            pass
    await zookeeper_rig.start()

    assert ["ephemeral", "persistent"] == await zookeeper_rig.writer.children("/a")


async def test_an_erased_server_has_forgotten_everything(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a")
    async with greeted(zookeeper_rig.hosts) as client:
        hello = client.hello
        seen = (await client.ask(CREATE, create("/b"))).zxid

    await zookeeper_rig.restart_empty()

    async with connected(zookeeper_rig.hosts) as client:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.greet(session=hello.session, password=hello.password, seen_zxid=seen + 1000)
    async with connected(zookeeper_rig.hosts) as client:
        assert 0 == (await client.greet(session=hello.session, password=hello.password)).timeout_ms
    async with greeted(zookeeper_rig.hosts) as client:
        assert ["zookeeper"] == names((await client.ask(GET_CHILDREN, watch("/"))).body)


async def test_a_paused_server_is_silent_and_goes_on(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client:
        await zookeeper_rig.pause()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.ask(PING, xid=-2)
        await zookeeper_rig.resume()

        assert (-2, 0) == await _ping_answer(client)


async def test_kazoo_finds_its_errors(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/a/b")

    with pytest.raises(NodeExistsError):
        await writer.run(lambda client: client.create("/a/b"))
    with pytest.raises(NotEmptyError):
        await writer.run(lambda client: client.delete("/a"))
    assert ["/s/n-0000000000", "/s/n-0000000001"] == [await writer.create("/s/n-", sequence=True) for _ in range(2)]
    await writer.delete("/s/n-0000000000")
    assert "/s/n-0000000002" == await writer.create("/s/n-", sequence=True)


async def test_a_transaction_happens_as_a_whole_or_not_at_all(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/a", b"0")

    def transact(client: object, last: str) -> list[object]:
        transaction = client.transaction()  # type: ignore[attr-defined]
        transaction.create("/a/b", b"1")
        transaction.set_data("/a", b"1")
        transaction.create(last)
        transaction.check("/a", 1)
        return list(transaction.commit())

    failed = await writer.run(lambda client: transact(client, "/no/parent"))
    assert (b"0", []) == (await writer.get("/a"), await writer.children("/a"))
    assert [RolledBackError, RolledBackError, "NoNodeError", "RuntimeInconsistency"] == [
        type(each) if isinstance(each, RolledBackError) else type(each).__name__ for each in failed
    ]

    done = await writer.run(lambda client: transact(client, "/a/c"))
    assert not [each for each in done if isinstance(each, KazooException)]
    assert (b"1", ["b", "c"]) == (await writer.get("/a"), await writer.children("/a"))


async def test_ephemeral_nodes_go_with_their_session(zookeeper_rig: ZooKeeperRig) -> None:
    async with zookeeper_rig.another_writer() as other:
        await other.create("/a/ephemeral", ephemeral=True)
        assert ["ephemeral"] == await zookeeper_rig.writer.children("/a")

    assert [] == await zookeeper_rig.writer.children("/a")


async def test_a_silent_session_expires_and_an_unknown_one_is_refused(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts, timeout_ms=1) as client:
        hello = client.hello
        assert 1000 == hello.timeout_ms
        await client.ask(CREATE, create("/ephemeral", flags=1))

        assert b"" == await client.end()

    assert not await zookeeper_rig.writer.exists("/ephemeral")
    async with connected(zookeeper_rig.hosts) as client:
        again = await client.greet(session=hello.session, password=hello.password)
        assert (0, 0, bytes(16)) == again
        assert b"" == await client.end()


async def test_a_session_is_resumed_by_number_and_password_only(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts, timeout_ms=99_000_000) as client:
        hello = client.hello
        assert 60000 == hello.timeout_ms
        async with connected(zookeeper_rig.hosts) as thief:
            assert 0 == (await thief.greet(session=hello.session, password=b"x" * 16)).timeout_ms
        async with connected(zookeeper_rig.hosts) as second:
            assert hello == await second.greet(99_000_000, session=hello.session, password=hello.password)
            assert b"" == await client.end()
            assert 0 == (await second.ask(CREATE, create("/ephemeral", flags=1))).error
            assert 0 == (await second.ask(CLOSE)).error
            assert b"" == await second.end()

    assert not await zookeeper_rig.writer.exists("/ephemeral")


async def test_a_session_is_ended_by_somebody_else(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client:
        await zookeeper_rig.expire(client.hello.session, client.hello.password)

        assert b"" == await client.end()


async def test_one_shot_watches_tell_once(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/a/b")
    async with greeted(zookeeper_rig.hosts) as client:
        await client.ask_many([(GET_CHILDREN, watch("/a")), (GET_DATA, watch("/a/b")), (EXISTS, watch("/a/c"))])
        await writer.create("/a/c")
        await writer.create("/a/d")
        await writer.set("/a/b", b"1")
        await writer.set("/a/b", b"2")
        await writer.delete("/a/c")

        told = await _told(client)

    assert [(_CREATED, "/a/c"), (_CHILDREN, "/a"), (_CHANGED, "/a/b")] == told


async def test_a_deleted_node_is_told_once_to_each(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a/b")
    async with greeted(zookeeper_rig.hosts) as client:
        await client.ask_many([(GET_CHILDREN, watch("/a/b")), (GET_DATA, watch("/a/b")), (GET_CHILDREN2, watch("/a"))])
        await zookeeper_rig.writer.delete("/a/b")

        told = await _told(client)

    assert [(_DELETED, "/a/b"), (_CHILDREN, "/a")] == told


async def test_a_recursive_watch_tells_of_everything_below_and_of_no_children(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/a")
    await writer.create("/ab")
    async with greeted(zookeeper_rig.hosts) as client:
        assert (0, bytes(4)) == (await client.ask(ADD_WATCH, string("/a") + _RECURSIVE))[1:]
        await writer.create("/a/b/c")
        await writer.set("/a/b/c", b"1")
        await writer.create("/ab/c")
        await writer.delete("/a", recursive=True)

        told = await _told(client)

    expected = [(_CREATED, "/a/b"), (_CREATED, "/a/b/c"), (_CHANGED, "/a/b/c")]
    assert [*expected, (_DELETED, "/a/b/c"), (_DELETED, "/a/b"), (_DELETED, "/a")] == told


async def test_a_persistent_watch_tells_of_its_node_and_its_children(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/a")
    async with greeted(zookeeper_rig.hosts) as client:
        await client.ask(ADD_WATCH, string("/a") + _PERSISTENT)
        for data in (b"1", b"2"):
            await writer.set("/a", data)
        await writer.create("/a/b")
        await writer.set("/a/b", b"1")
        await writer.delete("/a/b")

        told = await _told(client)

    assert [(_CHANGED, "/a"), (_CHANGED, "/a"), (_CHILDREN, "/a"), (_CHILDREN, "/a")] == told


async def test_a_watch_can_be_removed(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a")
    any_kind = struct.pack(">i", 3)
    async with greeted(zookeeper_rig.hosts) as client:
        await client.ask(ADD_WATCH, string("/a") + _RECURSIVE)

        assert 0 == (await client.ask(REMOVE_WATCHES, string("/a") + any_kind)).error
        assert -121 == (await client.ask(REMOVE_WATCHES, string("/a") + any_kind)).error
        await zookeeper_rig.writer.create("/a/b")

        assert [] == await _told(client)


async def test_events_carry_their_transaction_from_3_9_on(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client, greeted(zookeeper_rig.hosts) as writer:
        await client.ask(EXISTS, watch("/a"))
        written = (await writer.ask(CREATE, create("/a"))).zxid

        event = await client.event()

    assert (_CREATED, "/a", written if zookeeper_rig.version is Version.V3_9 else -1) == event


async def test_two_modes_on_one_path_are_independent_from_3_9_on(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a")
    async with greeted(zookeeper_rig.hosts) as client:
        await client.ask(ADD_WATCH, string("/a") + _PERSISTENT)
        await client.ask(ADD_WATCH, string("/a") + _RECURSIVE)
        await zookeeper_rig.writer.create("/a/b")

        told = await _told(client)

    both = [(_CREATED, "/a/b"), (_CHILDREN, "/a")]
    assert (both if zookeeper_rig.version is Version.V3_9 else both[:1]) == told


async def test_what_a_reconnecting_client_missed_is_told_unless_it_watched_for_ever(
    zookeeper_rig: ZooKeeperRig,
) -> None:
    writer = zookeeper_rig.writer
    for path in ("/changed", "/deleted", "/parent/a", "/quiet", "/lasting"):
        await writer.create(path)
    async with greeted(zookeeper_rig.hosts) as client:
        seen = (await client.ask(SYNC, string("/"))).zxid
        hello = client.hello
    await writer.set("/changed", b"1")
    await writer.delete("/deleted")
    await writer.create("/parent/b")
    await writer.create("/created")
    await writer.create("/lasting/a")

    async with connected(zookeeper_rig.hosts) as client:
        await client.greet(session=hello.session, password=hello.password, seen_zxid=seen)
        data, exist, child = ["/changed", "/deleted", "/quiet"], ["/created", "/absent"], ["/parent", "/quiet"]
        vectors = [data, exist, child, [], ["/lasting"]]
        body = struct.pack(">q", seen) + b"".join(map(strings, vectors))
        assert 0 == (await client.ask(SET_WATCHES2, body, xid=-8)).error
        missed = await _told(client)
        await writer.create("/absent")
        await writer.set("/quiet", b"1")
        await writer.create("/quiet/a")
        await writer.create("/lasting/b")
        later = await _told(client)

    assert [(_CHANGED, "/changed"), (_DELETED, "/deleted"), (_CREATED, "/created"), (_CHILDREN, "/parent")] == missed
    assert [(_CREATED, "/absent"), (_CHANGED, "/quiet"), (_CHILDREN, "/quiet"), (_CREATED, "/lasting/b")] == later


async def test_the_older_request_arms_one_shot_watches(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a")
    async with greeted(zookeeper_rig.hosts) as client:
        since = (await client.ask(SYNC, string("/"))).zxid
        body = struct.pack(">q", since) + strings([]) + strings([]) + strings(["/a"])
        assert (0, b"") == (await client.ask(SET_WATCHES, body, xid=-8))[1:]
        await zookeeper_rig.writer.create("/a/b")

        assert [(_CHILDREN, "/a")] == await _told(client)


async def test_access_is_denied_and_granted_by_digest(zookeeper_rig: ZooKeeperRig) -> None:
    mine = make_digest_acl("reader", "secret", all=True)
    await zookeeper_rig.writer.create("/a")
    await zookeeper_rig.writer.create("/a/secret", b"1", acl=[mine])
    readers = struct.pack(">i", 0) + string("digest") + string("reader:secret")
    async with greeted(zookeeper_rig.hosts) as client:
        refused = [(await client.ask(each, watch("/a/secret", armed=False))).error for each in (GET_DATA, GET_CHILDREN)]
        exists = (await client.ask(EXISTS, watch("/a/secret", armed=False))).error
        listed = names((await client.ask(GET_CHILDREN, watch("/a", armed=False))).body)

        assert ([-102, -102], ["secret"]) == (refused, listed)
        assert (-102 if zookeeper_rig.version is Version.V3_9 else 0) == exists
        assert 0 == (await client.ask(AUTH, readers.replace(b"reader:secret", b"reader:wrong!"), xid=-4)).error
        assert -102 == (await client.ask(GET_DATA, watch("/a/secret"))).error
        assert 0 == (await client.ask(AUTH, readers, xid=-4)).error
        assert 0 == (await client.ask(GET_DATA, watch("/a/secret"))).error
    async with zookeeper_rig.another_writer(digest="") as nobody:
        with pytest.raises(NoAuthError):
            await nobody.run(lambda client: client.create("/a/secret/b"))


async def test_nobody_is_told_of_a_node_that_he_may_not_read(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a")
    async with greeted(zookeeper_rig.hosts) as client:
        await client.ask(ADD_WATCH, string("/a") + _RECURSIVE)
        await zookeeper_rig.writer.create("/a/secret", acl=[make_digest_acl("reader", "secret", all=True)])
        await zookeeper_rig.writer.create("/a/open")

        assert [(_CREATED, "/a/open")] == await _told(client)


async def test_an_unknown_scheme_ends_the_connection(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client:
        request = struct.pack(">i", 0) + string("kerberos") + string("x")

        assert -115 == (await client.ask(AUTH, request, xid=-4)).error
        assert b"" == await client.end()


async def test_an_unknown_request_ends_the_connection_and_not_the_session(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client:
        hello = client.hello
        assert -6 == (await client.ask(250)).error
        assert b"" == await client.end()

    async with connected(zookeeper_rig.hosts) as client:
        assert hello == await client.greet(session=hello.session, password=hello.password)


async def test_a_request_that_is_too_long_ends_the_connection(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.ask(CREATE, create("/a", bytes(1_100_000)))


async def test_a_listing_may_be_longer_than_a_request(zookeeper_rig: ZooKeeperRig) -> None:
    nodes = [f"/a/{number:04d}-{'x' * 1000}" for number in range(1200)]
    await zookeeper_rig.writer.create("/a")
    await zookeeper_rig.writer.create_many([(each, b"") for each in nodes])

    async with greeted(zookeeper_rig.hosts) as client:
        reply = await client.ask(GET_CHILDREN, watch("/a"))

    assert 1_200_000 < len(reply.body)
    assert nodes == [f"/a/{name}" for name in names(reply.body)]


async def test_a_stat_counts_what_happened_to_a_node(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client:
        created = (await client.ask(CREATE2, create("/a", b"12"))).body
        await client.ask(SET_DATA, string("/a") + string(b"123") + _ANY_VERSION)
        await client.ask(CREATE, create("/a/b"))
        await client.ask(CREATE, create("/a/c", flags=1))
        last = await client.ask(DELETE, string("/a/b") + _ANY_VERSION)
        after = (await client.ask(EXISTS, watch("/a"))).body
        ephemeral = (await client.ask(EXISTS, watch("/a/c"))).body
        owner = client.hello.session

    first = struct.unpack(">qqqqiiiqiiq", created[6:])
    czxid, mzxid, _, _, *counts, pzxid = struct.unpack(">qqqqiiiqiiq", after)
    assert string("/a") == created[:6]
    assert ([0, 0, 0, 0, 2, 0], first[0]) == (list(first[4:10]), first[10])
    assert (czxid, czxid + 1, [1, 3, 0, 0, 3, 1], last.zxid) == (first[0], mzxid, counts, pzxid)
    assert owner == struct.unpack(">qqqqiiiqiiq", ephemeral)[7]


async def test_replies_come_in_the_order_of_the_requests(zookeeper_rig: ZooKeeperRig) -> None:
    async with greeted(zookeeper_rig.hosts) as client:
        requests = [(CREATE, create(f"/{number}")) for number in range(50)]
        replies = await client.ask_many([*requests, (EXISTS, watch("no slash")), (CREATE, create("no slash"))])

    zxids = [each.zxid for each in replies[:50]]
    assert ([0] * 50 + [-101, -8], sorted(zxids)) == ([each.error for each in replies], zxids)


async def test_a_failed_transaction_says_which_step_failed(zookeeper_rig: ZooKeeperRig) -> None:
    def step(opcode: int, body: bytes) -> bytes:
        return struct.pack(">i?i", opcode, False, -1) + body

    end = struct.pack(">i?i", -1, True, -1)
    steps = [step(CREATE, create("/a")), step(DELETE, string("/no") + _ANY_VERSION), step(CREATE, create("/b"))]
    async with greeted(zookeeper_rig.hosts) as client:
        failed = await client.ask(MULTI, b"".join(steps) + end)
        done = await client.ask(MULTI, steps[0] + steps[2] + end)

    codes = [0, -101, -2]
    assert (0, b"".join(struct.pack(">i?ii", -1, False, each, each) for each in codes) + end) == failed[1:]
    results = [struct.pack(">i?i", CREATE, False, 0) + string(path) for path in ("/a", "/b")]
    assert (0, b"".join(results) + end) == done[1:]


async def test_churn_ends_as_its_model_says(zookeeper_rig: ZooKeeperRig) -> None:
    churn = Churn(zookeeper_rig.writer, ChurnOptions(interfaces=3, most=4, rate_per_s=300))
    await churn.prepare()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(churn.run, 2.0)
        await anyio.sleep(0.5)
        await zookeeper_rig.kill()
        await zookeeper_rig.start()

    assert churn.changes > 10
    assert churn.expected() == await churn.listed()


async def test_a_load_is_what_it_says(zookeeper_rig: ZooKeeperRig) -> None:
    wanted = Load(interfaces=30, providers=10, root="/group/dubbo")
    await load(zookeeper_rig.writer, wanted)

    assert {"/group", wanted.root, *(path for path, _ in wanted.nodes())} == (
        await zookeeper_rig.writer.tree("/group")
    ).keys()


async def test_an_ensemble_survives_its_leader_and_its_own_death(zookeeper_ensemble: EnsembleRig) -> None:
    await zookeeper_ensemble.writer.create("/a", ephemeral=True)

    killed = await zookeeper_ensemble.kill_leader()
    await zookeeper_ensemble.writer.create("/b")
    elected = await zookeeper_ensemble.leader()
    await zookeeper_ensemble.kill()
    await zookeeper_ensemble.start()

    assert killed is not elected
    assert ["a", "b", "zookeeper"] == await zookeeper_ensemble.writer.children("/")


async def test_a_secure_server_is_reached_over_tls(secure_zookeeper: SecureRig) -> None:
    hosts, authority = secure_zookeeper.tls_hosts, str(secure_zookeeper.tls.authority)
    writer = Writer(WriterOptions(hosts=hosts, authority=authority))
    await writer.open()
    await writer.create("/a", ephemeral=True)

    assert ["a", "zookeeper"] == await secure_zookeeper.writer.children("/")

    await writer.close()
    assert ["zookeeper"] == await secure_zookeeper.writer.children("/")


async def test_a_secure_server_asks_for_a_digest(secure_zookeeper: SecureRig) -> None:
    async with greeted(secure_zookeeper.hosts) as client:
        challenge = await client.ask(SASL, string(b""))

    assert (0, True) == (challenge.error, b"algorithm=md5-sess" in challenge.body)


async def _told(client: WireClient) -> list[tuple[int, str]]:
    """The events so far: whatever happened before the answer to a sync is told before it."""
    await client.ask(SYNC, string("/"))
    events: list[Event] = client.events[:]
    client.events.clear()
    return [(each.kind, each.path) for each in events]


async def _ping_answer(client: WireClient) -> tuple[int, int]:
    xid, _, error = struct.unpack_from(">iqi", await client.frame())
    return xid, error
