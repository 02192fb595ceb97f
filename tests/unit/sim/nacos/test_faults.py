"""Which calls a fault meets, and what it leaves of their answers."""

import msgspec
import orjson
import pytest

from meshregistry.sim.nacos.exchange import Call, Reply, plain
from meshregistry.sim.nacos.faults import BodyFault, Fault, FaultPlan, spoil

LIST = "/nacos/v1/ns/instance/list"
REPLY = Reply(b'{"count":2,"doms":["a","b"],"valid":true,"checksum":null}')


@pytest.mark.parametrize(
    ("fault", "met"),
    [
        (Fault(), True),
        (Fault(path="/instance/"), True),
        (Fault(path="/catalog/"), False),
        (Fault(service="orders"), True),
        (Fault(service="order"), False),
        (Fault(service="orders", group="G2"), True),
        (Fault(service="orders", group="G3"), False),
        (Fault(namespace="team"), True),
        (Fault(namespace="public"), False),
        (Fault(page=2), True),
        (Fault(page=1), False),
    ],
)
def test_a_fault_meets_a_call_when_all_it_names_fits(fault: Fault, *, met: bool) -> None:
    apart = {"serviceName": "orders", "groupName": "G2", "namespaceId": "team", "pageNo": "2"}
    joined = {"serviceName": "G2@@orders", "namespaceId": "team", "pageNo": "2"}

    assert [met, met] == [fault.fits(_call(**params)) for params in (apart, joined)]


def test_the_first_fitting_fault_strikes_as_often_as_it_may() -> None:
    twice, other, rest = Fault(service="orders", times=2), Fault(path="/catalog/"), Fault(status=500)
    plan = FaultPlan()
    plan.arm(twice, other, rest)

    assert [twice, twice, rest, rest] == [plan.strike(_call(serviceName="orders")) for _ in range(4)]
    assert [twice, other, rest] == plan.armed()

    plan.arm()
    assert plan.strike(_call()) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BodyFault.EMPTY, b""),
        (BodyFault.TRUNCATED, b'{"count":2,"doms":["a","b"],'),
        (BodyFault.NOT_JSON, b"upstream connect error"),
        (BodyFault.WRONG_TYPES, b'{"count":"wrong","doms":[17,17],"valid":"wrong","checksum":[]}'),
    ],
)
def test_a_spoiled_body_keeps_its_status_and_type(body: BodyFault, expected: bytes) -> None:
    assert Reply(expected) == spoil(Fault(body=body), _call(), REPLY)


def test_an_error_page_is_html() -> None:
    spoiled = spoil(Fault(body=BodyFault.HTML, status=503), _call(), REPLY)

    assert (503, "text/html;charset=utf-8") == (spoiled.status, spoiled.content_type)
    assert spoiled.body.startswith(b"<!doctype html>")


def test_text_has_no_types_to_get_wrong() -> None:
    assert plain("ok") == spoil(Fault(body=BodyFault.WRONG_TYPES), _call(), plain("ok"))


def test_raw_bytes_replace_the_body() -> None:
    assert Reply(b"\xff\xfe", 404) == spoil(Fault(raw=b"\xff\xfe", status=404), _call(), REPLY)


@pytest.mark.parametrize("status", [403, 404, 410, 501])
def test_refusals_look_like_the_frameworks_error_page(status: int) -> None:
    spoiled = spoil(Fault(status=status), _call(), REPLY)

    assert status == spoiled.status
    assert ["timestamp", "status", "error", "message", "path"] == list(orjson.loads(spoiled.body))


def test_a_server_error_looks_like_its_api_version() -> None:
    v3 = Call("GET", "/nacos/v3/client/ns/instance/list", {}, {})
    envelope = {"code": 30000, "message": "server error", "data": "simulated"}

    assert plain("caused: simulated;", 500) == spoil(Fault(status=500), _call(), REPLY)
    assert envelope == orjson.loads(spoil(Fault(status=500), v3, REPLY).body)
    assert 503 == spoil(Fault(status=503), v3, REPLY).status


def test_faults_are_read_from_json_strictly() -> None:
    assert Fault(path="/x", body=BodyFault.EMPTY, raw=b"\xff") == msgspec.json.decode(
        b'{"path":"/x","body":"empty","raw":"/w=="}', type=Fault
    )
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"pth":"/x"}', type=Fault)


def _call(**params: str) -> Call:
    return Call("GET", LIST, params, {})
