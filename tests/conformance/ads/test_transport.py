"""The server over real TCP: HTTP/2, limits, slow readers, ends of streams."""

import asyncio
import contextlib
import gc
from dataclasses import replace
from typing import Any

import grpc
import pytest

from meshregistry.errors import ListenError
from meshregistry.model.service_entry import Kind, ServiceEntry
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource
from meshregistry.xds.clients import Clients
from meshregistry.xds.options import Limits
from meshregistry.xds.selection import Selection, shard_of
from meshregistry.xds.server import AdsServer
from meshregistry.xds.servicer import Session
from meshregistry.xds.type_state import TypeState
from tests.conformance.ads.transcripts import got
from tests.support.ads_client import AdsClient
from tests.support.ads_rig import JUNK, NO_PAUSE, NODE, WireRig, serve
from tests.support.ads_world import (
    GATEWAY,
    SERVICE_ENTRY,
    commit,
    make_resource,
    make_store,
    read_answer,
    write_request,
)
from tests.support.h2_client import HEALTH, H2Client

pytestmark = pytest.mark.anyio

DIALECTS = pytest.mark.parametrize("dialect", ["sotw", "delta"])
INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
MEGABYTE = 1024 * 1024


def hello(dialect: str, url: str = SERVICE_ENTRY, **fields: Any) -> bytes:
    """Return the first request of a client."""
    return write_request(dialect, url, nonce=JUNK, node=NODE, **fields)


def make_heavy_store(megabytes: int) -> SnapshotStore:
    """Return a store of resources of one megabyte each; they share their bytes, which tests never decode."""
    payload = bytes(MEGABYTE)
    record = ServiceEntry("ns", "heavy", ("heavy.demo",))
    return make_store(*(Resource(f"ns/heavy{number}", "1", record, payload) for number in range(megabytes)))


async def wait_for(condition: Any) -> None:
    """Let the server work until the condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is inside the server
            await asyncio.sleep(0.005)


async def test_both_dialects_live_on_one_port_and_see_the_same_changes() -> None:
    """T1 T12 X44 D13: state of the world and delta streams of one client coexist."""
    store = make_store(make_resource("a"), make_resource("b"))
    async with (
        serve(store) as server,
        AdsClient(server.port, "sotw") as one,
        AdsClient(server.port, "delta") as other,
    ):
        sotw, delta = WireRig("sotw", store, one, NODE), WireRig("delta", store, other, NODE)
        for rig in (sotw, delta):
            await rig.ask(SERVICE_ENTRY)
            assert [got(a=1, b=1)] == await rig.take()
        commit(store, {"a": None, "c": 1})
        assert [got(b=1, c=1)] == await sotw.take()
        assert [got(c=1, _gone=("a",))] == await delta.take()


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (b"\xff\xff\xff\xff", "not protobuf"),
        (b"", "type_url"),
        (write_request("sotw", SERVICE_ENTRY), "node id"),
        (write_request("sotw", SERVICE_ENTRY, node=("", {})), "node id"),
        (write_request("sotw", "", node=NODE), "type_url"),
    ],
    ids=["garbage", "empty", "no node", "empty node id", "no type url"],
)
async def test_broken_request_ends_its_stream_alone(request_bytes: bytes, reason: str) -> None:
    """T6 T8 X51 X52 X61 X64: INVALID_ARGUMENT, and other streams go on."""
    store, clients, metrics = make_store(make_resource("a")), Clients(), Metrics()
    async with (
        serve(store, clients=clients, metrics=metrics) as server,
        AdsClient(server.port, "sotw") as good,
        AdsClient(server.port, "sotw") as bad,
    ):
        rig = WireRig("sotw", store, good, NODE)
        await rig.ask(SERVICE_ENTRY)
        await rig.take()
        await bad.send(request_bytes)
        code, details = await bad.status()
        assert code is INVALID
        assert reason in details
        commit(store, {"a": 2})
        assert [got(a=2)] == await rig.take()
        await wait_for(lambda: len(clients) == 1)
        assert 1.0 == metrics.registry.get_sample_value("meshregistry_ads_bad_requests_total", {"reason": "protocol"})


async def test_oversized_request_is_refused_before_it_is_read() -> None:
    """Request size limit: RESOURCE_EXHAUSTED as soon as the size is announced; not a byte of it has to come."""
    options, metrics = replace(NO_PAUSE, limits=Limits(max_request_bytes=10_000)), Metrics()
    async with serve(make_store(make_resource("a")), options, metrics=metrics) as server:
        async with H2Client(server.port) as client:
            stream = await client.open()
            await client.send_raw(stream, b"\0" + (10_001).to_bytes(4, "big"))
            await client.read_until("StreamEnded")
            assert str(EXHAUSTED.value[0]) == client.status
        async with AdsClient(server.port, "sotw") as other:
            await other.send(hello("sotw", names=("x" * 20_000,)))
            assert (EXHAUSTED, True) == ((status := await other.status())[0], "10000" in status[1])
            other.open()
            await other.send(hello("sotw", names=("ns/a", *(letter * 1_500 for letter in "uvwxyz"))))
            assert got(a=1) == read_answer("sotw", await other.receive())
    assert 2.0 == metrics.registry.get_sample_value("meshregistry_ads_bad_requests_total", {"reason": "limit"})


async def test_compressed_and_cut_off_requests_end_their_streams() -> None:
    """T5: no compression; half a message is INVALID_ARGUMENT."""
    async with serve(make_store()) as server, H2Client(server.port) as client:
        await client.send(await client.open(), b"12345", compressed=True)
        await client.read_until("StreamEnded")
        assert str(grpc.StatusCode.UNIMPLEMENTED.value[0]) == client.status
        await client.send_raw(await client.open(), b"\0\0\0\0\x09abc", end=True)
        await client.read_until("StreamEnded", 2)
        assert str(INVALID.value[0]) == client.status


@DIALECTS
async def test_an_ended_stream_leaves_nothing_large_behind(dialect: str) -> None:
    """What it knew goes with it: grpclib's circle of objects would keep it until a garbage collection."""
    store, clients = make_store(make_resource("a")), Clients()
    gc.collect()
    gc.disable()
    try:
        async with serve(store, clients=clients) as server:
            async with AdsClient(server.port, dialect) as client:
                await client.send(hello(dialect))
                await client.receive()
            await wait_for(lambda: len(clients) == 0)
            await asyncio.sleep(0)
            assert [] == [each for each in gc.get_objects() if isinstance(each, TypeState)]
    finally:
        gc.enable()


async def test_streams_are_limited() -> None:
    """One too many gets RESOURCE_EXHAUSTED; when one ends there is room again."""
    clients = Clients()
    options = replace(NO_PAUSE, limits=Limits(max_streams=1))
    async with serve(make_store(), options, clients) as server, AdsClient(server.port, "sotw") as client:
        await client.send(hello("sotw"))
        await client.receive()
        async with AdsClient(server.port, "delta") as other:
            assert EXHAUSTED is (await other.status())[0]
        client.cancel()
        await wait_for(lambda: len(clients) == 0)
        client.open()
        await client.send(hello("sotw"))
        assert got() == read_answer("sotw", await client.receive())


async def test_addresses_that_are_not_allowed_are_refused() -> None:
    """X58: a stream refused at its opening ends with that status."""
    options = replace(NO_PAUSE, allowed_peers=("10.0.0.0/8", "::1/128"))
    async with serve(make_store(), options) as server, AdsClient(server.port, "sotw") as client:
        assert (grpc.StatusCode.PERMISSION_DENIED, "address 127.0.0.1 is not allowed") == await client.status()


@pytest.mark.parametrize("call", ["Check", "Watch"])
async def test_addresses_that_are_not_allowed_learn_nothing_of_the_health_and_have_to_go(call: str) -> None:
    """The list is for the port, whatever is asked for; who is refused does not stay, so that no number of them does."""
    options, metrics = replace(NO_PAUSE, allowed_peers=("10.0.0.0/8",)), Metrics()
    async with serve(make_store(), options, metrics=metrics) as server, H2Client(server.port) as client:
        await client.send(await client.open(call, HEALTH), b"")
        await client.read_until("never")
        assert (str(grpc.StatusCode.PERMISSION_DENIED.value[0]), 0, True) == (
            client.status,
            client.received_bytes,
            client.closed,
        )
    assert 1.0 == metrics.registry.get_sample_value("meshregistry_ads_bad_requests_total", {"reason": "address"})


async def test_one_connection_too_many_is_closed_and_the_others_are_served() -> None:
    """Each that is open has a stream: the newcomer goes, and comes in when one of them has left."""
    store, options = make_store(make_resource("a")), replace(NO_PAUSE, limits=Limits(max_connections=2))
    async with serve(store, options) as server, AdsClient(server.port, "sotw") as one:
        rigs = [WireRig("sotw", store, one, NODE)]
        async with AdsClient(server.port, "delta") as other:
            rigs.append(WireRig("delta", store, other, NODE))
            for rig in rigs:
                await rig.ask(SERVICE_ENTRY)
                assert [got(a=1)] == await rig.take()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            with contextlib.suppress(ConnectionError):
                assert b"" == await reader.read()
            writer.transport.abort()
            commit(store, {"a": 2})
            assert [[got(a=2)]] * 2 == [await rig.take() for rig in rigs]
        async with AdsClient(server.port, "sotw") as late:
            await late.send(hello("sotw"))
            assert got(a=2) == read_answer("sotw", await late.receive())


async def test_connections_that_ask_for_nothing_keep_nobody_out() -> None:
    """However many of them are held open, and whether they say anything at all."""
    store, options = make_store(make_resource("a")), replace(NO_PAUSE, limits=Limits(max_connections=5))
    metrics = Metrics()
    async with serve(store, options, metrics=metrics) as server, contextlib.AsyncExitStack() as stack:
        held = [await stack.enter_async_context(H2Client(server.port)) for _ in range(5)]
        for each in held:
            await each.read_until("RemoteSettingsChanged")
        clients = [await stack.enter_async_context(AdsClient(server.port, "sotw")) for _ in range(3)]
        for client in clients:
            await client.send(hello("sotw"))
            assert got(a=1) == read_answer("sotw", await client.receive())
        assert 5.0 == metrics.registry.get_sample_value("meshregistry_ads_connections")
    assert 0.0 == metrics.registry.get_sample_value("meshregistry_ads_connections")


async def test_mass_reconnect_is_spread_and_nobody_is_refused() -> None:
    """H4: streams beyond the burst wait for their turn."""
    options = replace(NO_PAUSE, limits=Limits(new_streams_per_s=20.0, new_streams_burst=1))
    store = make_store(make_resource("a"))
    async with serve(store, options) as server, AdsClient(server.port, "sotw") as client:
        began = asyncio.get_running_loop().time()
        for _ in range(5):
            client.open()
            await client.send(hello("sotw"))
            assert got(a=1) == read_answer("sotw", await client.receive())
        assert asyncio.get_running_loop().time() - began > 0.15


async def test_streams_that_ask_for_nothing_or_are_reset_at_once_make_nobody_wait() -> None:
    """H4, CVE-2023-44487: a token is for an answer, and goes back when the stream ends before."""
    options = replace(NO_PAUSE, limits=Limits(new_streams_per_s=0.01, new_streams_burst=1))
    async with serve(make_store(make_resource("a")), options) as server, H2Client(server.port) as hostile:
        for number in range(60):
            stream = await hostile.open()
            if number % 2:
                await hostile.reset(stream)
        async with AdsClient(server.port, "sotw") as client:
            await client.send(hello("sotw"))
            assert got(a=1) == read_answer("sotw", await client.receive())


async def test_streams_that_end_before_their_turn_give_it_to_others() -> None:
    """H4: thirty that asked and left would keep the next one waiting for a minute."""
    options, clients = replace(NO_PAUSE, limits=Limits(new_streams_per_s=0.5, new_streams_burst=1)), Clients()
    async with serve(make_store(make_resource("a")), options, clients) as server, H2Client(server.port) as hostile:
        streams = [await hostile.open() for _ in range(30)]
        for stream in streams:
            await hostile.send(stream, hello("sotw"))
        await wait_for(lambda: 30 == sum(bool(status.types) for status in clients.streams()))
        for stream in streams:
            await hostile.reset(stream)
        await wait_for(lambda: not clients.streams())
        async with AdsClient(server.port, "sotw") as client:
            await client.send(hello("sotw"))
            async with asyncio.timeout(20):
                assert got(a=1) == read_answer("sotw", await client.receive())


async def test_initial_requests_of_istiod_are_all_answered() -> None:
    """S1 S3 T7 X50: sixteen requests back to back, the node on the first only, one answer each, nonces unique."""
    urls = [SERVICE_ENTRY, *(f"group{number}.istio.io/v1/Kind{number}" for number in range(15))]
    async with serve(make_store(make_resource("a"))) as server, AdsClient(server.port, "sotw") as client:
        await client.send(hello("sotw", urls[0]))
        for url in urls[1:]:
            await client.send(write_request("sotw", url, nonce=JUNK))
        answers = [read_answer("sotw", await client.receive()) for _ in urls]
        assert set(urls) == {answer.url for answer in answers}
        assert len(urls) == len({answer.nonce for answer in answers})


async def test_pings_are_answered_during_a_big_response() -> None:
    """T4 I9: in the middle of 50 MB, and at any rate; no GOAWAY comes of it."""
    async with serve(make_heavy_store(50)) as server, H2Client(server.port) as client:
        stream = await client.open()
        await client.send(stream, hello("sotw"))
        await client.read_until("DataReceived", 10)
        for count in range(1, 51):
            await client.ping()
            await client.read_until("PingAckReceived", count)
        assert client.received_bytes < 50 * MEGABYTE
        while client.received_bytes < 50 * MEGABYTE:
            await client.read_until("DataReceived", client.events["DataReceived"] + 1)
        assert 0 == client.events["ConnectionTerminated"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_message_of_256_megabytes_can_be_sent() -> None:
    """T5: no limit of 4 MiB, one gRPC message. One loop is enough for a quarter of a gigabyte."""
    async with serve(make_heavy_store(256)) as server, H2Client(server.port) as client:
        await client.send(await client.open(), hello("sotw"))
        while client.received_bytes < 256 * MEGABYTE:
            await client.read_until("DataReceived", client.events["DataReceived"] + 1)
        assert "" == client.status


async def test_requests_are_read_while_a_response_is_blocked() -> None:
    """T10: the client reads nothing, yet its second request is taken."""
    clients = Clients()
    async with serve(make_heavy_store(20), clients=clients) as server, H2Client(server.port) as client:
        stream = await client.open()
        await client.send(stream, hello("sotw"))
        await wait_for(lambda: any(status.types for status in clients.streams()))
        await wait_for(lambda: clients.streams()[0].types[SERVICE_ENTRY].nonce_sent)
        await client.send(stream, write_request("sotw", GATEWAY))
        await wait_for(lambda: GATEWAY in clients.streams()[0].types)
        assert "" == clients.streams()[0].types[GATEWAY].nonce_sent


@DIALECTS
async def test_client_that_stops_reading_loses_its_stream_and_nobody_else(dialect: str) -> None:
    """T9 X31 X56: the send timeout closes that stream; its connection stays usable; memory is one response at most."""
    store, clients, metrics = make_heavy_store(20), Clients(), Metrics()
    options = replace(NO_PAUSE, send_timeout_s=0.3, limits=Limits(max_delta_bytes=10 * MEGABYTE))
    method = "StreamAggregatedResources" if dialect == "sotw" else "DeltaAggregatedResources"
    async with (
        serve(store, options, clients, metrics) as server,
        H2Client(server.port) as stalled,
        AdsClient(server.port, dialect) as client,
    ):
        await stalled.send(await stalled.open(method), hello(dialect))
        await wait_for(lambda: len(clients) == 1)
        good = WireRig(dialect, store, client, NODE)
        await good.ask(SERVICE_ENTRY, "ns/small")
        await good.take()
        for mark in range(5):
            commit(store, {"small": f"m{mark}"})
            assert [got(small=f"m{mark}")] == await good.take()
        await wait_for(lambda: len(clients) == 1)
        assert 1.0 == metrics.registry.get_sample_value("meshregistry_ads_bad_requests_total", {"reason": "stalled"})
        await stalled.read_until("StreamReset")
        await stalled.send(await stalled.open(method), hello(dialect, GATEWAY))
        received = stalled.received_bytes
        await stalled.read_until("DataReceived", stalled.events["DataReceived"] + 1)
        assert stalled.received_bytes > received


@DIALECTS
async def test_end_of_requests_ends_the_stream_with_ok(dialect: str) -> None:
    """X56: receive end-of-stream ends it cleanly."""
    clients, metrics = Clients(), Metrics()
    async with serve(make_store(), clients=clients, metrics=metrics) as server:
        async with AdsClient(server.port, dialect) as client:
            await client.send(hello(dialect))
            await client.receive()
            assert 1.0 == metrics.registry.get_sample_value("meshregistry_ads_streams", {"dialect": dialect})
            await client.end()
            assert (grpc.StatusCode.OK, "") == await client.status()
        assert (0, 0.0) == (
            len(clients),
            metrics.registry.get_sample_value("meshregistry_ads_streams", {"dialect": dialect}),
        )


async def test_connections_leave_nothing_behind() -> None:
    """H5 X24 X32: rows, sessions and tasks are gone with their stream, after resets in any state."""
    store, clients = make_store(make_resource("a")), Clients()
    async with serve(store, clients=clients) as server, AdsClient(server.port, "sotw") as client:
        tasks = len(asyncio.all_tasks())
        for number in range(100):
            client.open()
            if number % 3:
                await client.send(hello("sotw"))
            if number % 3 == 2:
                await client.receive()
            client.cancel()
        await wait_for(lambda: len(clients) == 0)
        await wait_for(lambda: len(asyncio.all_tasks()) <= tasks)
        gc.collect()
        assert [] == [thing for thing in gc.get_objects() if isinstance(thing, Session)]


async def test_overlapping_reconnect_keeps_the_new_stream() -> None:
    """X63: the same node opens a new stream before the old one ends."""
    store, clients = make_store(make_resource("a")), Clients()
    async with (
        serve(store, clients=clients) as server,
        AdsClient(server.port, "sotw") as old,
        AdsClient(server.port, "sotw") as new,
    ):
        await old.send(hello("sotw"))
        await old.receive()
        rig = WireRig("sotw", store, new, NODE)
        await rig.ask(SERVICE_ENTRY)
        await rig.take()
        assert 2 == len(clients.slime())
        old.cancel()
        await wait_for(lambda: len(clients) == 1)
        commit(store, {"a": 2})
        assert [got(a=2)] == await rig.take()


async def test_fifty_clients_and_two_hundred_changes_lose_nothing() -> None:
    """X33 X37 X49: each client ends with the last state."""
    store = make_store(make_resource("a"))

    async def follow(port: int, dialect: str) -> str:
        async with AdsClient(port, dialect) as client:
            await client.send(hello(dialect))
            mark = ""
            while mark != "last":
                answer = read_answer(dialect, await client.receive())
                mark = answer.resources["ns/a"]
                await client.send(write_request(dialect, SERVICE_ENTRY, nonce=answer.nonce))
            return mark

    async with serve(store) as server:
        followers = [asyncio.ensure_future(follow(server.port, ("sotw", "delta")[n % 2])) for n in range(50)]
        for number in range(200):
            commit(store, {"a": f"m{number}"})
            await asyncio.sleep(0.001)
        commit(store, {"a": "last"})
        assert ["last"] * 50 == list(await asyncio.gather(*followers))


async def test_drain_ends_streams_says_goaway_and_closes() -> None:
    """T11 X57: UNAVAILABLE, then GOAWAY, then the end of the connection; the port is free again."""
    server = AdsServer(replace(NO_PAUSE, drain_timeout_s=5.0), make_store(), Clients(), Metrics())
    await server.start()
    async with H2Client(server.port) as client:
        stream = await client.open()
        await client.send(stream, hello("sotw"))
        await client.read_until("DataReceived")
        drain = asyncio.ensure_future(server.drain())
        await client.read_until("never")
        await drain
        assert (str(UNAVAILABLE.value[0]), 1, True) == (
            client.status,
            client.events["ConnectionTerminated"],
            client.closed,
        )
    again = AdsServer(replace(NO_PAUSE, port=server.port), make_store(), Clients(), Metrics())
    await again.start()
    await again.drain()


async def test_drain_lets_a_response_finish() -> None:
    """T11: no partial message."""
    clients = Clients()
    server = AdsServer(NO_PAUSE, make_heavy_store(30), clients, Metrics())
    await server.start()
    async with H2Client(server.port) as client:
        await client.send(await client.open(), hello("sotw"))
        await client.read_until("DataReceived")
        drain = asyncio.ensure_future(server.drain())
        await client.read_until("never")
        await drain
    assert client.received_bytes > 30 * MEGABYTE
    assert str(UNAVAILABLE.value[0]) == client.status


async def test_drain_keeps_its_budget_whatever_clients_do() -> None:
    """T11 X57: a client that does not read is cut off."""
    server = AdsServer(replace(NO_PAUSE, drain_timeout_s=0.3), make_heavy_store(30), Clients(), Metrics())
    await server.start()
    async with H2Client(server.port) as client:
        await client.send(await client.open(), hello("sotw"))
        await client.read_until("DataReceived")
        async with asyncio.timeout(3):
            await server.drain()


async def test_new_streams_are_refused_during_the_drain() -> None:
    """T11: on a connection that is still open, by status; a new connection finds no port."""
    server = AdsServer(replace(NO_PAUSE, drain_timeout_s=1.0), make_heavy_store(30), Clients(), Metrics())
    await server.start()
    async with H2Client(server.port) as client:
        await client.send(await client.open(), hello("sotw"))
        await client.read_until("DataReceived")
        drain = asyncio.ensure_future(server.drain())
        await asyncio.sleep(0)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", server.port)
        await client.send(await client.open(), hello("sotw"))
        await client.read_until("StreamEnded")
        assert str(UNAVAILABLE.value[0]) == client.status
        await drain


async def test_taken_port_is_an_error_that_names_it() -> None:
    """A port that is taken is an error, not a warning."""
    async with serve(make_store()) as server:
        other = AdsServer(replace(NO_PAUSE, port=server.port), make_store(), Clients(), Metrics())
        with pytest.raises(ListenError, match=str(server.port)):
            await other.start()
        await other.drain()


async def test_two_replicas_are_one_source() -> None:
    """I8 I10 H6 V5: after one is gone, the other gives the same bytes under the same versions."""
    resources = [make_resource(name) for name in "abc"]
    answers = []
    for world in (resources, resources[::-1]):
        async with serve(make_store(*world)) as server, AdsClient(server.port, "sotw") as client:
            await client.send(hello("sotw"))
            answers.append(read_answer("sotw", await client.receive()))
    assert (answers[0], answers[0].version) == (answers[1], answers[1].version)


async def test_shards_are_listeners_over_one_store() -> None:
    """Each answers every type, each change reaches the client of its own shard alone, together they are the world."""
    store, clients = make_store(*map(make_resource, "abcdefgh")), Clients()
    async with contextlib.AsyncExitStack() as stack:
        rigs = []
        for shard in range(2):
            options = replace(NO_PAUSE, selection=Selection(shard=shard, shards=2))
            server = await stack.enter_async_context(serve(store, options, clients))
            client = await stack.enter_async_context(AdsClient(server.port, "sotw"))
            rigs.append(WireRig("sotw", store, client, NODE))
        answers = []
        for rig in rigs:
            await rig.ask(SERVICE_ENTRY)
            await rig.ask(GATEWAY)
            gateway, answer = sorted(await rig.take(), key=lambda found: found.url)
            assert got(GATEWAY) == gateway
            answers.append(answer)
        assert sorted(f"ns/{name}" for name in "abcdefgh") == sorted([*answers[0].resources, *answers[1].resources])
        commit(store, {"a": 2})
        changed = [await rig.take() for rig in rigs]
        assert [1, 0] == [len(changed[shard_of("ns/a", 2)]), len(changed[1 - shard_of("ns/a", 2)])]
        assert 2 == len(clients)


async def test_health_follows_the_snapshot_and_the_drain() -> None:
    """T12: NOT_SERVING until complete, SERVING, NOT_SERVING again, and an unknown service is told apart."""
    store = make_store(complete=False)
    server = AdsServer(NO_PAUSE, store, Clients(), Metrics())
    await server.start()
    async with AdsClient(server.port, "sotw") as client:
        check = client.channel.unary_unary("/grpc.health.v1.Health/Check")
        watch = client.channel.unary_stream("/grpc.health.v1.Health/Watch")
        watched = watch(b"")
        service = b"envoy.service.discovery.v3.AggregatedDiscoveryService"
        assert b"\x08\x02" == await asyncio.to_thread(next, watched)
        assert b"\x08\x02" == await asyncio.to_thread(check, b"\x0a" + bytes([len(service)]) + service)
        store.complete()
        assert b"\x08\x01" == await asyncio.to_thread(next, watched)
        assert b"\x08\x01" == await asyncio.to_thread(check, b"")
        with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
            await asyncio.to_thread(check, b"\x0a\x01x")
        assert b"\x08\x03" == await asyncio.to_thread(next, watch(b"\x0a\x01x"))
        drain = asyncio.ensure_future(server.drain())
        assert b"\x08\x02" == await asyncio.to_thread(next, watched)
        assert UNAVAILABLE is await asyncio.to_thread(watched.code)
        await drain


async def test_watches_of_the_health_are_limited_and_checks_are_answered_all_the_same() -> None:
    """One too many is told so; when one ends there is room again."""
    options = replace(NO_PAUSE, limits=Limits(max_health_calls=2))
    async with serve(make_store(), options) as server, H2Client(server.port) as client:
        watches = [await client.open("Watch", HEALTH) for _ in range(3)]
        for watch in watches:
            await client.send(watch, b"")
        await client.read_until("StreamEnded")
        assert str(EXHAUSTED.value[0]) == client.status
        await client.send(await client.open("Check", HEALTH), b"")
        await client.read_until("StreamEnded", 2)
        assert "0" == client.status
        await client.reset(watches[0])
        answers = client.events["DataReceived"]
        await client.send(await client.open("Watch", HEALTH), b"")
        await client.read_until("DataReceived", answers + 1)
        assert 2 == client.events["StreamEnded"]


@pytest.mark.parametrize("call", ["Check", "Watch"])
async def test_health_calls_that_never_ask_are_few_and_end(call: str) -> None:
    """A place that is taken for nothing is given to somebody else."""
    options = replace(NO_PAUSE, limits=Limits(max_health_calls=2, health_timeout_s=0.2))
    async with serve(make_store(), options) as server, H2Client(server.port) as client:
        for _ in range(3):
            await client.open(call, HEALTH)
        await client.read_until("StreamEnded")
        assert str(EXHAUSTED.value[0]) == client.status
        await client.read_until("StreamEnded", 3)
        assert str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0]) == client.status
        await client.send(await client.open(call, HEALTH), b"")
        await client.read_until("DataReceived")
        assert 1 == client.events["DataReceived"]


async def test_clients_page_tells_what_each_stream_has() -> None:
    """M3 X32: Slime's shape, and everything per stream and type."""
    store, clients = make_store(make_resource("a")), Clients()
    async with serve(store, clients=clients) as server, AdsClient(server.port, "sotw") as client:
        await client.send(hello("sotw"))
        answer = read_answer("sotw", await client.receive())
        await client.send(write_request("sotw", SERVICE_ENTRY, nonce=answer.nonce, error="no"))
        await wait_for(lambda: clients.streams()[0].types[SERVICE_ENTRY].nacks)
        (status,) = clients.streams()
        kind = status.types[SERVICE_ENTRY]
        (slime,) = clients.slime().values()
        assert (NODE[0], "api", "sotw") == (status.node, status.generator, status.dialect)
        assert status.peer.startswith("127.0.0.1:")
        assert (answer.version, "", answer.nonce, answer.size) == (
            kind.version_sent,
            kind.version_acked,
            kind.nonce_sent,
            kind.bytes,
        )
        assert kind.last_nack is not None
        assert (3, "no", answer.nonce) == (kind.last_nack.code, kind.last_nack.message, kind.last_nack.nonce)
        assert (NODE[0], status.connection, status.peer, answer.nonce, "") == (
            slime.ClientId,
            slime.ConnId,
            slime.Addr,
            slime.PushStatus[SERVICE_ENTRY].PushVer,
            slime.PushStatus[SERVICE_ENTRY].AckVer,
        )
    assert {} == clients.slime()


async def test_commit_reaches_the_wire_at_once() -> None:
    """Kind other than that of the change stays silent; a held answer goes out on completion without a request."""
    store = make_store(make_resource("a"), complete=False)
    async with serve(store) as server, AdsClient(server.port, "sotw") as client:
        await client.send(hello("sotw"))
        await client.send(write_request("sotw", GATEWAY))
        assert got(GATEWAY) == read_answer("sotw", await client.receive())
        store.commit(Kind.SIDECAR, (), ())
        store.complete()
        assert got(a=1) == read_answer("sotw", await client.receive())
