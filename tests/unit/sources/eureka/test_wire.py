"""Answers of Eureka in every shape, from bytes to registrations."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SourceDataError
from meshregistry.sources.eureka.wire import (
    Reply,
    decode_application,
    decode_applications,
    decode_lazily,
    open_application,
    open_lazily,
)
from tests.unit.sources.eureka.bodies import captured, raw

NAMES = ["UNDER_SCORE", "EMPTYMETA", "HOSTONLY", "NUMMETA", "SECURE", "DEMO", "AWS", "BOTH", "VIPS"]


def test_a_captured_full_answer_is_read() -> None:
    reply = decode_applications(captured("apps.json"))
    applications = [open_application(each) for each in reply.applications]

    assert (1, "STARTING_1_UP_9_", NAMES) == (reply.version, reply.hash, [each.name for each in applications])
    assert 10 == sum(len(each.records) for each in applications)


def lazily(body: bytes, piece_bytes: int, part_bytes: int = 2**30) -> Reply:
    """Return what an answer is that arrives in parts."""
    reply = decode_lazily([body[at : at + part_bytes] for at in range(0, len(body), part_bytes)], piece_bytes)
    return reply._replace(applications=list(reply.applications))


@pytest.mark.parametrize("part_bytes", [300, 3000, 2**30])
@pytest.mark.parametrize("piece_bytes", [1, 2000, 100_000])
def test_a_long_answer_is_read_in_pieces(piece_bytes: int, part_bytes: int) -> None:
    assert decode_applications(captured("apps.json")) == lazily(captured("apps.json"), piece_bytes, part_bytes)


def test_a_long_answer_is_let_go_while_it_is_read() -> None:
    body = captured("apps.json")
    parts = [body[at : at + 2000] for at in range(0, len(body), 2000)]
    count = len(parts)
    applications = iter(decode_lazily(parts, 2000).applications)
    next(applications)

    assert 0 < len(parts) < count - 1
    assert len(NAMES) - 1 == len(list(applications))
    assert [] == parts


def test_a_hash_that_stands_behind_the_applications_is_found() -> None:
    applications = [{"name": "A", "instance": [{"instanceId": "x" * 300}]}] * 3
    listed = {"application": applications, "versions__delta": "1", "apps__hashcode": "UP_3_"}
    reply = lazily(msgspec.json.encode({"applications": listed}), 100)

    assert ("UP_3_", 3) == (reply.hash, len(list(reply.applications)))


ODD = st.text(max_size=5) | st.sampled_from(
    [
        ']},{"name":"',
        '},{"instanceId":"',
        '"application":[',
        [{"x": []}, {"name": "nested"}],
        [{"x": {}}, {"instanceId": "nested"}],
        {"a": [{}, {"b": 1}]},
        {"n": 5},
    ]
)


@given(st.lists(ODD), st.integers(1, 200))
def test_pieces_change_nothing_wherever_an_application_seems_to_end(values: list[object], piece_bytes: int) -> None:
    applications = [{"name": f"A{number}", "instance": [{"metadata": value}]} for number, value in enumerate(values)]
    listed = {"versions__delta": "1", "apps__hashcode": "UP_1_", "application": applications}
    body = msgspec.json.encode({"applications": listed})
    assert decode_applications(body) == lazily(body, piece_bytes, 2 * piece_bytes)


@given(st.lists(ODD), st.integers(1, 200), st.sampled_from(["A", "", None]))
def test_pieces_change_nothing_wherever_a_registration_seems_to_end(
    values: list[object], piece_bytes: int, name: str | None
) -> None:
    instances = [
        {"instanceId": f"i{i}", "app": "B", "metadata": value, "port": value} for i, value in enumerate(values)
    ]
    whole = raw({"name": name, "instance": instances})
    expected, parts = open_application(whole), list(open_lazily(whole, piece_bytes))

    assert [expected.name] * len(parts) == [part.name for part in parts]
    assert expected.records == [record for part in parts for record in part.records]


def test_an_application_with_many_registrations_is_read_in_parts() -> None:
    instances = [{"instanceId": f"i{number}", "ipAddr": "10.0.0.1"} for number in range(100)]
    parts = list(open_lazily(raw({"name": "A", "instance": instances}), 1000))

    assert 5 == len(parts)
    assert 100 == sum(len(part.records) for part in parts)


@pytest.mark.parametrize("piece_bytes", [10, 1000, 10_000])
def test_a_long_answer_that_breaks_off_is_an_error(piece_bytes: int) -> None:
    body = captured("apps.json")
    for end in (b"", b"]}}"):
        with pytest.raises(SourceDataError):
            lazily(body[: len(body) // 2] + end, piece_bytes, 500)


def test_a_captured_delta_says_what_was_deleted() -> None:
    reply = decode_applications(captured("delta-cancelled.json"))
    actions = {
        record.instance_id: record.action_type
        for each in map(open_application, reply.applications)
        for record in each.records
    }

    assert (12, "STARTING_1_UP_8_") == (reply.version, reply.hash)
    assert "DELETED" == actions.pop("v1")
    assert {"ADDED"} == set(actions.values())


def test_captured_parts_are_read() -> None:
    (application,) = decode_application(captured("application.json")).applications
    vip = decode_applications(captured("vip.json"))
    nobody = decode_applications(captured("vip-none.json"))

    assert ("DEMO", 2) == (open_application(application).name, len(open_application(application).records))
    assert (-1, "UP_1_", 1) == (vip.version, vip.hash, len(list(vip.applications)))
    assert (-1, "", []) == tuple(nobody[i] for i in (1, 2, 0))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (captured("apps.xml"), "XML although JSON was asked for"),
        (b"\n <!DOCTYPE html><html>login</html>", "a web page in place of JSON"),
        (captured("apps.json")[:-100], "not understood"),
        (b"", "empty body"),
        (b"[]", "not understood"),
        (b'{"applications":null}', "not understood"),
        (b'{"timestamp":1,"status":404}', "not understood"),
    ],
)
def test_what_is_no_list_of_applications_is_an_error_that_says_why(body: bytes, text: str) -> None:
    with pytest.raises(SourceDataError, match=text):
        decode_applications(body)


def test_one_application_in_xml_is_an_error_that_says_so() -> None:
    with pytest.raises(SourceDataError, match="XML although JSON was asked for"):
        decode_application(b"<application><name>ORDERS</name></application>")


@pytest.mark.parametrize("application", [None, "", [], "absent"])
def test_nobody_is_written_in_many_ways(application: object) -> None:
    content = {"versions__delta": "1", "apps__hashcode": ""} | (
        {} if application == "absent" else {"application": application}
    )

    assert ([], 1, "") == tuple(decode_applications(msgspec.json.encode({"applications": content})))


def test_a_single_application_with_a_single_instance_is_a_list_of_one() -> None:
    instance = {
        "hostName": "h",
        "app": "DEMO",
        "ipAddr": "10.0.0.1",
        "status": "UP",
        "overriddenstatus": "UNKNOWN",
        "port": {"@enabled": True, "$": "8080"},
        "securePort": {"@enabled": "false", "$": 443},
        "metadata": {"@class": "java.util.Collections$EmptyMap"},
        "lastDirtyTimestamp": 17,
    }
    body = msgspec.json.encode(
        {
            "applications": {
                "versions_delta": 3,
                "apps_hashcode": "UP_1_",
                "application": {"name": "demo", "instance": instance},
            }
        }
    )
    reply = decode_applications(body)
    (application,) = [open_application(each) for each in reply.applications]
    (record,) = application.records

    assert (3, "UP_1_", "DEMO") == (reply.version, reply.hash, application.name)
    assert ("h", "10.0.0.1", "UP", 17) == (
        record.host_name,
        record.ip_addr,
        record.status,
        record.last_dirty_timestamp,
    )
    assert record.port is not None
    assert (8080, True) == (record.port.number, record.port.enabled)


@pytest.mark.parametrize("hash_", [{}, {"apps__hashcode": None}])
def test_without_a_hash_there_is_none(hash_: dict[str, object]) -> None:
    body = msgspec.json.encode({"applications": {"versions__delta": "x", "application": [], **hash_}})

    assert ([], None, None) == tuple(decode_applications(body))


def test_the_name_may_stand_in_the_registrations_only() -> None:
    assert "DEMO" == open_application(raw({"instance": [{"app": "demo"}]})).name
    assert "DEMO" == open_application(raw({"name": None, "instance": {"app": "demo"}})).name
    assert ("", 1) == (open_application(raw([])).name, open_application(raw([])).bad)


def test_what_is_no_registration_is_counted_and_the_rest_read() -> None:
    application = open_application(raw({"name": "A", "instance": [7, None, {"instanceId": 5, "port": 80}, "x"]}))

    (record,) = application.records
    assert ("5", 3) == (record.instance_id, application.bad)
    assert record.port is not None
    assert 80 == record.port.number


def test_half_a_surrogate_pair_costs_nothing() -> None:
    application = open_application(raw(b'{"name":"A","instance":[{"instanceId":"a\\ud800b"}]}'))

    assert ["a\N{REPLACEMENT CHARACTER}b"] == [record.instance_id for record in application.records]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["instance", "name", "app", "port", "$", "@enabled", "metadata", "status", "dataCenterInfo", "ipAddr"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_application_of_any_shape_raises(value: object) -> None:
    application = open_application(raw(value))

    assert application.name == application.name.upper()
