from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model import validation
from meshregistry.model.policy import Profile
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.validation import validate_entry
from tests.support.istiod_verdict import list_faults
from tests.support.service_entries import entries

HTTP = ServicePort(80, "HTTP", "http-80")
TCP = ServicePort(90, "TCP", "tcp-90")
GOOD = WorkloadEntry("10.0.0.1", (("http-80", 8080),), (("app", "orders"),), "cn/a", 100)
ENTRY = ServiceEntry("nacos", "orders.nacos", ("orders.nacos",), (HTTP,), (GOOD,))
LONGEST = ".".join(["a" * 63] * 3 + ["b" * 63])

Fields = dict[str, Any]

FAULTS: tuple[Fields, ...] = (
    {},
    {"address": "10.0.0.2"},
    {"address": "10.0.0.01"},
    {"address": "db.example.com"},
    {"ports": (("http-80", 0),)},
    {"ports": (("other", 8080),)},
    {"labels": (("app", "orders"), ("zone", "x y"))},
    {"labels": (("a b", "c"),)},
    {"locality": "\ud800"},
    {"weight": -1},
    {"weight": 2**32},
)

nearly_good = st.lists(st.sampled_from([msgspec.structs.replace(GOOD, **fault) for fault in FAULTS]), max_size=3).map(
    tuple
)
"""Endpoints of the plain entry, each with one fault or none."""


def entry_with(**fields: Any) -> ServiceEntry:
    """Return a valid entry with fields replaced."""
    return msgspec.structs.replace(ENTRY, **fields)


def endpoint_with(**fields: Any) -> WorkloadEntry:
    """Return a valid endpoint with fields replaced."""
    return msgspec.structs.replace(GOOD, **fields)


def reasons(rejects: tuple[Reject, ...]) -> list[str]:
    """Return why, in order."""
    return [reject.reason for reject in rejects]


VALID: dict[str, Fields] = {
    "the plain entry": {},
    "a single label": {"hosts": ("orders",)},
    "upper case": {"hosts": ("Orders.Nacos",)},
    "a trailing dot": {"hosts": ("orders.nacos.",)},
    "a wildcard label": {"hosts": ("*.nacos",)},
    "a wildcard with a part": {"hosts": ("*-orders.nacos",)},
    "255 bytes": {"hosts": (LONGEST,)},
    "a label of 63": {"hosts": ("a" * 63 + ".b",)},
    "an integer inside": {"hosts": ("orders.7.nacos",)},
    "no ports": {"ports": (), "endpoints": (endpoint_with(ports=()),)},
    "ports 1 and 65535": {
        "ports": (ServicePort(1, "HTTP", "a", 65535), ServicePort(65535, "HTTP", "b")),
        "endpoints": (),
    },
    "a protocol in lower case": {"ports": (ServicePort(80, "grpc-web", "http-80"),)},
    "an address": {"addresses": ("241.0.0.1", "fd00::1")},
    "a network with STATIC": {"addresses": ("10.0.0.0/8", "fd00::/64", "10.1.2.3/0")},
    "several hosts with HTTP": {"hosts": ("a.nacos", "b.nacos")},
    "several hosts with TCP and no resolution": {
        "hosts": ("a.nacos", "b.nacos"),
        "ports": (TCP,),
        "endpoints": (),
        "resolution": Resolution.NONE,
    },
    "no endpoints with STATIC": {"endpoints": ()},
    "no endpoints with DNS": {"endpoints": (), "resolution": Resolution.DNS},
    "a host name with DNS": {"endpoints": (endpoint_with(address="db.example.com"),), "resolution": Resolution.DNS},
    "an IPv6 endpoint": {"endpoints": (endpoint_with(address="fd00::1"),)},
    "an endpoint without ports": {"endpoints": (endpoint_with(ports=()),)},
    "a prefixed key, an empty and a long value": {
        "endpoints": (endpoint_with(labels=(("a.b/c_d", ""), ("k" * 63, "v" * 5000))),)
    },
    "the greatest weight": {"endpoints": (endpoint_with(weight=2**32 - 1),)},
    "visible here and in another namespace": {"export_to": (".", "shop")},
    "visible everywhere": {"export_to": ("*",)},
    "visible nowhere": {"export_to": ("~",)},
    "an annotation": {"annotations": (("a/b", "订单"),)},
}


@pytest.mark.parametrize("fields", VALID.values(), ids=list(VALID))
def test_what_istiod_accepts_comes_back_untouched(fields: Fields) -> None:
    entry = entry_with(**fields)
    assert [] == list_faults(entry)
    validated = validate_entry(entry, Profile.ISTIO)
    assert entry is validated.entry
    assert () == validated.rejects


REPAIRED: dict[str, tuple[Fields, Fields, list[str]]] = {
    **{
        f"host {host[:12]!r}": ({"hosts": (host, "good.nacos")}, {"hosts": ("good.nacos",)}, ["host_invalid"])
        for host in (
            "",
            "*",
            "a:b",
            "a_b",
            "a@@b",
            "订单",
            "a..b",
            "-a.b",
            "a-.b",
            "a.7",
            "a" * 64 + ".b",
            LONGEST + "x",
            "a.*.b",
            "a b",
            "a\n",
            "\ud800",
        )
    },
    "a wildcard host with DNS and no endpoints": (
        {"hosts": ("*.nacos", "good.nacos"), "endpoints": (), "resolution": Resolution.DNS},
        {"hosts": ("good.nacos",)},
        ["host_invalid"],
    ),
    "several hosts with a TCP port": (
        {"hosts": ("a.nacos", "b.nacos"), "ports": (HTTP, TCP)},
        {"hosts": ("a.nacos",)},
        ["host_needs_http"],
    ),
    **{
        f"address {address!r}": (
            {"addresses": (address, "241.0.0.1")},
            {"addresses": ("241.0.0.1",)},
            ["address_invalid"],
        )
        for address in (
            "",
            "example.com",
            "010.0.0.1",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/255.0.0.0",
            "fd00::/129",
            "10.0.0.0/8/8",
            "10.0.0.0/",
            "10.0.0.0/²",
            "fe80::1%eth0/64",
        )
    },
    "a network with DNS": (
        {"addresses": ("10.0.0.0/8",), "resolution": Resolution.DNS},
        {"addresses": ()},
        ["address_invalid"],
    ),
    "port 0 and 65536": (
        {"ports": (HTTP, ServicePort(0, "HTTP", "a"), ServicePort(65536, "HTTP", "b"))},
        {"ports": (HTTP,)},
        ["port_range", "port_range"],
    ),
    "target port 65536": (
        {"ports": (HTTP, ServicePort(81, "HTTP", "a", 65536))},
        {"ports": (HTTP,)},
        ["port_range"],
    ),
    "illegal port names": (
        {
            "ports": (
                HTTP,
                *(ServicePort(81 + at, "HTTP", name) for at, name in enumerate(["", "a_b", "a.b", "a" * 64])),
            )
        },
        {"ports": (HTTP,)},
        ["port_name"] * 4,
    ),
    "a port name twice": (
        {"ports": (HTTP, ServicePort(81, "HTTP", "http-80"))},
        {"ports": (HTTP,)},
        ["port_duplicate"],
    ),
    "a port number twice": (
        {"ports": (HTTP, ServicePort(80, "TCP", "tcp-80"))},
        {"ports": (HTTP,)},
        ["port_duplicate"],
    ),
    "protocols of a patched istiod": (
        {
            "ports": (
                HTTP,
                *(ServicePort(81 + at, word, word.lower()) for at, word in enumerate(["DUBBO", "GENERIC", "thrift"])),
            )
        },
        {"ports": (HTTP,)},
        ["protocol"] * 3,
    ),
    "endpoints without resolution": (
        {"resolution": Resolution.NONE},
        {"endpoints": ()},
        ["endpoint_resolution"],
    ),
    **{
        f"endpoint address {address!r}": (
            {"endpoints": (GOOD, endpoint_with(address=address))},
            {"endpoints": (GOOD,)},
            ["address_invalid"],
        )
        for address in (
            "",
            "db.example.com",
            "010.0.0.1",
            "10.0.0.256",
            "1.2.3",
            "unix:///tmp/x",
            "fe80::1%eth0",
            "\ud800",
        )
    },
    **{
        f"endpoint address {address!r} with DNS": (
            {"endpoints": (GOOD, endpoint_with(address=address)), "resolution": Resolution.DNS},
            {"endpoints": (GOOD,)},
            ["address_invalid"],
        )
        for address in ("", "a_b", "*.example.com", "10.0.0.256", "unix:///tmp/x", LONGEST + ".c")
    },
    "an endpoint port out of range": (
        {"endpoints": (GOOD, endpoint_with(ports=(("http-80", 0),)), endpoint_with(ports=(("http-80", 65536),)))},
        {"endpoints": (GOOD,)},
        ["port_range", "port_range"],
    ),
    "an endpoint port the entry does not know": (
        {"endpoints": (endpoint_with(ports=(("http-80", 8080), ("other", 1))),)},
        {"endpoints": (GOOD,)},
        ["port_unknown"],
    ),
    "illegal label keys": (
        {
            "endpoints": (
                endpoint_with(labels=(("a b", "x"), ("app", "orders"), ("k" * 64, "x"), ("p" * 64 + "/k", "x"))),
            )
        },
        {"endpoints": (GOOD,)},
        ["label_key"] * 3,
    ),
    "illegal label values": (
        {
            "endpoints": (
                endpoint_with(
                    labels=(("a", "a b"), ("app", "orders"), ("b", "a:b"), ("c", "a/b"), ("d", "-a"), ("e", "订"))
                ),
            )
        },
        {"endpoints": (GOOD,)},
        ["label_value"] * 5,
    ),
    "what protobuf cannot carry": (
        {"endpoints": (GOOD, endpoint_with(weight=2**32), endpoint_with(weight=-1), endpoint_with(locality="\ud800"))},
        {"endpoints": (GOOD,)},
        ["endpoint_encoding"] * 3,
    ),
    "forbidden annotations": (
        {"annotations": (("internal.istio.io/parents", "x"), ("istio.io/dry-run", "true"), ("kept", "x"))},
        {"annotations": (("kept", "x"),)},
        ["annotation", "annotation"],
    ),
    "metadata that is no Unicode": (
        {"annotations": (("a", "\ud800"), ("b", "x")), "labels": (("\ud800", "x"),)},
        {"annotations": (("b", "x"),), "labels": ()},
        ["utf8", "utf8"],
    ),
}


@pytest.mark.parametrize(("bad", "repair", "why"), REPAIRED.values(), ids=list(REPAIRED))
def test_a_fault_is_repaired_alone(bad: Fields, repair: Fields, why: list[str]) -> None:
    validated = validate_entry(entry_with(**bad), Profile.ISTIO)
    assert entry_with(**{**bad, **repair}) == validated.entry
    assert why == reasons(validated.rejects)
    assert [] == list_faults(entry_with(**{**bad, **repair}))


HELD: dict[str, tuple[Fields, str]] = {
    "no hosts": ({"hosts": ()}, "host_missing"),
    "no legal host": ({"hosts": ("a_b",)}, "host_missing"),
    "a wildcard that loses its endpoints": (
        {"hosts": ("*.nacos",), "endpoints": (endpoint_with(address=""),), "resolution": Resolution.DNS},
        "host_missing",
    ),
    "no name": ({"name": ""}, "name_invalid"),
    "no namespace": ({"namespace": ""}, "name_invalid"),
    "a slash in the name": ({"name": "a/b"}, "name_invalid"),
    "a slash in the namespace": ({"namespace": "a/b"}, "name_invalid"),
    "a name that is no Unicode": ({"name": "\ud800"}, "utf8"),
    "one namespace twice": ({"export_to": (".", "nacos")}, "export_to"),
    "everywhere and here": ({"export_to": (".", "*")}, "export_to"),
    "an illegal namespace": ({"export_to": ("a_b",)}, "export_to"),
}


@pytest.mark.parametrize(("bad", "why"), HELD.values(), ids=list(HELD))
def test_what_cannot_be_repaired_is_held_back(bad: Fields, why: str) -> None:
    validated = validate_entry(entry_with(**bad), Profile.ISTIO)
    assert validated.entry is None
    assert why == reasons(validated.rejects)[-1]


@pytest.mark.parametrize(
    "fields",
    [
        {"hosts": ("com.foo.Bar:shop:1.0",)},
        {"ports": (ServicePort(20880, "DUBBO", "dubbo-20880"), ServicePort(70000, "GENERIC", "generic-x_70000"))},
        {"endpoints": (endpoint_with(address="bad host", labels=(("a b", "订单"),), ports=(("other", 70000),)),)},
        {"export_to": (".", "nacos"), "annotations": (("istio.io/dry-run", "x"),)},
    ],
)
def test_slime_keeps_what_only_a_patched_istiod_accepts(fields: Fields) -> None:
    entry = entry_with(**fields)
    assert entry is validate_entry(entry, Profile.SLIME).entry


def test_slime_drops_what_the_wire_cannot_carry() -> None:
    bad = (
        endpoint_with(address="\ud800"),
        endpoint_with(labels=(("a", "\ud800"),)),
        endpoint_with(ports=(("http-80", 2**32),)),
        endpoint_with(locality="\ud800"),
    )
    ports = (HTTP, ServicePort(2**32, "HTTP", "a"), ServicePort(81, "\ud800", "b"), ServicePort(82, "HTTP", "c", -1))
    entry = entry_with(hosts=("a:b", "", "\ud800"), endpoints=(GOOD, *bad), ports=ports)
    validated = validate_entry(entry, Profile.SLIME)
    assert entry_with(hosts=("a:b",)) == validated.entry
    assert ["endpoint_encoding"] * 4 + ["host_invalid"] * 2 + ["port_range"] * 3 == reasons(validated.rejects)


@pytest.mark.parametrize("fields", [{"name": "a/b"}, {"name": ""}, {"hosts": ()}, {"name": "\ud800"}])
def test_slime_holds_back_what_has_no_name_on_the_wire(fields: Fields) -> None:
    assert validate_entry(entry_with(**fields), Profile.SLIME).entry is None


@given(entries())
def test_no_istiod_rejects_what_passes(entry: ServiceEntry) -> None:
    passed = validate_entry(entry, Profile.ISTIO).entry
    if passed is not None:
        assert [] == list_faults(passed)
        assert passed is validate_entry(passed, Profile.ISTIO).entry


@given(entries() | st.builds(msgspec.structs.replace, st.just(ENTRY), endpoints=nearly_good), st.sampled_from(Profile))
def test_shortcuts_change_nothing(entry: ServiceEntry, profile: Profile) -> None:
    shortened = validate_entry(entry, profile)
    with (
        patch.object(validation, "_are_ports_legal", return_value=False),
        patch.object(validation, "_are_endpoints_legal", return_value=False),
        patch.object(validation._Gate, "_keep", validation._Gate._sift),
    ):
        assert validate_entry(entry, profile) == shortened
        assert (shortened.entry is entry) == (validate_entry(entry, profile).entry is entry)


def test_labels_found_legal_are_remembered_and_illegal_ones_are_not() -> None:
    known: set[tuple[str, str]] = set()
    labels = (("a", "x y"), ("app", "orders"))
    for _ in range(2):
        validated = validate_entry(entry_with(endpoints=(endpoint_with(labels=labels),)), Profile.ISTIO, known)
        assert ENTRY == validated.entry
        assert {("app", "orders")} == known
