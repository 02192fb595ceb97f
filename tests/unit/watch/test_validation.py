"""istiod's validation rules, each with what it accepts and what it refuses.

V numbers the rules for the entry, E those for an endpoint, in the order in which istiod states them.
"""

import typing

import pytest

from meshregistry.watch.families import ISTIOD_118, ISTIOD_124, ISTIOD_130
from meshregistry.watch.resources import Endpoint, OpaqueSpec, Resolution, ServicePort, Spec
from meshregistry.watch.validation import validate
from tests.support.watch_builders import HTTP, service_entry

TCP = ServicePort(9000, "TCP", "tcp")
TLS = ServicePort(443, "TLS", "tls")
Changes = dict[str, typing.Any]


def faults(spec: Spec | None, family: typing.Any = ISTIOD_124, **context: typing.Any) -> list[str]:
    """Validate a ServiceEntry in namespace ``demo``."""
    return validate(context.get("kind", "ServiceEntry"), "demo", context.get("annotations", {}), spec, family.behaviour)


def endpoint(**changes: typing.Any) -> Changes:
    """A STATIC entry with one endpoint, its fields replaced."""
    return {"endpoints": (Endpoint(**{"address": "10.0.0.1", **changes}),)}


def port(number: int = 80, protocol: str = "HTTP", name: str = "http", target_port: int = 0) -> Changes:
    """An entry with one port and no endpoints."""
    return {"ports": (ServicePort(number, protocol, name, target_port),), "endpoints": ()}


def hosts(*names: str, ports: tuple[ServicePort, ...] = (HTTP,)) -> Changes:
    """An entry with these hosts."""
    return {"hosts": names, "ports": ports, "endpoints": ()}


def dns(*endpoints: Endpoint, resolution: int = Resolution.DNS, **changes: typing.Any) -> Changes:
    """A DNS entry."""
    return {"resolution": resolution, "endpoints": endpoints, **changes}


ACCEPTED: list[tuple[str, Changes]] = [
    ("V1 one host", {}),
    ("V3 upper case", hosts("Orders.NACOS")),
    ("V3 single label", hosts("orders")),
    ("V3 single numeric label", hosts("1")),
    ("V3 trailing dot", hosts("orders.nacos.")),
    ("V3 wildcard label", hosts("*.demo")),
    ("V3 three parts", hosts("svc.DEFAULT-GROUP.public.nacos")),
    ("V3 label of 63", hosts("a" * 63 + ".nacos")),
    ("V3 255 bytes", hosts(".".join(["a" * 63] * 3 + ["b" * 63]))),
    ("V3 last label beyond 64 bit", hosts("orders.9223372036854775808")),
    ("V4 partial wildcard is a warning", hosts("*foo.bar")),
    ("V4 partial wildcard with dash", hosts("*-foo.bar")),
    ("V5 addresses", {"addresses": ("10.0.0.1", "fe80::1%eth0", "10.0.0.7/8", "::/0", "0.0.0.0/0")}),
    ("V5 cidr with NONE", {"addresses": ("10.0.0.0/8",), "resolution": Resolution.NONE, "endpoints": ()}),
    ("V5 ip with DNS", dns(addresses=("10.0.0.1",))),
    ("V6 port name of 63", port(name="a" * 63)),
    ("V6 port name tcp-dubbo", port(protocol="TCP", name="tcp-dubbo")),
    ("V6 port name upper case", port(name="HTTP-1")),
    ("V7 highest port", port(number=65535)),
    ("V8 no target port", port(target_port=0)),
    ("V8 highest target port", port(target_port=65535)),
    ("V9 empty protocol", port(protocol="")),
    *[
        (f"V9 protocol {name}", port(protocol=name))
        for name in ("tcp", "UDP", "gRPC", "grpc-web", "HTTP", "http_proxy", "HTTP2", "https", "TLS", "Mongo", "redis")
    ],
    ("V9 protocol mysql", port(protocol="MySQL")),
    ("V10 tcp without addresses is a warning", port(protocol="TCP")),
    ("V11 several hosts over http", hosts("a.nacos", "b.nacos")),
    ("V11 several hosts over tls", hosts("a.nacos", "b.nacos", ports=(TLS,))),
    ("V11 several hosts without ports", hosts("a.nacos", "b.nacos", ports=())),
    ("V11 several hosts over tcp with NONE", {**hosts("a.b", "b.b", ports=(TCP,)), "resolution": Resolution.NONE}),
    ("V12 selector", {"endpoints": (), "workload_selector": {"app": "orders"}}),
    ("V12 empty selector", {"endpoints": (), "workload_selector": {}}),
    ("V13 NONE", {"resolution": Resolution.NONE, "endpoints": ()}),
    ("V14 STATIC without endpoints", {"endpoints": ()}),
    ("V15 DNS without endpoints", dns()),
    ("V15 DNS endpoint host", dns(Endpoint("a.example.com"), Endpoint("10.0.0.1"))),
    ("V15 DNS wildcard host with endpoint", dns(Endpoint("a.example.com"), hosts=("*.nacos",))),
    ("V15 round robin one endpoint", dns(Endpoint("a.example.com"), resolution=Resolution.DNS_ROUND_ROBIN)),
    ("V17 own namespace", {"export_to": (".",)}),
    ("V17 everywhere", {"export_to": ("*",)}),
    ("V17 nowhere", {"export_to": ("~",)}),
    ("V17 names", {"export_to": (".", "other", "third")}),
    ("V18 alt names", {"subject_alt_names": ("spiffe://x y", "")}),
    ("V18 no ports", {"ports": (), "endpoints": ()}),
    ("E1 ipv6", endpoint(address="2001:db8::1")),
    ("E1 unspecified", endpoint(address="0.0.0.0")),
    ("E1 unix path", endpoint(address="unix:///run/orders.sock")),
    ("E1 abstract unix", endpoint(address="unix://@orders")),
    ("E3 port", endpoint(ports={"http": 65535})),
    ("E4 dotted key", endpoint(labels={"a.b_c-d": "x"})),
    ("E4 prefixed key", endpoint(labels={"topology.istio.io/network": "x"})),
    ("E4 key of 63", endpoint(labels={"k" * 63: "x"})),
    ("E4 prefix of 253", endpoint(labels={".".join(["p" * 63] * 3 + ["p" * 61]) + "/k": "x"})),
    ("E5 empty value", endpoint(labels={"k": ""})),
    ("E5 value of 200", endpoint(labels={"k": "v" * 200})),
    ("E6 highest weight", endpoint(weight=2**32 - 1)),
    ("E6 zero weight", endpoint(weight=0)),
    ("E7 anything", endpoint(locality="x y", network="*", service_account="?")),
    ("E8 duplicates", {"endpoints": (Endpoint("10.0.0.1"), Endpoint("10.0.0.1"))}),
]

REFUSED: list[tuple[str, Changes]] = [
    ("V1 no host", hosts()),
    ("V2 full wildcard", hosts("*")),
    ("V3 empty", hosts("")),
    ("V3 256 bytes", hosts(".".join(["a" * 63] * 4) + "b")),
    ("V3 256 bytes in short labels", hosts("ab." * 85 + "b")),
    ("V3 colon", hosts("orders:80")),
    ("V3 underscore", hosts("a_b.nacos")),
    ("V3 group separator", hosts("GROUP@@orders")),
    ("V3 non-ASCII", hosts("订单.nacos")),
    ("V3 non-ASCII digit", hosts("orders.٣a")),
    ("V3 empty label", hosts("a..nacos")),
    ("V3 leading dot", hosts(".nacos")),
    ("V3 label of 64", hosts("a" * 64 + ".nacos")),
    ("V3 wildcard label of 64", hosts("*-" + "a" * 62 + ".nacos")),
    ("V3 leading dash", hosts("-a.nacos")),
    ("V3 trailing dash", hosts("a-.nacos")),
    ("V3 only a dash label", hosts("-a.")),
    ("V3 numeric last label", hosts("orders.1")),
    ("V3 wildcard inside", hosts("a.*.nacos")),
    ("V3 line end", hosts("orders.nacos\n")),
    ("V5 no address", {"addresses": ("orders",)}),
    ("V5 leading zero", {"addresses": ("010.0.0.1",)}),
    ("V5 two slashes", {"addresses": ("10.0.0.0/8/8",)}),
    ("V5 netmask", {"addresses": ("10.0.0.0/255.0.0.0",)}),
    ("V5 bits with leading zero", {"addresses": ("10.0.0.0/08",)}),
    ("V5 too many bits", {"addresses": ("10.0.0.0/33",)}),
    ("V5 no bits", {"addresses": ("10.0.0.0/",)}),
    ("V5 zone in cidr", {"addresses": ("fe80::1%eth0/64",)}),
    ("V5 cidr with DNS", dns(addresses=("10.0.0.0/8",))),
    ("V6 empty port name", port(name="")),
    ("V6 underscore", port(name="tcp_dubbo")),
    ("V6 dot", port(name="tcp.dubbo")),
    ("V6 name of 64", port(name="a" * 64)),
    ("V6 same name twice", {"ports": (HTTP, ServicePort(81, "HTTP", "http"))}),
    ("V7 port 0", port(number=0)),
    ("V7 port 65536", port(number=65536)),
    ("V7 same number twice", {"ports": (HTTP, ServicePort(80, "HTTP", "other"))}),
    ("V8 target port 65536", port(target_port=65536)),
    *[
        (f"V9 protocol {name}", port(protocol=name))
        for name in ("DUBBO", "GENERIC", "thrift", "http/2", " tcp", "HTTP3")
    ],
    ("V11 several hosts over tcp", hosts("a.nacos", "b.nacos", ports=(TCP,))),
    ("V11 several hosts over an empty protocol", hosts("a.nacos", "b.nacos", ports=(ServicePort(80, "", "x"),))),
    ("V11 one of several ports", hosts("a.nacos", "b.nacos", ports=(HTTP, TCP))),
    ("V12 selector and endpoints", {"workload_selector": {"app": "orders"}}),
    ("V12 empty selector and endpoints", {"workload_selector": {}}),
    ("V12 empty key", {"endpoints": (), "workload_selector": {"": "x"}}),
    ("V12 wildcard in key", {"endpoints": (), "workload_selector": {"a*": "x"}}),
    ("V12 wildcard in value", {"endpoints": (), "workload_selector": {"a": "*"}}),
    ("V13 NONE with endpoints", {"resolution": Resolution.NONE}),
    ("V15 DNS wildcard host without endpoints", dns(hosts=("*.nacos",))),
    ("V15 DNS bad endpoint", dns(Endpoint("a_b"))),
    ("V15 DNS numeric endpoint", dns(Endpoint("300.0.0.1"))),
    ("V15 DNS empty endpoint", dns(Endpoint(""))),
    ("V15 DNS unix endpoint", dns(Endpoint("unix:///run/x"))),
    ("V15 DNS unknown port", dns(Endpoint("a.com", {"grpc": 1}))),
    (
        "V15 round robin two endpoints",
        dns(Endpoint("a.com"), Endpoint("b.com"), resolution=Resolution.DNS_ROUND_ROBIN),
    ),
    ("V16 DYNAMIC_DNS", dns(resolution=Resolution.DYNAMIC_DNS, hosts=("*.nacos",))),
    ("V16 unknown resolution", dns(resolution=9)),
    ("V17 twice", {"export_to": ("other", "other")}),
    ("V17 dot and own name", {"export_to": (".", "demo")}),
    ("V17 star with another", {"export_to": ("*", "other")}),
    ("V17 tilde with another", {"export_to": ("~", "other")}),
    ("V17 no label", {"export_to": ("a.b",)}),
    ("V17 empty", {"export_to": ("",)}),
    ("E1 host name", endpoint(address="orders.nacos")),
    ("E1 empty", endpoint(address="")),
    ("E1 leading zero", endpoint(address="010.0.0.1")),
    ("E1 with port", endpoint(address="10.0.0.1:80")),
    ("E1 space", endpoint(address=" 10.0.0.1")),
    ("E1 relative unix", endpoint(address="unix://run/x")),
    ("E1 unix directory", endpoint(address="unix:///run/")),
    ("E1 empty unix", endpoint(address="unix://")),
    ("E2 unix with ports", endpoint(address="unix:///run/x", ports={"http": 1})),
    ("E2 unix with two service ports", {**endpoint(address="unix:///run/x"), "ports": (HTTP, TCP)}),
    ("E3 unknown port name", endpoint(ports={"grpc": 80})),
    ("E3 port 0", endpoint(ports={"http": 0})),
    ("E3 port 70000", endpoint(ports={"http": 70000})),
    ("E4 key of 64", endpoint(labels={"k" * 64: "x"})),
    ("E4 empty key", endpoint(labels={"": "x"})),
    ("E4 space in key", endpoint(labels={"a b": "x"})),
    ("E4 empty prefix", endpoint(labels={"/a": "x"})),
    ("E4 empty name", endpoint(labels={"a/": "x"})),
    ("E4 two slashes", endpoint(labels={"a/b/c": "x"})),
    ("E4 underscore in prefix", endpoint(labels={"a_b/c": "x"})),
    ("E4 prefix of 254", endpoint(labels={".".join(["p" * 63] * 3 + ["p" * 62]) + "/k": "x"})),
    ("E5 space", endpoint(labels={"k": "a b"})),
    ("E5 colon", endpoint(labels={"k": "a:b"})),
    ("E5 slash", endpoint(labels={"k": "a/b"})),
    ("E5 at", endpoint(labels={"k": "a@b"})),
    ("E5 non-ASCII", endpoint(labels={"k": "杭州"})),
    ("E5 leading dash", endpoint(labels={"k": "-a"})),
    ("E5 line end", endpoint(labels={"k": "a\n"})),
    ("E5 one bad endpoint of two", {"endpoints": (Endpoint("10.0.0.1"), Endpoint("10.0.0.2", labels={"k": " "}))}),
]


@pytest.mark.parametrize(("rule", "changes"), ACCEPTED, ids=[rule for rule, _ in ACCEPTED])
def test_accepts(rule: str, changes: Changes) -> None:
    assert [] == faults(service_entry(**changes))


@pytest.mark.parametrize(("rule", "changes"), REFUSED, ids=[rule for rule, _ in REFUSED])
def test_refuses(rule: str, changes: Changes) -> None:
    """With exactly one fault each, so that no case passes for another reason than its own."""
    found = faults(service_entry(**changes))
    assert 1 == len(found), found


def test_every_rule_has_a_case() -> None:
    rules = {rule.split()[0] for rule, _ in ACCEPTED + REFUSED}
    assert {f"V{n}" for n in range(1, 19)} | {f"E{n}" for n in range(1, 9)} == rules


@pytest.mark.parametrize(("family", "accepted"), [(ISTIOD_118, False), (ISTIOD_124, True), (ISTIOD_130, True)])
def test_e1_a_network_may_replace_the_address_from_1_20(family: typing.Any, accepted: bool) -> None:
    entry = service_entry(**endpoint(address="", network="vpc-1"))
    assert accepted == (faults(entry, family) == [])


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"hosts": ("*.nacos",)}, True),
        ({"hosts": ("orders.nacos",)}, False),
        ({"hosts": ("*.nacos",), "addresses": ("10.0.0.1",)}, False),
        ({"hosts": ("*.nacos",), "endpoints": (Endpoint("10.0.0.1"),)}, False),
        ({"hosts": ("*.nacos",), "ports": (TCP,)}, False),
    ],
)
def test_v16_dynamic_dns_is_known_to_1_30(changes: Changes, accepted: bool) -> None:
    entry = service_entry(**{"resolution": Resolution.DYNAMIC_DNS, "endpoints": (), **changes})
    assert accepted == (faults(entry, ISTIOD_130) == [])
    assert ["unsupported resolution type 4"] == faults(entry, ISTIOD_124)


@pytest.mark.parametrize(
    "annotation",
    [
        "istio.io/dry-run",
        "internal.istio.io/webhook-always-reject",
        "internal.istio.io/parents",
        "internal.istio.io/parent-namespace",
    ],
)
def test_metadata_some_annotations_are_forbidden(annotation: str) -> None:
    found = faults(service_entry(hosts=()), annotations={annotation: "true"})
    assert 1 == len(found)
    assert annotation in found[0]


def test_metadata_any_other_annotation_is_allowed() -> None:
    assert [] == faults(service_entry(), annotations={"example.com/anything": "\x00 ünïcode"})


def test_a_body_of_another_known_kind_fails_the_cast() -> None:
    sidecar = OpaqueSpec("istio.networking.v1alpha3.Sidecar", b"\x1a\x05\x22\x03*/*")
    assert ["cannot cast to ServiceEntry"] == faults(sidecar)
    assert [] == faults(sidecar, kind="Sidecar")
    assert ["cannot cast to Sidecar"] == faults(service_entry(), kind="Sidecar")


def test_a_resource_without_metadata_fails_the_cast() -> None:
    assert ["cannot cast to ServiceEntry"] == faults(None)


def test_every_fault_is_reported() -> None:
    broken = service_entry(hosts=("*",), ports=(ServicePort(0, "DUBBO", ""),), endpoints=(Endpoint("x"),))
    assert 5 == len(faults(broken))
