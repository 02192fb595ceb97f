"""The gRPC protocol as the simulator and the real servers speak it: one suite, the same message sequences."""

import pytest

from tests.support.nacos_fields import GENERATOR, HEARTBEAT_FIELDS, INSTANCE_FIELDS, read_fields
from tests.support.nacos_grpc import Message, NacosGrpc, connected, hosts, instance_json
from tests.support.nacos_rig import NacosRig

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

_INFO_FIELDS = ["name", "groupName", "clusters", "cacheMillis", "hosts", "lastRefTime", "checksum"]


async def test_the_handshake_tells_the_generation_s_abilities(nacos_rig: NacosRig) -> None:
    async with connected(nacos_rig.base_url, nacos_rig.namespace) as client:
        [ack] = client.seen
        health = await client.ask("HealthCheckRequest")
        unknown = await client.ask("NoSuchRequest")

    v3 = ["agent", "fuzzyWatch", "lock", "mcp", "supportPersistentInstanceByGrpc"]
    expected = v3 if nacos_rig.dialect.is_v3 else ["supportPersistentInstanceByGrpc"]
    assert (expected, "internal") == (sorted(ack.body["abilityTable"]), ack.body["module"])
    assert "requestId" not in ack.body
    assert ("HealthCheckResponse", {"resultCode": 200, "errorCode": 0, "success": True}) == (health.type, health.body)
    assert ("ErrorResponse", 500, 302, "RequestHandler Not Found") == _failure(unknown)


async def test_a_connection_without_a_stream_is_unknown(nacos_rig: NacosRig) -> None:
    client = NacosGrpc(nacos_rig.base_url, nacos_rig.namespace)
    try:
        checked = await client.ask("ServerCheckRequest")
        refused = await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)
    finally:
        await client.close()

    assert ["resultCode", "errorCode", "connectionId", "supportAbilityNegotiation", "success"] == list(checked.body)
    assert ("ErrorResponse", 500, 301, "Connection is unregistered.") == _failure(refused)


async def test_a_subscriber_sees_an_instance_come_change_and_go(nacos_rig: NacosRig) -> None:
    async with (
        connected(nacos_rig.base_url, nacos_rig.namespace) as reader,
        connected(nacos_rig.base_url, nacos_rig.namespace) as publisher,
    ):
        first = await reader.subscribe("orders")
        assert ("SubscribeServiceResponse", []) == (first.type, hosts(first))

        registered = await publisher.register("orders", "10.0.0.1", 8080, metadata={"version": "v1"})
        info = await reader.until_hosts("orders", ["10.0.0.1:8080"])
        assert ("InstanceResponse", "registerInstance") == (registered.type, registered.body["type"])
        assert [*_INFO_FIELDS, *_tail(nacos_rig)] == list(info)
        assert ("DEFAULT_GROUP", "", 10000, "") == tuple(
            info[name] for name in ["groupName", "clusters", "cacheMillis", "checksum"]
        )
        assert [(INSTANCE_FIELDS, HEARTBEAT_FIELDS)] == list(map(read_fields, info["hosts"]))
        assert {"version": "v1"} == info["hosts"][0]["metadata"]

        await publisher.register("orders", "10.0.0.2", 8080, weight=0.5)  # replaces the connection's only one
        info = await reader.until_hosts("orders", ["10.0.0.2:8080"])
        assert [0.5] == [host["weight"] for host in info["hosts"]]
        assert [(INSTANCE_FIELDS, HEARTBEAT_FIELDS | {GENERATOR})] == list(map(read_fields, info["hosts"]))

        gone = await publisher.deregister("orders", "10.0.0.2", 8080)
        await _until_last(reader, "orders", [])

    assert "deregisterInstance" == gone.body["type"]
    pushes = [each for each in reader.seen if each.type == "NotifySubscriberRequest"]
    assert [["headers", "requestId", "serviceInfo", "module"]] * len(pushes) == [list(each.body) for each in pushes]


async def test_what_a_connection_registered_ends_with_it(nacos_rig: NacosRig) -> None:
    async with connected(nacos_rig.base_url, nacos_rig.namespace) as reader:
        async with connected(nacos_rig.base_url, nacos_rig.namespace) as publisher:
            await publisher.register("orders", "10.0.0.1", 8080)
            await reader.subscribe("orders")
            await reader.until_hosts("orders", ["10.0.0.1:8080"])
        await _until_last(reader, "orders", [])


async def test_a_batch_is_the_whole_of_a_connection_s_instances(nacos_rig: NacosRig) -> None:
    async with connected(nacos_rig.base_url, nacos_rig.namespace) as client:
        await client.subscribe("orders")
        answer = await _batch(client, "10.0.0.1", "10.0.0.2")
        await client.until_hosts("orders", ["10.0.0.1:80", "10.0.0.2:80"])
        await _batch(client, "10.0.0.2", "10.0.0.3")
        await client.until_hosts("orders", ["10.0.0.2:80", "10.0.0.3:80"])

    assert ("BatchInstanceResponse", "batchRegisterInstance") == (answer.type, answer.body["type"])


async def test_an_unsubscribed_service_is_pushed_no_more(nacos_rig: NacosRig) -> None:
    async with connected(nacos_rig.base_url, nacos_rig.namespace) as client:
        await client.subscribe("orders")
        await client.subscribe("users")
        await client.subscribe("orders", subscribe=False)
        await client.register("orders", "10.0.0.1", 80)
        await client.register("users", "10.0.0.2", 80)
        await client.until_hosts("users", ["10.0.0.2:80"])

    assert [] == [each for each in client.seen if _name(each) == "orders" and hosts(each)]


async def test_lists_and_queries_answer_for_one_group_and_namespace(nacos_rig: NacosRig) -> None:
    await nacos_rig.register("orders", "10.0.0.1", 80)
    await nacos_rig.register("users", "10.0.0.2", 80, healthy=False)
    await nacos_rig.register("orders", "10.0.0.3", 80, group="G-2")
    async with connected(nacos_rig.base_url, nacos_rig.namespace) as client:
        listed = await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=100, selector="")
        paged = await client.ask_naming("ServiceListRequest", pageNo=2, pageSize=1, selector="")
        other = await client.ask_naming("ServiceListRequest", group="G-2", pageNo=1, pageSize=100)
        starred = await client.ask_naming("ServiceListRequest", group="*", pageNo=1, pageSize=100)
        orders = await client.ask_naming("ServiceQueryRequest", "orders", cluster="", healthyOnly=False, udpPort=0)
        users = await client.ask_naming("ServiceQueryRequest", "users", cluster="", healthyOnly=True, udpPort=0)
        absent = await client.ask_naming("ServiceQueryRequest", "absent", cluster="", healthyOnly=False, udpPort=0)
        client.namespace = ""
        elsewhere = await client.ask_naming("ServiceListRequest", group=nacos_rig.namespace, pageNo=1, pageSize=100)

    assert (2, ["orders", "users"]) == (listed.body["count"], sorted(listed.body["serviceNames"]))
    assert (2, 1) == (paged.body["count"], len(paged.body["serviceNames"]))
    assert ["orders"] == other.body["serviceNames"]
    assert ("ServiceListResponse", 500, 400) == _failure(starred)[:3]
    assert ["10.0.0.1:80"] == hosts(orders)
    assert [[], []] == [hosts(users), hosts(absent)]
    assert ["resultCode", "errorCode", "serviceInfo", "success"] == list(absent.body)
    assert 0 == elsewhere.body["count"]


async def test_a_service_is_of_one_kind(nacos_rig: NacosRig) -> None:
    async with connected(nacos_rig.base_url, nacos_rig.namespace) as client:
        persistent = instance_json("10.0.0.1", 80, ephemeral=False)
        first = await client.ask_naming("PersistentInstanceRequest", "db", type="registerInstance", instance=persistent)
        clash = await client.register("db", "10.0.0.2", 80)
        await client.ask_naming("PersistentInstanceRequest", "db", type="deregisterInstance", instance=persistent)

    reason = "errCode: 400, errMsg: Current service DEFAULT_GROUP@@db is persistent service, can't register ephemeral"
    assert ("InstanceResponse", "registerInstance") == (first.type, first.body["type"])
    assert ("ErrorResponse", 400 if nacos_rig.dialect.is_v3 else 500, 400) == _failure(clash)[:3]
    assert clash.body["message"].startswith(reason)


async def test_a_fuzzy_watch_tells_of_services_that_come_and_go(nacos_rig: NacosRig) -> None:
    async with (
        connected(nacos_rig.base_url, nacos_rig.namespace) as watcher,
        connected(nacos_rig.base_url, nacos_rig.namespace) as publisher,
    ):
        await publisher.register("old", "10.0.0.1", 80)
        answer = await watcher.watch()
        if not nacos_rig.dialect.is_v3:
            assert ("ErrorResponse", 500, 302, "RequestHandler Not Found") == _failure(answer)
            return
        await watcher.until(lambda seen: "FINISH_FUZZY_WATCH_INIT_NOTIFY" in _syncs(seen))
        await publisher.register("new", "10.0.0.2", 80)
        await watcher.until(lambda seen: _changes(seen) == [("new", "ADD_SERVICE")])
        await publisher.deregister("new", "10.0.0.2", 80)
        await watcher.until(lambda seen: _changes(seen)[1:] == [("new", "DELETE_SERVICE")])

        ghost = f"{nacos_rig.namespace}@@DEFAULT_GROUP@@ghost"
        await watcher.watch(initializing=False, known=[ghost])
        await watcher.until(lambda seen: "FUZZY_WATCH_DIFF_SYNC_NOTIFY" in _syncs(seen))
        cancelled = await watcher.watch(kind="CANCEL_WATCH")

    assert ("NamingFuzzyWatchResponse", 200) == (answer.type, answer.body["resultCode"])
    assert ["INIT", "FINISH", "DIFF"] == [_WORDS[kind] for kind in _syncs(watcher.seen)]
    first, finish, difference = [each for each in watcher.seen if each.type == "NamingFuzzyWatchSyncRequest"]
    assert {("old", "ADD_SERVICE")} == _contexts(first)
    assert (set(), 1, 1) == (_contexts(finish), finish.body["totalBatch"], finish.body["currentBatch"])
    assert {("old", "ADD_SERVICE"), ("ghost", "DELETE_SERVICE")} == _contexts(difference)
    head = ["headers", "requestId", "syncType", "groupKeyPattern", "contexts", "totalBatch", "currentBatch", "module"]
    assert head == list(first.body)
    assert 200 == cancelled.body["resultCode"]


async def test_naming_wants_a_token_and_a_health_check_wants_none(nacos_rig_auth: NacosRig) -> None:
    async with connected(nacos_rig_auth.base_url, nacos_rig_auth.namespace) as client:
        health = await client.ask("HealthCheckRequest")
        bare = await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)
        client.headers = {"accessToken": "garbage"}
        spoilt = await client.subscribe("orders")
        client.headers = {"accessToken": await nacos_rig_auth.token()}
        listed = await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10)

    assert [200, 200] == [health.body["resultCode"], listed.body["resultCode"]]
    assert ("ServiceListResponse", 500, 403) == _failure(bare)[:3]
    assert ("SubscribeServiceResponse", 500, 403) == _failure(spoilt)[:3]
    assert "token invalid!" in spoilt.body["message"]


_WORDS = {
    "FUZZY_WATCH_INIT_NOTIFY": "INIT",
    "FINISH_FUZZY_WATCH_INIT_NOTIFY": "FINISH",
    "FUZZY_WATCH_DIFF_SYNC_NOTIFY": "DIFF",
}


def _tail(rig: NacosRig) -> list[str]:
    return ["allIps" if rig.dialect.is_v3 else "allIPs", "reachProtectionThreshold", "valid"]


def _failure(message: Message) -> tuple[str, int, int, str]:
    body = message.body
    return message.type, body["resultCode"], body["errorCode"], body["message"]


async def _batch(client: NacosGrpc, *ips: str) -> Message:
    instances = [instance_json(ip, 80) for ip in ips]
    return await client.ask_naming("BatchInstanceRequest", "orders", type="batchRegisterInstance", instances=instances)


async def _until_last(client: NacosGrpc, service: str, wanted: list[str]) -> None:
    def last_shows(seen: list[Message]) -> bool:
        pushed = [hosts(each) for each in seen if _name(each) == service]
        return bool(pushed) and pushed[-1] == wanted

    await client.until(last_shows)


def _name(message: Message) -> str:
    return str(message.body.get("serviceInfo", {}).get("name", ""))


def _syncs(seen: list[Message]) -> list[str]:
    return [each.body["syncType"] for each in seen if each.type == "NamingFuzzyWatchSyncRequest"]


def _changes(seen: list[Message]) -> list[tuple[str, str]]:
    changes = [each.body for each in seen if each.type == "NamingFuzzyWatchChangeNotifyRequest"]
    return [(each["serviceKey"].rpartition("@@")[2], each["changedType"]) for each in changes]


def _contexts(message: Message) -> set[tuple[str, str]]:
    return {(each["serviceKey"].rpartition("@@")[2], each["changedType"]) for each in message.body["contexts"]}
