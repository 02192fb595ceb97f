"""What the judge compares: every field of an endpoint and of its entry, against what is written by hand."""

from dataclasses import replace

import pytest

from meshregistry.watch.families import ISTIOD_124
from meshregistry.watch.model import ConfigKey, IstiodModel, StoredConfig
from meshregistry.watch.resources import Endpoint as Workload
from meshregistry.watch.resources import Node, Resolution, ServiceEntrySpec, ServicePort
from tests.campaign.eureka import SimulatedEureka
from tests.campaign.nacos import SimulatedNacos
from tests.campaign.registry import STEERING, Registration, Registry
from tests.campaign.served import Endpoint, Port, Served, View, compare, versions_of
from tests.campaign.zookeeper import SimulatedZooKeeper

ONE = Endpoint("nacos", "shop-001", "10.1.0.4")
WORKLOAD = Workload(
    "10.1.0.4", {"http-80": 9090, "http-9090": 9090}, {"app": "shop-001", "revision": "r1"}, "", "", 200
)
SPEC = ServiceEntrySpec(
    hosts=("shop-001.nacos.svc.cluster.local",),
    ports=(ServicePort(80, "HTTP", "http-80"), ServicePort(9090, "HTTP", "http-9090")),
    location=1,
    resolution=Resolution.STATIC,
    endpoints=(WORKLOAD,),
)
CONFIG = StoredConfig(
    ConfigKey("ServiceEntry", "nacos", "shop-001.nacos"), "v1", 0, {"registry": "nacos", "app": "shop-001"}, {}, SPEC
)
SERVED = Served(
    ("shop-001.nacos.svc.cluster.local",),
    (Port(80, "HTTP", "http-80", 9090), Port(9090, "HTTP", "http-9090", 9090)),
    200,
    (("app", "shop-001"), ("revision", "r1")),
    (("app", "shop-001"), ("registry", "nacos")),
)


def read(*configs: StoredConfig) -> dict[Endpoint, tuple[Served, ...]]:
    """Return what an istiod with these configs holds."""
    model = IstiodModel(ISTIOD_124, Node())
    model.configs = {config.key: config for config in configs}
    return dict(View().read(model))


def test_what_an_istiod_holds_is_read_whole() -> None:
    assert {ONE: (SERVED,)} == read(CONFIG)


OTHER_ENDPOINTS = {
    "weight": replace(WORKLOAD, weight=100),
    "a label's value": replace(WORKLOAD, labels={"app": "shop-001", "revision": "r2"}),
    "a label less": replace(WORKLOAD, labels={"app": "shop-001"}),
    **{f"label {name}": replace(WORKLOAD, labels={**WORKLOAD.labels, name: value}) for name, value in STEERING.items()},
    "own port": replace(WORKLOAD, ports={"http-80": 8080, "http-9090": 9090}),
    "a port left to the service's": replace(WORKLOAD, ports={"http-9090": 9090}),
    "network": replace(WORKLOAD, network="far"),
    "locality": replace(WORKLOAD, locality="east"),
    "service account": replace(WORKLOAD, service_account="root"),
    "address": replace(WORKLOAD, address="10.1.0.5"),
}
OTHER_SPECS = {
    "host": replace(SPEC, hosts=("shop-002.nacos.svc.cluster.local",)),
    "a further host": replace(SPEC, hosts=(*SPEC.hosts, "shop")),
    "suffix of the host": replace(SPEC, hosts=("shop-001.other.svc.cluster.local",)),
    "number of a port": replace(SPEC, ports=(ServicePort(81, "HTTP", "http-80"), SPEC.ports[1])),
    "name of a port": replace(SPEC, ports=(ServicePort(80, "HTTP", "web"), SPEC.ports[1])),
    "protocol of a port": replace(SPEC, ports=(ServicePort(80, "TCP", "http-80"), SPEC.ports[1])),
    "a port less": replace(SPEC, ports=SPEC.ports[:1]),
    "resolution": replace(SPEC, resolution=Resolution.DNS),
    "location": replace(SPEC, location=0),
    "virtual address": replace(SPEC, addresses=("241.0.0.1",)),
    "an endpoint twice": replace(SPEC, endpoints=(WORKLOAD, replace(WORKLOAD, weight=100))),
    "no endpoint": replace(SPEC, endpoints=()),
    **{what: replace(SPEC, endpoints=(endpoint,)) for what, endpoint in OTHER_ENDPOINTS.items()},
}
OTHER_CONFIGS = {
    "namespace": replace(CONFIG, key=CONFIG.key._replace(namespace="kube-system")),
    "labels of the entry": replace(CONFIG, labels={**CONFIG.labels, "istio.io/rev": "foreign"}),
    **{what: replace(CONFIG, spec=spec) for what, spec in OTHER_SPECS.items()},
}


@pytest.mark.parametrize("config", OTHER_CONFIGS.values(), ids=OTHER_CONFIGS.keys())
def test_a_difference_in_any_field_is_seen(config: StoredConfig) -> None:
    assert compare(read(config), {ONE: (SERVED,)})


def test_a_difference_is_told_with_both_values() -> None:
    held = {ONE: (SERVED._replace(weight=100, network="far"),)}

    assert ["nacos shop-001 10.1.0.4: weight 100 instead of 200; network 'far' instead of ''"] == compare(
        held, {ONE: (SERVED,)}
    )
    assert ["nacos shop-001 10.1.0.4: missing"] == compare({}, {ONE: (SERVED,)})
    assert ["nacos shop-001 10.1.0.4: not registered"] == compare({ONE: (SERVED,)}, {})
    assert ["nacos shop-001 10.1.0.4: held 2 times"] == compare({ONE: (SERVED, SERVED)}, {ONE: (SERVED,)})
    assert [] == compare({ONE: (SERVED,)}, {ONE: (SERVED,)})


def test_two_entries_of_one_host_are_seen_as_twice() -> None:
    again = replace(CONFIG, key=CONFIG.key._replace(name="another"))

    assert {ONE: (SERVED, SERVED)} == read(CONFIG, again)


def test_a_view_reads_a_changed_config_again_and_forgets_one_that_is_gone() -> None:
    model, view = IstiodModel(ISTIOD_124, Node()), View()
    model.configs = {CONFIG.key: CONFIG}
    before = view.read(model)
    assert before[ONE] is view.read(model)[ONE]
    model.configs[CONFIG.key] = replace(CONFIG, spec=OTHER_SPECS["weight"])
    assert {ONE: (SERVED._replace(weight=100),)} == view.read(model)
    model.configs.clear()
    assert {} == view.read(model)


def test_versions_are_those_of_every_config() -> None:
    model = IstiodModel(ISTIOD_124, Node())
    model.configs = {CONFIG.key: CONFIG}

    assert {CONFIG.key: "v1"} == versions_of(model)


def registries() -> tuple[Registry, ...]:
    """Return one of each kind."""
    return SimulatedNacos(1, 1.0), SimulatedEureka(1, 1.0), SimulatedZooKeeper(1, 1.0)


METADATA = (("app", "shop-001"), ("revision", "r1"), *sorted(STEERING.items()))
EXPECTED = {
    "nacos": SERVED,
    "eureka": SERVED._replace(
        hosts=("shop-001.eureka.svc.cluster.local",),
        labels=(("app", "shop-001"), ("revision", "r1"), ("weight", "2")),
        entry_labels=(("app", "shop-001"), ("registry", "eureka")),
    ),
    "dubbo": Served(
        ("shop-001.dubbo",),
        (Port(8080, "TCP", "tcp-dubbo-8080", 9090), Port(9090, "TCP", "tcp-dubbo-9090", 9090)),
        2,
        (("app", "shop-001"), ("interface", "shop-001"), ("protocol", "dubbo"), ("revision", "r1")),
        (("app", "shop-001"), ("path", "shop-001"), ("registry", "zookeeper")),
        virtual_addresses=1,
    ),
}


@pytest.mark.parametrize("registry", registries(), ids=lambda registry: registry.source)
def test_what_must_be_offered_of_a_registration_has_no_label_that_steers_the_mesh(registry: Registry) -> None:
    ports = (9090,) if registry.source != "dubbo" else (8080, 9090)
    said = Registration(9090, 2.0, METADATA)

    assert EXPECTED[registry.source] == registry.expect(ONE._replace(source=registry.source), said, ports)
