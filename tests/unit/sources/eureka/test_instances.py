"""Registrations: identity, status, address, ports, metadata, and what is unusual."""

import msgspec
import pytest
from hypothesis import given

from meshregistry.model.instance import Instance
from meshregistry.sources.eureka.dialects import read_record
from meshregistry.sources.eureka.instances import Registration, RegistrationReader, normalize_status
from meshregistry.sources.eureka.options import EurekaOptions
from meshregistry.sources.eureka.wire import decode_applications, open_application
from tests.unit.sources.eureka.bodies import captured, raw
from tests.unit.sources.eureka.test_wire import JSON

AMAZON = {"name": "Amazon", "metadata": {"availability-zone": "us-east-1a", "instance-id": "i-1"}}


def read(options: EurekaOptions | None = None, now: float = 0.0, **fields: object) -> tuple[str, Registration]:
    """Read a registration with an address and a port, and these fields."""
    record = read_record(raw({"ipAddr": "10.0.0.1", "port": {"$": 80, "@enabled": "true"}, "status": "UP", **fields}))
    assert record is not None
    return RegistrationReader(options or EurekaOptions(servers=())).read(record, "DEMO", now)


def instance_of(**fields: object) -> Instance | None:
    """Return the instance of a registration."""
    return read(**fields)[1].instance  # type: ignore[arg-type]


def test_captured_registrations_are_read() -> None:
    reader = RegistrationReader(EurekaOptions(servers=()))
    found = {
        id_: registration
        for application in map(open_application, decode_applications(captured("apps.json")).applications)
        for id_, registration in (reader.read(record, application.name, 0.0) for record in application.records)
    }

    assert ("STARTING", "UP") == (found["h2:demo:8080"].status, found["h1:demo:8080"].status)
    assert Instance("2001:db8::1", 8080, metadata=(("version", "v1"), ("zone", "z1"))) == found["u1"].instance
    assert Instance("10.0.3.1", 8080) == found["e1"].instance
    usual = (("version", "v1"), ("zone", "z1"))
    assert Instance("10.0.1.1", 8080, port_enabled=False, secure_port=8443, metadata=usual) == found["s1"].instance
    assert Instance("10.0.1.2", 8080, secure_port=8443, metadata=usual) == found["b1"].instance
    assert Instance("10.0.2.1", 8080, zone="us-east-1c", metadata=usual) == found["i-0abc"].instance
    assert Instance("10.0.3.3", 8080, aliases=("a.vip", "b.vip"), metadata=usual) == found["v1"].instance


@pytest.mark.parametrize(
    ("fields", "id_"),
    [
        ({"instanceId": "a", "hostName": "h"}, "a"),
        ({"metadata": {"instanceId": "m"}, "hostName": "h"}, "m"),
        ({"dataCenterInfo": AMAZON, "hostName": "h"}, "i-1"),
        ({"hostName": "h"}, "h"),
        ({}, "10.0.0.1:80"),
    ],
)
def test_the_identity_is_the_first_of_those_that_servers_know(fields: dict[str, object], id_: str) -> None:
    assert id_ == read(**fields)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "status"), [("up", "UP"), (" DOWN ", "DOWN"), ("OUT_OF_SERVICE", "OUT_OF_SERVICE"), ("?", "UNKNOWN")]
)
def test_an_unknown_status_is_unknown(text: str, status: str) -> None:
    assert status == normalize_status(text)


@pytest.mark.parametrize(
    ("fields", "flaw"),
    [
        ({"ipAddr": " ", "hostName": ""}, "address"),
        ({"port": None}, "port"),
        ({"port": {"$": "x"}}, "port"),
        ({"port": {"$": 2**40}}, "port"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": "text"}, "metadata"),
    ],
)
def test_an_unusable_record_keeps_its_status_for_the_hash(fields: dict[str, object], flaw: str) -> None:
    registration = read(**fields)[1]  # type: ignore[arg-type]

    assert ("UP", None, flaw) == (registration.status, registration.instance, registration.flaw)


@pytest.mark.parametrize("metadata", [None, "", [], {}, {"@class": "java.util.Collections$EmptyMap"}])
def test_no_metadata_is_written_in_many_ways(metadata: object) -> None:
    assert Instance("10.0.0.1", 80) == instance_of(metadata=metadata)


def test_metadata_that_is_not_text_keeps_its_json_form_and_nulls_are_left_out() -> None:
    instance = instance_of(metadata={"a": 1, "b": True, "c": None, "d": {"e": 1}, "f": "x"})

    assert instance is not None
    assert (("a", "1"), ("b", "true"), ("d", '{"e":1}'), ("f", "x")) == instance.metadata


def test_only_the_secure_port_is_the_port() -> None:
    secure = {"$": "8443", "@enabled": True}

    assert Instance("10.0.0.1", 8443, port_enabled=False, secure_port=8443) == instance_of(port=None, securePort=secure)


@pytest.mark.parametrize(
    ("port", "is_enabled"),
    [
        ({"$": 80}, True),
        ({"$": "80", "@enabled": None}, True),
        ({"$": "80", "@enabled": "TRUE"}, True),
        ({"$": 80, "@enabled": " true "}, True),
        ({"$": 80, "@enabled": False}, False),
        ({"$": 80, "@enabled": "no"}, False),
        (80, True),
        ("80", True),
    ],
)
def test_a_port_is_enabled_unless_it_says_otherwise_in_whatever_shape(port: object, is_enabled: bool) -> None:
    assert Instance("10.0.0.1", 80, port_enabled=is_enabled) == instance_of(port=port)


def test_the_host_name_is_the_address_by_option_or_need() -> None:
    by_option = read(EurekaOptions(servers=(), host_names=True), hostName="h.example")[1].instance

    assert Instance("h.example", 80) == by_option == instance_of(ipAddr="", hostName="h.example")


def test_the_applications_own_name_is_no_alias() -> None:
    assert Instance("10.0.0.1", 80) == instance_of(vipAddress="demo", secureVipAddress="DEMO")
    assert Instance("10.0.0.1", 80, aliases=("a", "b")) == instance_of(vipAddress="b:80, demo,,a", secureVipAddress="b")


def test_a_lease_is_overdue_only_by_option() -> None:
    lease = {"lastRenewalTimestamp": 1_000_000, "durationInSecs": "90"}
    options = EurekaOptions(servers=(), lease_factor=2.0)

    assert [False, True] == [read(options, now, leaseInfo=lease)[1].is_overdue for now in (1179.0, 1181.0)]
    assert not read(now=1e9, leaseInfo=lease)[1].is_overdue
    assert not read(options, 1e9, leaseInfo={})[1].is_overdue


@given(JSON)
def test_no_registration_of_any_shape_raises(value: object) -> None:
    reader = RegistrationReader(EurekaOptions(servers=(), lease_factor=1.0))
    for record in open_application(raw({"name": "A", "instance": value})).records:
        id_, registration = reader.read(record, "A", 0.0)
        assert isinstance(id_, str)
        assert (registration.instance is None) == bool(registration.flaw)
        msgspec.json.encode(registration)
