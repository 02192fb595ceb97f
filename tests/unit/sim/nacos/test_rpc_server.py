"""The gRPC side of the simulator where it is made to misbehave; how it behaves is tested beside real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import orjson
import pytest

from meshregistry.sim.nacos.access import Credentials
from meshregistry.sim.nacos.exchange import Call
from meshregistry.sim.nacos.fuzzy import FuzzyOptions
from meshregistry.sim.nacos.rpc_faults import RpcFault
from meshregistry.sim.nacos.rpc_server import RpcOptions
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance, ServiceKey
from meshregistry.sim.nacos.views import Dialect
from tests.support.nacos_grpc import Message, NacosGrpc, connected, hosts

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

_ORDERS = ServiceKey("orders")
_QUICK = RpcOptions(push_delay_s=0.01, answer_timeout_s=0.2)
_QUICK_FUZZY = FuzzyOptions(max_services=12, first_sync_s=0.01, finish_s=0.01, change_s=0.01)


async def test_a_restarted_node_has_lost_everything_until_it_is_registered_again() -> None:
    async with _running() as sim:
        sim.registry.register(_ORDERS, Instance("10.0.0.1", 80))
        sim.registry.register(ServiceKey("db"), Instance("10.0.0.2", 80, ephemeral=False))
        async with connected(sim.base_url) as before, connected(sim.base_url) as publisher:
            await publisher.register("users", "10.0.0.3", 80)
            lost = sim.restart_node(reregister_after_s=0.05)
            await asyncio.wait_for(before.ended.wait(), 5)

        async with connected(sim.base_url) as after:
            listed = await after.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)
            await after.subscribe("orders")
            await after.until_hosts("orders", ["10.0.0.1:80"])

    assert [(_ORDERS, Instance("10.0.0.1", 80))] == lost
    assert ["db"] == listed.body["serviceNames"]


async def test_a_redirected_client_is_told_where_to_go_and_stays_until_it_goes() -> None:
    async with _running() as sim, connected(sim.base_url) as client:
        assert 1 == sim.rpc.redirect("10.1.1.1", 8848)
        seen = await client.until(lambda seen: seen[-1].type == "ConnectResetRequest")
        health = await client.ask("HealthCheckRequest")

    assert ("10.1.1.1", "8848") == (seen[-1].body["serverIp"], seen[-1].body["serverPort"])
    assert 200 == health.body["resultCode"]


@pytest.mark.parametrize("mute", [False, True])
async def test_a_client_that_does_not_prove_its_life_is_cut_off(*, mute: bool) -> None:
    options = RpcOptions(probe_idle_s=0.05, probe_period_s=0.05, answer_timeout_s=0.2)
    async with _running(options) as sim, connected(sim.base_url) as client:
        client.mute = mute
        await client.until(lambda seen: sum(each.type == "ClientDetectionRequest" for each in seen) >= 2)
        await asyncio.sleep(0.3)

        assert mute == client.ended.is_set()


async def test_a_push_without_an_answer_is_repeated() -> None:
    async with _running() as sim, connected(sim.base_url) as client:
        await client.subscribe("orders")
        client.mute = True
        await client.until(lambda seen: len(_pushes(seen)) >= 2)

    assert {"orders"} == {each.body["serviceInfo"]["name"] for each in _pushes(client.seen)}


async def test_several_changes_become_one_push() -> None:
    async with _running(RpcOptions(push_delay_s=0.1)) as sim, connected(sim.base_url) as client:
        await client.subscribe("orders")
        await client.until_hosts("orders", [])
        for last in range(5):
            sim.registry.register(_ORDERS, Instance(f"10.0.0.{last}", 80))
        await client.until_hosts("orders", [f"10.0.0.{last}:80" for last in range(5)])

    assert [0, 5] == [len(hosts(each)) for each in _pushes(client.seen)]


async def test_a_stale_push_is_older_than_what_was_pushed_before() -> None:
    async with _running() as sim, connected(sim.base_url) as client:
        await client.subscribe("orders")
        sim.registry.register(_ORDERS, Instance("10.0.0.1", 80))
        first = await client.until_hosts("orders", ["10.0.0.1:80"])
        assert 1 == sim.pushes.push(_ORDERS, RpcFault(stale_ms=60_000, body="empty"))
        await client.until(lambda seen: hosts(seen[-1]) == [])

    last = _pushes(client.seen)[-1].body["serviceInfo"]
    assert 50_000 < first["lastRefTime"] - last["lastRefTime"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (RpcFault(error_code=403), ("ServiceListResponse", 500, 403)),
        (RpcFault(error_code=301), ("ErrorResponse", 500, 301)),
        (RpcFault(body="empty"), ("ServiceListResponse", 200, 0)),
        (RpcFault(type="SubscribeServiceRequest", error_code=403), ("ServiceListResponse", 200, 1)),
    ],
)
async def test_a_fault_spoils_the_answers_it_meets(fault: RpcFault, expected: tuple[str, int, int]) -> None:
    async with _running() as sim, connected(sim.base_url) as client:
        sim.registry.register(_ORDERS, Instance("10.0.0.1", 80))
        sim.set_rpc_faults(fault)
        answer = await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)

    body = answer.body
    assert expected == (answer.type, body["resultCode"], body["errorCode"] or body.get("count"))


async def test_cut_answers_ended_streams_and_silence_are_seen_as_such() -> None:
    async with _running() as sim:
        sim.set_rpc_faults(RpcFault(type="ServiceListRequest", body="truncated", times=1))
        async with connected(sim.base_url) as client:
            with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
                await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)
            sim.set_rpc_faults(RpcFault(type="NotifySubscriberRequest", reset="stream", times=1))
            await client.subscribe("orders")
            await asyncio.wait_for(client.ended.wait(), 5)
        sim.set_rpc_faults(RpcFault(type="HealthCheckRequest", stall=True))
        async with connected(sim.base_url) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.ask("HealthCheckRequest"), 0.2)
            sim.set_rpc_faults(RpcFault(type="ServiceListRequest", reset="connection"))
            with pytest.raises(grpc.RpcError):
                await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)


async def test_a_fuzzy_watch_says_nothing_beyond_its_cap() -> None:
    async with _running() as sim, connected(sim.base_url) as first, connected(sim.base_url) as second:
        for number in range(11):
            sim.registry.register(ServiceKey(f"svc-{number}"), Instance("10.0.0.1", 80 + number))
        answers = [await first.watch()]
        await first.until(lambda seen: seen[-1].body.get("syncType") == "FINISH_FUZZY_WATCH_INIT_NOTIFY")
        for number in (11, 12):
            sim.registry.register(ServiceKey(f"svc-{number}"), Instance("10.0.0.1", 80 + number))
        await first.until(lambda seen: seen[-1].type == "NamingFuzzyWatchChangeNotifyRequest")
        answers.append(await second.watch())
        await second.until(lambda seen: seen[-1].body.get("syncType") == "FINISH_FUZZY_WATCH_INIT_NOTIFY")

    batches = [len(each.body["contexts"]) for each in first.seen if "contexts" in each.body]
    changes = [each.body["serviceKey"] for each in first.seen if "changedType" in each.body]
    assert [10, 1, 0] == batches
    assert ["public@@DEFAULT_GROUP@@svc-11"] == changes
    assert [0, 50311] == [each.body["errorCode"] for each in answers]


async def test_there_is_room_for_so_many_patterns() -> None:
    options = SimOptions(dialect=Dialect.V3, fuzzy=FuzzyOptions(max_patterns=1))
    async with SimNacos(options) as sim, connected(sim.base_url) as one, connected(sim.base_url, "team-a") as two:
        codes = [(await each.watch()).body["errorCode"] for each in (one, two)]
        await one.watch(kind="CANCEL_WATCH")
        codes.append((await two.watch()).body["errorCode"])

    assert [0, 50310, 0] == codes


async def test_a_server_before_negotiation_sends_no_acknowledgement() -> None:
    async with _running(RpcOptions(negotiates=False)) as sim:
        client = NacosGrpc(sim.base_url, "public")
        try:
            checked = await client.ask("ServerCheckRequest")
        finally:
            await client.close()

    assert "supportAbilityNegotiation" not in checked.body


async def test_a_token_expires_and_a_signature_does_not() -> None:
    now_s = [1000.0]
    credentials = Credentials(token_ttl_s=60, access_key="ak", secret_key="sk")
    sim = SimNacos(SimOptions(dialect=Dialect.V3, credentials=credentials, rpc=_QUICK), clock=lambda: now_s[0])
    login = Call("POST", "/nacos/v3/auth/user/login", {"username": "nacos", "password": "nacos"}, {})
    token = orjson.loads(sim.answer(login).body)["accessToken"]
    # HMAC-SHA1 of "1000@@x" with the key "sk".
    signed = {"ak": "ak", "data": "1000@@x", "signature": "bwTS2odAYKTHmc56fjZebp04vF4="}
    codes = []
    async with sim, connected(sim.base_url) as client:
        for time_s, headers in [
            (1000.0, {"accessToken": token}),
            (1061.0, {"accessToken": token}),
            (1061.0, signed),
            (1061.0, {**signed, "data": "other"}),
        ]:
            now_s[0], client.headers = time_s, headers
            codes.append((await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=1)).body["errorCode"])

    assert [0, 403, 0, 403] == codes


async def test_a_server_of_the_first_generation_has_no_grpc_port() -> None:
    async with SimNacos(SimOptions(dialect=Dialect.V1)) as sim:
        client = NacosGrpc(sim.base_url, "public")
        try:
            with pytest.raises(grpc.RpcError):
                await client.ask("ServerCheckRequest")
        finally:
            await client.close()


@asynccontextmanager
async def _running(rpc: RpcOptions = _QUICK) -> AsyncIterator[SimNacos]:
    async with SimNacos(SimOptions(dialect=Dialect.V3, rpc=rpc, fuzzy=_QUICK_FUZZY)) as sim:
        yield sim


def _pushes(seen: list[Message]) -> list[Message]:
    return [each for each in seen if each.type == "NotifySubscriberRequest"]
