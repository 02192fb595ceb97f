"""What a registrant cannot do, through the settings of every source that reads a registry."""

from collections.abc import Callable, Mapping
from urllib.parse import quote

import msgspec
import pytest

from meshregistry.errors import SourceDataError
from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.claim import Conversion
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.instance import Instance, Scope, ServiceKey, sort_pairs
from meshregistry.model.policy import Territory
from meshregistry.settings.load import load_settings
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.interface import read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from meshregistry.sources.zookeeper.options import ZooKeeperOptions
from meshregistry.sources.zookeeper.spring import spring_scope
from meshregistry.store.rules import SourceLimits
from meshregistry.wiring import source_options, source_rules
from tests.support.dubbo_names import encode

INTERFACE = "com.acme.Orders"
SECTIONS = {
    "nacos": "nacos_source: {enabled: true, address: ['http://n:1']%s}",
    "eureka": "eureka_source: {enabled: true, address: ['http://e:1']%s}",
    "zookeeper": "zookeeper_source: {enabled: true, address: ['z:1']%s}",
}
STEERING = {
    "security.istio.io/tlsMode": "istio",
    "istio.io/rev": "stolen",
    "topology.istio.io/network": "elsewhere",
    "networking.istio.io/tunnel": "http",
    "sidecar.istio.io/inject": "false",
    "service_account": "root",
}
KINDS = ("nacos", "eureka", "spring", "dubbo")

Registered = tuple[ServiceKey, tuple[Instance, ...]]


def plain(scope: Scope) -> Callable[[Mapping[str, str]], Registered]:
    """An instance with metadata in a scope."""

    def register(metadata: Mapping[str, str]) -> Registered:
        return ServiceKey(scope, "orders"), (Instance("10.0.0.1", 8080, metadata=sort_pairs(dict(metadata))),)

    return register


def dubbo(metadata: Mapping[str, str]) -> Registered:
    """A provider whose URL has the metadata as parameters."""
    query = "&".join(f"{quote(key, safe='')}={quote(value)}" for key, value in metadata.items())
    urls = [encode(f"dubbo://10.0.0.1:20880/{INTERFACE}?interface={INTERFACE}&{query}")]
    reading = finish(read_interface(ProviderReader(()), INTERFACE, urls, ()))
    ((name, instances),) = reading.services.items()
    return ServiceKey(dubbo_scope("", INTERFACE), name), instances


REGISTER = {
    "nacos": plain(Scope("nacos", "", "public", "DEFAULT_GROUP")),
    "eureka": plain(Scope("eureka", "", "", "")),
    "spring": plain(spring_scope("")),
    "dubbo": dubbo,
}


def convert(kind: str, metadata: Mapping[str, str], options: str = "", shared: str = "") -> Conversion:
    """Return what a registration becomes under the settings of its source, and those that all sources share."""
    source = kind if kind in SECTIONS else "zookeeper"
    rules = source_rules(load_settings(f"{SECTIONS[source] % options}\n{shared}", {}).settings)
    key, instances = REGISTER[kind](metadata)
    return convert_service(key, instances, rules[source].conversion, ConversionCache())


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_steer_the_mesh_are_never_taken_from_a_registry(kind: str) -> None:
    conversion = convert(kind, {"zone": "a", **STEERING})
    entry = merge_claims(conversion.claims, ConversionCache()).entry

    assert entry is not None
    labels = [entry.labels, *(endpoint.labels for endpoint in entry.endpoints)]
    assert "zone" in dict(entry.endpoints[0].labels)
    assert set() == STEERING.keys() & {key for pairs in labels for key, _ in pairs}
    assert {""} == {endpoint.network + endpoint.service_account for endpoint in entry.endpoints}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", STEERING)
def test_an_entry_gets_no_steering_label_whatever_its_endpoints_are_to_supply(kind: str, key: str) -> None:
    """Neither one of that name, nor another under it: the value would be the registrant's all the same."""
    shared = f"conversion: {{se_label_selector_keys: [app, '{key}', 'zone:{key}', '$host:{key}']}}"
    conversion = convert(kind, {"app": "orders", "zone": "stolen", key: "stolen"}, shared=shared)
    entry = merge_claims(conversion.claims, ConversionCache()).entry

    assert entry is not None
    assert "zone" in dict(entry.endpoints[0].labels)
    assert ("orders", False) == (dict(entry.labels)["app"], key in dict(entry.labels))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", STEERING)
def test_no_label_becomes_a_steering_one_by_being_copied(kind: str, key: str) -> None:
    """The settings name the copy, but what stands in it is the registrant's."""
    copied = f"conversion: {{endpoint_relabel_items: {{zone: '{key}'}}}}"
    moved = f", instance_meta_relabel: {{items: [{{key: zone, target_key: '{key}'}}]}}"
    conversions = [convert(kind, {"zone": "stolen"}, shared=copied), convert(kind, {"zone": "stolen"}, moved)]

    for conversion in conversions:
        entry = merge_claims(conversion.claims, ConversionCache()).entry
        assert entry is not None
        assert ("stolen", None) == tuple(map(dict(entry.endpoints[0].labels).get, ("zone", key)))
        assert [("label_reserved", key)] == [(each.reason, each.subject) for each in conversion.rejects]


def test_the_revision_of_the_settings_is_on_an_entry_whatever_its_endpoints_say() -> None:
    shared = "conversion: {istio_revision: ours, se_label_selector_keys: ['zone:istio.io/rev']}"
    conversion = convert("nacos", {"zone": "stolen", "istio.io/rev": "stolen"}, shared=shared)
    entry = merge_claims(conversion.claims, ConversionCache()).entry

    assert entry is not None
    assert "ours" == dict(entry.labels)["istio.io/rev"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_outside_the_list_is_not_claimed_and_reported(kind: str) -> None:
    assert 1 == len(convert(kind, {}).claims)

    conversion = convert(kind, {}, ", allow_hosts: ['*.elsewhere.example']")

    assert ((), ["host_denied"]) == (conversion.claims, [reject.reason for reject in conversion.rejects])


@pytest.mark.parametrize("kind", KINDS)
def test_a_namespace_outside_the_list_is_not_claimed_and_reported(kind: str) -> None:
    conversion = convert(kind, {"k8sNs": "bank"}, ", allow_namespaces: [nowhere]")

    assert ((), ["namespace_denied"]) == (conversion.claims, [reject.reason for reject in conversion.rejects])


@pytest.mark.parametrize("kind", ["nacos", "eureka", "spring"])
def test_many_and_long_labels_are_bounded(kind: str) -> None:
    conversion = convert(kind, {"big": "x" * 5000, **{f"label-{n}": "y" * 60 for n in range(2000)}})
    entry = merge_claims(conversion.claims, ConversionCache()).entry

    assert entry is not None
    labels = entry.endpoints[0].labels
    assert "big" not in dict(labels)
    assert sum(len(key) + len(value) for key, value in labels) <= 32_768


def test_many_further_names_are_bounded_and_the_rest_is_reported() -> None:
    """A registrant of Eureka writes as many VIP addresses as he likes into one text."""
    rules = source_rules(load_settings(SECTIONS["eureka"] % ", vip_alias: true", {}).settings)
    key, (instance,) = REGISTER["eureka"]({})
    named = msgspec.structs.replace(instance, aliases=tuple(f"vip{number}" for number in range(20_000)))
    conversion = convert_service(key, (named,), rules["eureka"].conversion, ConversionCache())

    assert [101] == [len(claim.hosts) for claim in conversion.claims]
    assert ["host_limit"] == [reject.reason for reject in conversion.rejects]


def test_a_provider_of_dubbo_that_is_too_long_is_not_read() -> None:
    with pytest.raises(SourceDataError, match="size"):
        dubbo({"big": "x" * 100_000})


@pytest.mark.parametrize("kind", sorted(SECTIONS))
def test_every_registry_has_limits_that_can_be_set(kind: str) -> None:
    def limits(options: str) -> SourceLimits:
        return source_rules(load_settings(SECTIONS[kind] % options, {}).settings)[kind].limits

    assert SourceLimits(50_000, 1_000_000) == limits("")
    assert SourceLimits(7, 0) == limits(", max_services: 7, max_instances: 0")


def test_sidecars_of_consumers_have_the_limit_of_services() -> None:
    settings = load_settings(SECTIONS["zookeeper"] % ", enable_dubbo_sidecar: true, max_services: 7", {}).settings
    options = source_options(settings)["zookeeper"]

    assert isinstance(options, ZooKeeperOptions)
    assert options.sidecars is not None
    assert 7 == options.sidecars.max_applications


def test_the_lists_count_for_what_people_write_and_nobody_is_told_otherwise() -> None:
    files = "enabled: true, enable_config_file: true, config_path: /entries"
    loaded = load_settings(f"k8s_source: {{{files}, allow_hosts: ['*.shop'], allow_namespaces: [shop]}}", {})

    assert [] == loaded.warnings
    assert Territory(("*.shop",), ("shop",)) == source_rules(loaded.settings)["files"].conversion.territory


def test_what_people_write_has_no_limits() -> None:
    text = "k8s_source: {enabled: true, enable_config_file: true, config_path: /entries}"

    assert SourceLimits() == source_rules(load_settings(text, {}).settings)["files"].limits
