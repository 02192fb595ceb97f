"""The simulated Nacos on its port: both APIs, connection faults, counters, control."""

from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import orjson
import pytest

from meshregistry.sim.nacos.exchange import Call, Reply
from meshregistry.sim.nacos.faults import BodyFault, Fault
from meshregistry.sim.nacos.load import Load
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance, ServiceKey
from meshregistry.sim.nacos.views import Dialect

LIST = "/nacos/v1/ns/service/list"
PAGE = {"pageNo": "1", "pageSize": "10"}


def test_v1_registers_changes_and_deregisters() -> None:
    sim = SimNacos()
    address = {"serviceName": "G2@@orders", "ip": "10.0.0.1", "port": "80"}

    assert b"ok" == _v1(sim, "POST", "instance", **address, weight="0.5", metadata="a=b,c=d").body
    assert b"ok" == _v1(sim, "PUT", "instance", **address, weight="3", metadata='{"c":"e"}').body
    [host] = _hosts(sim, serviceName="orders", groupName="G2")
    assert (3.0, {"a": "b", "c": "e"}) == (host["weight"], host["metadata"])

    assert b"ok" == _v1(sim, "DELETE", "instance", **address, ephemeral="false").body
    assert [host] == _hosts(sim, serviceName="orders", groupName="G2")
    assert b"ok" == _v1(sim, "DELETE", "instance", **address).body
    assert [] == _hosts(sim, serviceName="orders", groupName="G2")


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({"ip": "10.0.0.1", "port": "80"}, "Param 'serviceName' is required."),
        ({"serviceName": "a b", "ip": "10.0.0.1", "port": "80"}, "Param 'serviceName' is illegal"),
        ({"serviceName": "目录", "ip": "10.0.0.1", "port": "80"}, "Param 'serviceName' is illegal"),
        ({"serviceName": "x", "ip": "not an ip", "port": "80"}, "Param 'ip' is illegal"),
        ({"serviceName": "x", "ip": "10.0.0.1"}, "Param 'port' is required."),
        ({"serviceName": "x", "ip": "10.0.0.1", "port": "70000"}, "Param 'port' is illegal"),
        ({"serviceName": "x", "ip": "10.0.0.1", "port": "1", "weight": "-1"}, "instance format invalid"),
        ({"serviceName": "x", "ip": "10.0.0.1", "port": "1", "metadata": "a" * 1025}, "Param 'Metadata' is illegal"),
    ],
)
def test_registrations_that_nacos_refuses_are_refused(params: dict[str, str], refusal: str) -> None:
    sim = SimNacos()

    reply = _v1(sim, "POST", "instance", **params)

    assert 400 == reply.status
    assert reply.body.decode().startswith(refusal)
    assert (0, 0) == sim.registry.counts()


def test_a_server_of_the_first_generation_has_its_own_forms() -> None:
    sim = SimNacos(SimOptions(dialect=Dialect.V1))
    for name, group in [("orders", "A"), ("users", "B")]:
        sim.registry.register(ServiceKey(name, group), Instance("10.0.0.1", 80, healthy=False))

    known = orjson.loads(_v1(sim, "GET", "instance/list", serviceName="A@@orders").body)
    unknown = orjson.loads(_v1(sim, "GET", "instance/list", serviceName="absent").body)
    names = orjson.loads(_v1(sim, "GET", "service/list", pageNo="1", pageSize="9", groupName="*").body)
    rows = orjson.loads(_v1(sim, "GET", "catalog/services", withInstances="true", pageNo="1", pageSize="1").body)

    [host] = known["hosts"]
    assert ("A@@orders", "orders", 3000, 32) == (
        known["name"],
        known["dom"],
        known["cacheMillis"],
        len(known["checksum"]),
    )
    assert (False, False, "orders") == (host["valid"], host["healthy"], host["serviceName"])
    assert {"hosts": [], "name": "DEFAULT_GROUP@@absent", "clusters": "", "cacheMillis": 3000} == unknown
    assert {"count": 2, "doms": ["A@@orders", "B@@users"]} == names
    assert ["users"] == [row["serviceName"] for row in rows]  # this listing counts its pages from 0
    state = sim.answer(Call("GET", "/nacos/v1/console/server/state", {}, {}))
    assert "1.4.8" == orjson.loads(state.body)["version"]


def test_a_server_of_the_newest_generation_has_lost_v1() -> None:
    sim = SimNacos(SimOptions(dialect=Dialect.V32))
    paths = [
        ("GET", "/nacos/v1/ns/instance/list"),
        ("GET", "/nacos/v1/ns/catalog/services"),
        ("POST", "/nacos/v1/auth/login"),
        ("POST", "/nacos/v1/auth/users/login"),
        ("GET", "/nacos/v1/ns/operator/metrics"),
        ("GET", "/nacos/v3/admin/core/state"),
    ]

    replies = [sim.answer(Call(method, path, {}, {})) for method, path in paths]

    assert [404, 404, 404, 200, 200, 200] == [reply.status for reply in replies]
    assert "3.2.0" == orjson.loads(replies[-1].body)["data"]["version"]


@pytest.mark.parametrize(("dialect", "path"), [(Dialect.V2, "/nacos/v1/ns"), (Dialect.V3, "/nacos/v3/admin/ns")])
def test_a_service_with_few_healthy_hosts_is_protected(dialect: Dialect, path: str) -> None:
    sim = SimNacos(SimOptions(dialect=dialect))
    create = Call("POST", f"{path}/service", {"serviceName": "s", "protectThreshold": "0.5", "ephemeral": "true"}, {})

    assert [200, 400] == [sim.answer(create).status for _ in range(2)]
    for last, healthy in [(1, True), (2, False)]:
        sim.registry.register(ServiceKey("s"), Instance(f"10.0.0.{last}", 80, healthy=healthy))
    everybody = orjson.loads(_v1(sim, "GET", "instance/list", serviceName="s").body)
    healthy_only = orjson.loads(_v1(sim, "GET", "instance/list", serviceName="s", healthyOnly="true").body)
    assert (True, [True, True]) == (
        everybody["reachProtectionThreshold"],
        [host["healthy"] for host in everybody["hosts"]],
    )
    assert (False, 1) == (healthy_only["reachProtectionThreshold"], len(healthy_only["hosts"]))


def test_a_server_of_the_first_generation_protects_a_service_whatever_it_is_asked_for() -> None:
    sim = SimNacos(SimOptions(dialect=Dialect.V1))
    sim.registry.create_service(ServiceKey("s"), ephemeral=True, protect_threshold=0.5)
    for last, healthy in [(1, True), (2, False), (3, False)]:
        sim.registry.register(ServiceKey("s"), Instance(f"10.0.0.{last}", 80, healthy=healthy))

    for healthy_only in ("false", "true"):
        read = orjson.loads(_v1(sim, "GET", "instance/list", serviceName="s", healthyOnly=healthy_only).body)
        assert [True, True, True] == [host["healthy"] for host in read["hosts"]]


def test_names_that_cannot_be_registered_by_http_are_served_once_they_are_there() -> None:
    sim = SimNacos()
    sim.registry.register(ServiceKey("订单 1"), Instance("10.0.0.1", 80))

    assert ["10.0.0.1"] == [each["ip"] for each in _hosts(sim, serviceName="订单 1")]


def test_a_beat_registers_what_it_describes_and_a_light_one_greets_only_who_is_known() -> None:
    sim = SimNacos()
    beat = '{"ip":"10.0.0.1","port":80,"cluster":"EAST","weight":2,"metadata":{"k":"v"},"scheduled":false}'
    light = {"serviceName": "orders", "ip": "10.0.0.1", "port": "80"}

    codes = [
        orjson.loads(_v1(sim, "PUT", "instance/beat", **params).body)["code"]
        for params in (light, {"serviceName": "orders", "beat": beat}, light)
    ]

    assert [20404, 10200, 10200] == codes
    assert [("EAST", 2.0)] == [(each["clusterName"], each["weight"]) for each in _hosts(sim, serviceName="orders")]
    assert 400 == _v1(sim, "PUT", "instance/beat", serviceName="orders", beat="{").status

    sim.registry.register(ServiceKey("kept"), Instance("10.0.0.9", 80, ephemeral=False))
    assert 500 == _v1(sim, "PUT", "instance/beat", serviceName="kept", beat=beat).status


def test_v3_client_calls_register_read_and_deregister() -> None:
    sim = SimNacos(SimOptions(dialect=Dialect.V3))
    path, identity = "/nacos/v3/client/ns/instance", {"serviceName": "orders", "ip": "10.0.0.1", "port": "80"}

    def data(method: str, path: str, **params: str) -> Any:
        return orjson.loads(sim.answer(Call(method, path, params, {})).body)

    assert "ok" == data("POST", path, **identity, clusterName="EAST")["data"]
    assert 0 == data("POST", path, **identity, heartBeat="true")["code"]
    assert 21003 == data("POST", path, **{**identity, "port": "81"}, heartBeat="true")["code"]
    assert [] == data("GET", f"{path}/list", serviceName="orders")["data"]
    assert 1 == len(data("GET", f"{path}/list", serviceName="orders", clusterName="DEFAULT,EAST")["data"])
    assert 10000 == data("GET", f"{path}/list")["code"]
    assert 30000 == data("POST", path, **identity, ephemeral="false")["code"]
    assert "ok" == data("DELETE", path, **identity)["data"]
    assert [] == data("GET", f"{path}/list", serviceName="orders", clusterName="EAST")["data"]


def test_v3_pages_say_how_many_there_are() -> None:
    sim = SimNacos(SimOptions(dialect=Dialect.V3))
    sim.load(Load(services=3, instances=1))
    path = "/nacos/v3/admin/ns/service/list"

    def page(**params: str) -> Any:
        return orjson.loads(sim.answer(Call("GET", path, params, {})).body)

    assert (3, 2, 2, 1) == _page_numbers(page(pageNo="2", pageSize="2"))
    assert (3, 1, 2, 3) == _page_numbers(page(pageNo="1", pageSize="3", withInstances="true"))
    assert (0, 1, 0, 0) == _page_numbers(page(namespaceId="none"))
    assert 20002 == page(pageNo="0")["code"]


@pytest.mark.anyio
async def test_a_stopped_server_refuses_and_comes_back_on_its_port_with_its_content() -> None:
    async with SimNacos() as sim, aiohttp.ClientSession() as session:
        sim.registry.register(ServiceKey("orders"), Instance("10.0.0.1", 80))
        url = f"{sim.base_url}{LIST}"
        await sim.stop()
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url, params=PAGE)
        await sim.start()

        assert f"{sim.base_url}{LIST}" == url
        async with session.get(url, params=PAGE) as reply:
            assert {"count": 1, "doms": ["orders"]} == await reply.json()


@pytest.mark.anyio
async def test_form_and_query_parameters_are_one() -> None:
    async with SimNacos() as sim, aiohttp.ClientSession(sim.base_url) as session:
        form = {"ip": "10.0.0.1", "port": "80"}
        async with session.post("/nacos/v1/ns/instance", params={"serviceName": "orders"}, data=form) as reply:
            assert "ok" == await reply.text()
    assert (1, 1) == sim.registry.counts()


@pytest.mark.anyio
@pytest.mark.parametrize("drop", ["before", "within"])
async def test_a_dropped_connection_is_no_complete_answer(drop: Any) -> None:
    async with SimNacos() as sim, aiohttp.ClientSession(sim.base_url) as session:
        sim.set_faults(Fault(drop=drop))
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            async with session.get(LIST, params=PAGE) as reply:
                await reply.read()


@pytest.mark.anyio
async def test_an_endless_body_lasts_until_the_client_has_enough() -> None:
    async with SimNacos() as sim:
        sim.set_faults(Fault(body=BodyFault.ENDLESS))
        async with aiohttp.ClientSession(sim.base_url) as session, session.get(LIST, params=PAGE) as reply:
            assert 1_000_000 == len(await reply.content.readexactly(1_000_000))
    assert 0 == sim.traffic.in_flight


@pytest.mark.anyio
async def test_a_client_that_gave_up_is_no_error_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async with SimNacos() as sim, aiohttp.ClientSession(sim.base_url) as session:
        sim.set_faults(Fault(delay_s=0.1))
        with pytest.raises(TimeoutError):
            await session.get(LIST, params=PAGE, timeout=aiohttp.ClientTimeout(total=0.02))
        with anyio.fail_after(10):
            while sim.traffic.in_flight:  # noqa: ASYNC110 - the server has no event for it
                await anyio.sleep(0.01)
    assert [] == caplog.records


@pytest.mark.anyio
async def test_a_delayed_answer_makes_a_client_give_up_and_does_not_hold_the_stop() -> None:
    async with SimNacos() as sim, aiohttp.ClientSession(sim.base_url) as session:
        sim.set_faults(Fault(delay_s=3600.0))
        with pytest.raises(TimeoutError):
            await session.get(LIST, params=PAGE, timeout=aiohttp.ClientTimeout(total=0.05))
    assert {f"GET {LIST}": 1} == sim.traffic.requests


@pytest.mark.anyio
async def test_compressed_answers_are_the_same_answers() -> None:
    async with SimNacos() as sim, aiohttp.ClientSession(sim.base_url) as session:
        sim.set_faults(Fault(gzip=True))
        async with session.get(LIST, params=PAGE) as reply:
            assert ("gzip", {"count": 0, "doms": []}) == (reply.headers["Content-Encoding"], await reply.json())


@pytest.mark.anyio
async def test_traffic_counts_calls_by_path_and_the_most_at_one_time() -> None:
    async with SimNacos() as sim, aiohttp.ClientSession(sim.base_url) as session:
        sim.set_faults(Fault(delay_s=3600.0))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(_read, session, LIST)
            while sim.traffic.in_flight < 3:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

        assert {f"GET {LIST}": 3} == sim.traffic.requests
        assert 3 == sim.traffic.in_flight_peak
        assert {} == orjson.loads(await _read(session, "/sim/traffic", "DELETE"))["requests"]


@pytest.mark.anyio
async def test_control_calls_load_churn_and_break_the_server() -> None:
    async with SimNacos() as sim, aiohttp.ClientSession(sim.base_url) as session:
        loaded = await _read(session, "/sim/load", "POST", {"services": 5, "instances": 2})
        churned = orjson.loads(await _read(session, "/sim/churn", "POST", {"kind": "replace"}))
        await _read(session, "/sim/faults", "PUT", [{"path": "/service/", "status": 410}])

        assert b'{"services":5,"instances":10,"subscriptions":0}' == loaded == await _read(session, "/sim/state")
        assert ("svc-00000", "11.0.0.0") == (churned["service"], churned["ip"])
        assert [Fault(path="/service/", status=410)] == sim.faults.armed()
        async with session.get(LIST, params=PAGE) as reply:
            assert 410 == reply.status
        async with session.put("/sim/faults", json=[{"stats": 410}]) as reply:
            assert 400 == reply.status
        async with session.get("/sim/nothing") as reply:
            assert 404 == reply.status


def _v1(sim: SimNacos, method: str, path: str, **params: str) -> Reply:
    return sim.answer(Call(method, f"/nacos/v1/ns/{path}", params, {}))


def _hosts(sim: SimNacos, **params: str) -> list[dict[str, Any]]:
    hosts: list[dict[str, Any]] = orjson.loads(_v1(sim, "GET", "instance/list", **params).body)["hosts"]
    return hosts


def _page_numbers(answer: Any) -> tuple[int, int, int, int]:
    page = answer["data"]
    return page["totalCount"], page["pageNumber"], page["pagesAvailable"], len(page["pageItems"])


async def _read(session: aiohttp.ClientSession, path: str, method: str = "GET", json: Any = None) -> bytes:
    async with session.request(method, path, params=PAGE, json=json) as reply:
        return await reply.read()
