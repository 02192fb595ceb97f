"""Which changes of a ServiceEntry reach Envoys, and how far."""

import typing
from dataclasses import replace

import pytest

from meshregistry.watch.effects import Effect, Push, ServiceEntryController
from meshregistry.watch.families import FAMILIES, ISTIOD_118, ISTIOD_124, ISTIOD_130, Family
from meshregistry.watch.model import IstiodModel
from meshregistry.watch.resources import (
    DecodedResource,
    Endpoint,
    Node,
    OpaqueSpec,
    Resolution,
    ServiceEntrySpec,
    ServicePort,
)
from tests.support.watch_builders import HTTP, resource, response, service_entry

ONE = Endpoint("10.0.0.1", {"http": 8080}, {"zone": "a"}, weight=100)
TWO = Endpoint("10.0.0.2", {"http": 8080})
HOST = ("demo", "orders.nacos")

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
before_130 = pytest.mark.parametrize("family", [ISTIOD_118, ISTIOD_124], ids=["1.18", "1.24"])
Changes = dict[str, typing.Any]


class Mesh:
    """A model and a controller that are fed whole responses."""

    def __init__(self, family: Family) -> None:
        self.model = IstiodModel(family, Node())
        self.controller = ServiceEntryController(family)
        self.url = family.service_entry_type

    def push(self, *resources: DecodedResource) -> list[Effect]:
        """Apply a response and return the effect of each event."""
        events = self.model.handle(response(*resources, type_url=self.url)).events
        return [self.controller.apply(event) for event in events]

    def change(self, old: ServiceEntrySpec, new: ServiceEntrySpec, **metadata: typing.Any) -> Effect:
        """Create an entry, then update it."""
        self.push(resource(version="1", spec=old))
        (effect,) = self.push(resource(version="2", spec=new, **metadata))
        return effect

    def addresses(self) -> set[str]:
        """The endpoint addresses Envoys know for the host."""
        return {instance.address for instance in self.controller.endpoints(*HOST)}


def entry(*endpoints: Endpoint, **changes: typing.Any) -> ServiceEntrySpec:
    """A STATIC entry with these endpoints."""
    return service_entry(endpoints=endpoints, **changes)


@every_family
class TestEveryFamily:
    def test_a_new_entry_is_a_full_push(self, family: Family) -> None:
        mesh = Mesh(family)
        assert [Push.FULL] == [effect.push for effect in mesh.push(resource(spec=entry(ONE, TWO)))]
        assert {"10.0.0.1", "10.0.0.2"} == mesh.addresses()

    def test_a_deleted_entry_is_a_full_push(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.push(resource(spec=entry(ONE)))
        assert [Effect(Push.FULL, "service removed")] == mesh.push()
        assert set() == mesh.addresses()

    @pytest.mark.parametrize(
        "changed",
        [
            entry(ONE, TWO, Endpoint("10.0.0.3")),
            entry(ONE),
            entry(replace(ONE, weight=50), TWO),
            entry(replace(ONE, labels={"zone": "b"}), TWO),
            entry(replace(ONE, locality="r/z"), TWO),
            entry(replace(ONE, ports={"http": 9090}), TWO),
            entry(replace(ONE, network="n"), TWO),
        ],
    )
    def test_changed_endpoints_are_eds_only(self, family: Family, changed: ServiceEntrySpec) -> None:
        mesh = Mesh(family)
        assert Push.ENDPOINTS == mesh.change(entry(ONE, TWO), changed).push
        assert {endpoint.address for endpoint in changed.endpoints} == mesh.addresses()

    @pytest.mark.parametrize(
        "changes",
        [
            {"ports": (ServicePort(81, "HTTP", "http"),)},
            {"ports": (ServicePort(80, "GRPC", "http"),)},
            {"ports": (HTTP, ServicePort(81, "HTTP", "other"))},
            {"addresses": ("241.0.0.1",)},
            {"location": 0},
            {"export_to": (".",)},
            {"subject_alt_names": ("spiffe://a",)},
            {"hosts": ("orders.nacos", "orders.example.com")},
            {"hosts": ("other.nacos",)},
        ],
    )
    def test_service_level_changes_are_full(self, family: Family, changes: Changes) -> None:
        assert Push.FULL == Mesh(family).change(entry(ONE), entry(ONE, **changes)).push

    def test_a_renamed_port_is_full(self, family: Family) -> None:
        old, new = entry(Endpoint("10.0.0.1")), entry(Endpoint("10.0.0.1"), ports=(ServicePort(80, "HTTP", "web"),))
        assert Push.FULL == Mesh(family).change(old, new).push

    def test_the_order_of_ports_is_service_level(self, family: Family) -> None:
        other = ServicePort(81, "HTTP", "other")
        assert Push.FULL == Mesh(family).change(entry(ONE, ports=(HTTP, other)), entry(ONE, ports=(other, HTTP))).push

    def test_a_metadata_label_is_service_level(self, family: Family) -> None:
        assert Push.FULL == Mesh(family).change(entry(ONE), entry(ONE), labels={"a": "b"}).push

    def test_the_case_of_a_protocol_is_no_change(self, family: Family) -> None:
        lower = entry(ONE, ports=(ServicePort(80, "http", "http"),))
        assert Push.FULL != Mesh(family).change(entry(ONE), lower).push

    def test_first_endpoints_of_a_host_are_full(self, family: Family) -> None:
        effect = Mesh(family).change(entry(), entry(ONE))
        assert Effect(Push.FULL, "first endpoints of the host") == effect

    def test_a_changed_set_of_service_accounts_is_full(self, family: Family) -> None:
        mesh = Mesh(family)
        effect = mesh.change(entry(ONE), entry(replace(ONE, service_account="sa")))
        assert Effect(Push.FULL, "the set of service accounts changed") == effect
        (effect,) = mesh.push(resource(version="3", spec=entry(replace(ONE, service_account="sa"), TWO)))
        assert Push.ENDPOINTS == effect.push

    @pytest.mark.parametrize("resolution", [Resolution.DNS, Resolution.DNS_ROUND_ROBIN])
    def test_endpoints_of_a_dns_service_are_full(self, family: Family, resolution: Resolution) -> None:
        old = entry(Endpoint("a.example.com"), resolution=resolution)
        new = entry(Endpoint("b.example.com"), resolution=resolution)
        assert Push.FULL == Mesh(family).change(old, new).push

    def test_what_was_not_applied_has_no_effect(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.push(resource(spec=entry(ONE)))
        skipped, undecodable, invalid = mesh.push(
            resource(spec=entry(ONE)),
            resource("no-slash"),
            resource("demo/bad", spec=entry(hosts=("*",))),
        )
        assert {Push.NONE} == {skipped.push, undecodable.push, invalid.push}
        assert {"10.0.0.1"} == mesh.addresses()

    def test_emptying_with_a_changed_label_reaches_envoy(self, family: Family) -> None:
        mesh = Mesh(family)
        assert Push.FULL == mesh.change(entry(ONE), entry(), labels={"state": "empty"}).push
        assert set() == mesh.addresses()

    def test_endpoints_that_return_after_a_proper_emptying_are_seen(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.change(entry(ONE), entry(), labels={"state": "empty"})
        (effect,) = mesh.push(resource(version="3", spec=entry(TWO), labels={"state": "empty"}))
        assert Push.ENDPOINTS == effect.push
        assert {"10.0.0.2"} == mesh.addresses()

    def test_two_entries_of_one_host_merge_their_endpoints(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.push(resource("demo/a", spec=entry(ONE)), resource("demo/b", spec=entry(TWO)))
        assert {"10.0.0.1", "10.0.0.2"} == mesh.addresses()
        mesh.push(resource("demo/a", spec=entry(ONE)))
        assert {"10.0.0.1"} == mesh.addresses()

    def test_one_host_in_two_namespaces_is_two_services(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.push(resource("demo/a", spec=entry(ONE)), resource("other/a", spec=entry(TWO)))
        assert {"10.0.0.1"} == mesh.addresses()

    def test_pushes_are_counted(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.change(entry(ONE), entry(ONE, TWO))
        mesh.push(resource(version="2", spec=entry(ONE, TWO)))
        mesh.push()
        assert {Push.FULL: 2, Push.ENDPOINTS: 1, Push.NONE: 1} == dict(mesh.controller.pushes)


class TestReapplied:
    """Equal content under a new version."""

    @pytest.mark.parametrize(
        ("family", "push"),
        [(ISTIOD_118, Push.ENDPOINTS), (ISTIOD_124, Push.NONE), (ISTIOD_130, Push.NONE)],
    )
    def test_equal_content(self, family: Family, push: Push) -> None:
        assert push == Mesh(family).change(entry(ONE, TWO), entry(ONE, TWO)).push

    @pytest.mark.parametrize(
        ("family", "push"),
        [(ISTIOD_118, Push.ENDPOINTS), (ISTIOD_124, Push.NONE), (ISTIOD_130, Push.ENDPOINTS)],
    )
    def test_another_order_of_endpoints(self, family: Family, push: Push) -> None:
        assert push == Mesh(family).change(entry(ONE, TWO), entry(TWO, ONE)).push

    @pytest.mark.parametrize("family", [ISTIOD_124, ISTIOD_130])
    def test_an_annotation(self, family: Family) -> None:
        assert Push.NONE == Mesh(family).change(entry(ONE), entry(ONE), annotations={"a": "b"}).push

    @pytest.mark.parametrize(("family", "push"), [(ISTIOD_124, Push.NONE), (ISTIOD_130, Push.FULL)])
    def test_the_traffic_distribution_annotation(self, family: Family, push: Push) -> None:
        annotations = {"networking.istio.io/traffic-distribution": "PreferClose"}
        assert push == Mesh(family).change(entry(ONE), entry(ONE), annotations=annotations).push

    @pytest.mark.parametrize(
        ("family", "push"),
        [(ISTIOD_118, Push.ENDPOINTS), (ISTIOD_124, Push.FULL), (ISTIOD_130, Push.FULL)],
    )
    def test_a_target_port(self, family: Family, push: Push) -> None:
        moved = entry(Endpoint("10.0.0.1"), ports=(replace(HTTP, target_port=8080),))
        assert push == Mesh(family).change(entry(Endpoint("10.0.0.1")), moved).push

    @pytest.mark.parametrize(
        ("family", "push"),
        [(ISTIOD_118, Push.FULL), (ISTIOD_124, Push.FULL), (ISTIOD_130, Push.NONE)],
    )
    def test_an_equal_dns_entry(self, family: Family, push: Push) -> None:
        dns = entry(Endpoint("a.example.com"), resolution=Resolution.DNS)
        assert push == Mesh(family).change(dns, dns).push

    @pytest.mark.parametrize(("family", "push"), [(ISTIOD_118, Push.NONE), (ISTIOD_124, Push.FULL)])
    def test_a_resolution_alone(self, family: Family, push: Push) -> None:
        assert push == Mesh(family).change(entry(), entry(resolution=Resolution.NONE)).push


class TestEmptied:
    """The last endpoint leaves and nothing else changes."""

    @before_130
    def test_up_to_1_29_envoy_keeps_the_stale_endpoint(self, family: Family) -> None:
        mesh = Mesh(family)
        effect = mesh.change(entry(ONE), entry())
        assert Effect(Push.NONE, "emptied: the old endpoints stay in Envoy") == effect
        assert {"10.0.0.1"} == mesh.addresses()

    @before_130
    def test_up_to_1_29_the_next_endpoint_replaces_the_stale_one(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.change(entry(ONE), entry())
        (effect,) = mesh.push(resource(version="3", spec=entry(TWO)))
        assert Push.ENDPOINTS == effect.push
        assert {"10.0.0.2"} == mesh.addresses()

    @before_130
    def test_up_to_1_29_deleting_the_entry_removes_the_stale_endpoint(self, family: Family) -> None:
        mesh = Mesh(family)
        mesh.change(entry(ONE), entry())
        mesh.push()
        assert set() == mesh.addresses()

    @before_130
    def test_up_to_1_29_an_entry_that_never_had_endpoints_has_none_to_keep(self, family: Family) -> None:
        assert Effect(Push.NONE, "no endpoints") == Mesh(family).change(entry(), entry())

    def test_from_1_30_it_is_pushed(self) -> None:
        mesh = Mesh(ISTIOD_130)
        assert Effect(Push.ENDPOINTS, "emptied") == mesh.change(entry(ONE), entry())
        assert set() == mesh.addresses()


def test_a_config_of_another_kind_is_a_full_push() -> None:
    mesh = Mesh(ISTIOD_124)
    mesh.url = "networking.istio.io/v1/Sidecar"
    sidecar = replace(resource(), spec=OpaqueSpec("istio.networking.v1alpha3.Sidecar", b"\x1a\x05\x22\x03*/*"))
    assert [Effect(Push.FULL, "a config of another kind")] == mesh.push(sidecar)


def test_endpoints_of_an_unknown_host_are_none() -> None:
    assert frozenset() == ServiceEntryController(ISTIOD_124).endpoints(*HOST)
