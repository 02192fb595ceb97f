"""The rigs themselves: the simulator answers each call as the real server does."""

import asyncio
from typing import Any

import pytest

from tests.support.eureka_live import EurekaRig, registration
from tests.support.eureka_servers import CACHE_EXPIRY_S

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

RECORD_FIELDS = [
    *["instanceId", "hostName", "app", "ipAddr", "status", "overriddenStatus", "port", "securePort", "countryId"],
    *["dataCenterInfo", "leaseInfo", "metadata", "vipAddress", "secureVipAddress", "isCoordinatingDiscoveryServer"],
    *["lastUpdatedTimestamp", "lastDirtyTimestamp", "actionType"],
]
ONE = "/apps/ORDERS/o1"


async def test_calls_are_answered_alike(eureka_rig: EurekaRig) -> None:
    other = {"instance": registration("USERS", "u1", "10.0.0.9")}
    statuses = {
        call: (await eureka_rig.call(call.split()[0], call.split()[1], body))[0]
        for call, body in {
            "POST /apps/ORDERS": {"instance": registration("ORDERS", "o1", "10.0.0.1")},
            "POST /apps/MISMATCH": other,
            "POST /apps/BAD": {"instance": {"app": "BAD"}},
            "GET /apps": None,
            "GET /apps/": None,
            "GET /apps/delta": None,
            "GET /apps/orders": None,
            "GET /v2/apps/ORDERS": None,
            "GET /apps/none": None,
            f"GET {ONE}": None,
            "GET /apps/ORDERS/none": None,
            "GET /instances/o1": None,
            "GET /instances/none": None,
            "GET /vips/orders": None,
            "GET /vips/none": None,
            "GET /svips/orders": None,
            f"PUT {ONE}": None,
            "PUT /apps/ORDERS/none": None,
            f"PUT {ONE}/status?value=DOWN": None,
            f"PUT {ONE}/status?value=NONSENSE": None,
            "PUT /apps/ORDERS/none/status?value=DOWN": None,
            f"DELETE {ONE}/status?value=UP": None,
            f"PUT {ONE}/metadata?a=b": None,
            "PUT /apps/ORDERS/none/metadata?a=b": None,
            f"DELETE {ONE}": None,
            "DELETE /apps/ORDERS/o2": None,
        }.items()
    }

    refused = {call: status for call, status in statuses.items() if status not in {200, 204}}
    assert {
        "POST /apps/MISMATCH": 400,
        "POST /apps/BAD": 400,
        "GET /apps/none": 404,
        "GET /apps/ORDERS/none": 404,
        "GET /instances/none": 404,
        "PUT /apps/ORDERS/none": 404,
        f"PUT {ONE}/status?value=NONSENSE": 500,
        "PUT /apps/ORDERS/none/status?value=DOWN": 404,
        "PUT /apps/ORDERS/none/metadata?a=b": 404,
        "DELETE /apps/ORDERS/o2": 404,
    } == refused
    assert 204 == statuses["POST /apps/ORDERS"]
    assert (400, "Missing instanceId") == await eureka_rig.call("POST", "/apps/BAD", {"instance": {"app": "BAD"}})
    text = "Mismatched appName, expecting MISMATCH but was USERS"
    assert (400, text) == await eureka_rig.call("POST", "/apps/MISMATCH", other)


async def test_a_registration_has_the_same_fields_in_the_same_order_everywhere(eureka_rig: EurekaRig) -> None:
    amazon = {"@class": "com.netflix.appinfo.AmazonInfo", "name": "Amazon", "metadata": {"availability-zone": "us-1c"}}
    urls: dict[str, Any] = {"homePageUrl": "http://10.0.0.1:8080/", "healthCheckUrl": "http://10.0.0.1:8080/health"}
    await eureka_rig.register("orders", "o1", "10.0.0.1", dataCenterInfo=amazon, metadata={"n": 5, "on": True})
    await eureka_rig.register("USERS", "u1", "10.0.0.2", **urls)

    _, listed = await eureka_rig.call("GET", "/apps")
    _, delta = await eureka_rig.call("GET", "/apps/delta")
    _, one = await eureka_rig.call("GET", "/apps/ORDERS/o1")
    _, part = await eureka_rig.call("GET", "/vips/users")
    _, compact = await eureka_rig.call("GET", "/apps", headers={"X-Eureka-Accept": "compact"})
    orders, users = (_only(listed, name) for name in ("ORDERS", "USERS"))

    assert ["versions__delta", "apps__hashcode", "application"] == list(listed["applications"])
    assert ("1", "UP_2_") == (listed["applications"]["versions__delta"], listed["applications"]["apps__hashcode"])
    assert ("-1", "UP_1_") == (part["applications"]["versions__delta"], part["applications"]["apps__hashcode"])
    assert RECORD_FIELDS == list(orders)
    after = RECORD_FIELDS.index("vipAddress")
    assert [*RECORD_FIELDS[:after], *urls, *RECORD_FIELDS[after:]] == list(users)
    assert orders == one["instance"] == _only(delta, "ORDERS")
    assert {"n": "5", "on": "true"} == orders["metadata"]
    assert {"@class": "java.util.Collections$EmptyMap"} == users["metadata"]
    assert "ADDED" == orders["actionType"]
    assert set() == {"metadata", "leaseInfo", "homePageUrl"} & _only(compact, "USERS").keys()


async def test_the_delta_says_what_happened_to_whom(eureka_rig: EurekaRig) -> None:
    for number in (1, 2, 3):
        await eureka_rig.register("ORDERS", f"o{number}", f"10.0.0.{number}")
    before = int((await eureka_rig.call("GET", "/apps/delta"))[1]["applications"]["versions__delta"])

    await eureka_rig.override("ORDERS", "o2", "OUT_OF_SERVICE")
    await eureka_rig.cancel("ORDERS", "o3")
    delta = (await eureka_rig.call("GET", "/apps/delta"))[1]["applications"]
    again = (await eureka_rig.call("GET", "/apps/delta"))[1]["applications"]
    recent = {each["instanceId"]: each for app in delta["application"] for each in app["instance"]}

    assert "OUT_OF_SERVICE_1_UP_1_" == delta["apps__hashcode"]
    assert before + 1 == int(delta["versions__delta"]) == int(again["versions__delta"])
    assert {"o1": "ADDED", "o2": "MODIFIED", "o3": "DELETED"} == {
        id_: each["actionType"] for id_, each in recent.items() if id_ in {"o1", "o2", "o3"}
    }
    assert ("OUT_OF_SERVICE", "OUT_OF_SERVICE") == (recent["o2"]["status"], recent["o2"]["overriddenStatus"])


async def test_no_answer_is_kept_for_as_long_as_tests_wait(eureka_rig: EurekaRig) -> None:
    """A server keeps also what it was asked while it changed, which may lack the change (docs/eureka.md)."""

    async def version() -> int:
        return int((await eureka_rig.call("GET", "/apps/delta"))[1]["applications"]["versions__delta"])

    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    before = await version()
    await asyncio.sleep(CACHE_EXPIRY_S + 0.5)  # the server's time
    assert before + 1 == await version()


async def test_a_status_stands_until_it_is_taken_back(eureka_rig: EurekaRig) -> None:
    async def seen() -> tuple[str, str]:
        _, answer = await eureka_rig.call("GET", ONE)
        return answer["instance"]["status"], answer["instance"]["overriddenStatus"]

    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    states = [await seen()]
    await eureka_rig.override("ORDERS", "o1", "OUT_OF_SERVICE")
    states.append(await seen())
    renewed = await eureka_rig.renew("ORDERS", "o1")
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    states.append(await seen())
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1", status="STARTING")
    states.append(await seen())
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    await eureka_rig.clear_override("ORDERS", "o1")
    states.append(await seen())
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1", status="OUT_OF_SERVICE")
    states.append(await seen())

    out = ("OUT_OF_SERVICE", "OUT_OF_SERVICE")
    up = ("UP", "UNKNOWN")
    assert 200 == renewed
    # An instance that is UP stays so, whatever it says of being out of service: that is the operator's word.
    assert [up, out, out, ("STARTING", "OUT_OF_SERVICE"), up, up] == states


async def test_json_must_be_asked_for(eureka_rig: EurekaRig) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    for accept in ("*/*", "application/xml"):
        _, text = await eureka_rig.call("GET", "/apps", headers={"Accept": accept})
        assert isinstance(text, str)
        flat = "".join(line.strip() for line in text.splitlines())
        assert flat.startswith(
            "<applications><versions__delta>1</versions__delta><apps__hashcode>UP_1_</apps__hashcode>"
            "<application><name>ORDERS</name><instance><instanceId>o1</instanceId>"
        )
        assert '<overriddenstatus>UNKNOWN</overriddenstatus><port enabled="true">8080</port>' in flat


async def test_peers_tell_each_other_everything(eureka_peers: EurekaRig) -> None:
    await eureka_peers.register("ORDERS", "o1", "10.0.0.1", at=0)
    await eureka_peers.register("USERS", "u1", "10.0.0.2", at=1)
    both: dict[str, Any] = {"ORDERS": [("10.0.0.1", 8080)], "USERS": [("10.0.0.2", 8080)]}
    for number in (0, 1):
        await eureka_peers.until_rows(both, at=number)

    await eureka_peers.override("ORDERS", "o1", "DOWN", at=1)
    await eureka_peers.cancel("USERS", "u1", at=0)

    for number in (0, 1):
        await eureka_peers.until_rows({"ORDERS": []}, at=number)


def _only(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """The one registration of an application in an answer."""
    (found,) = (app["instance"] for app in answer["applications"]["application"] if app["name"] == name)
    (record,) = found
    assert isinstance(record, dict)
    return record
