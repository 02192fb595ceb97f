from collections.abc import Sequence
from random import Random
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.claim import Claim, Conversion
from meshregistry.model.conversion import InstanceConverter
from meshregistry.model.instance import Instance, Scope, ServiceKey, sort_pairs
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.service_entry import ServiceEntry
from meshregistry.model.validation import Validated, validate_entry
from tests.support.istiod_verdict import list_faults
from tests.support.registry_content import instances, policies, service_keys

ISTIO = ConversionPolicy()
SLIME = ConversionPolicy(profile=Profile.SLIME)
KEY = ServiceKey(Scope("nacos", "", "public", "DEFAULT_GROUP"), "orders")

nearly_plain = st.sampled_from(
    [
        Instance("10.0.0.1", 8080),
        Instance("10.0.0.2", 0),
        Instance("10.0.0.3", 65536),
        Instance("db.example.com", 8080),
        Instance("no host", 8080),
        Instance("10.0.0.4", 8080, metadata=(("a b", "c"),)),
    ]
)
"""Instances with one fault or none."""

any_policies = policies(Profile.ISTIO) | policies(Profile.SLIME)


def convert(found: Sequence[Instance], policy: ConversionPolicy = ISTIO, key: ServiceKey = KEY) -> Conversion:
    """Convert with an empty cache."""
    return convert_service(key, found, policy, ConversionCache())


def merge_all(claims: Sequence[Claim]) -> dict[str, Validated]:
    """Merge claims resource by resource."""
    names = {claim.resource_name for claim in claims}
    return {name: merge([claim for claim in claims if claim.resource_name == name]) for name in names}


def merge(claims: Sequence[Claim]) -> Validated:
    """Merge with an empty cache."""
    return merge_claims(claims, ConversionCache())


def only_entry(*found: Instance, policy: ConversionPolicy = ISTIO) -> ServiceEntry:
    """Convert instances that make one entry."""
    [merged] = merge_all(convert(found, policy).claims).values()
    assert merged.entry is not None
    return merged.entry


@given(service_keys, st.lists(instances, max_size=6), policies(Profile.ISTIO))
def test_no_istiod_rejects_anything_of_the_istio_profile(
    key: ServiceKey, found: list[Instance], policy: ConversionPolicy
) -> None:
    for merged in merge_all(convert(found, policy, key).claims).values():
        if merged.entry is not None:
            assert [] == list_faults(merged.entry)


@given(st.lists(service_keys, min_size=1, max_size=3), st.lists(instances, max_size=6), any_policies)
def test_what_comes_out_can_be_encoded_and_shown(
    keys: list[ServiceKey], found: list[Instance], policy: ConversionPolicy
) -> None:
    conversions = [convert(found, policy, key) for key in keys]
    merged = merge_all([claim for conversion in conversions for claim in conversion.claims])
    for record in (*merged.values(), *(each.rejects for each in conversions)):
        assert msgspec.msgpack.encode(record)


@given(st.lists(service_keys, min_size=1, max_size=3), st.lists(instances, max_size=6), any_policies, st.randoms())
def test_order_of_arrival_changes_nothing(
    keys: list[ServiceKey], found: list[Instance], policy: ConversionPolicy, random: Random
) -> None:
    keys = list(dict.fromkeys(keys))
    shuffled = random.sample(found, len(found))
    assert [convert(found, policy, key) for key in keys] == [convert(shuffled, policy, key) for key in keys]
    claims = [claim for key in keys for claim in convert(found, policy, key).claims]
    assert merge_all(claims) == merge_all(random.sample(claims, len(claims)))


@given(st.lists(service_keys, min_size=1, max_size=4), st.lists(instances, max_size=6), any_policies)
def test_a_small_shared_cache_changes_nothing(
    keys: list[ServiceKey], found: list[Instance], policy: ConversionPolicy
) -> None:
    cache = ConversionCache(size=2)
    for key in (*keys, *keys):
        for other in (policy, ISTIO, SLIME):
            shared = convert_service(key, found, other, cache)
            assert convert(found, other, key) == shared
            for claim in shared.claims:
                assert merge([claim]) == merge_claims([claim], cache)


@given(st.lists(instances | nearly_plain, max_size=3), any_policies)
def test_the_short_way_of_plain_instances_changes_nothing(found: list[Instance], policy: ConversionPolicy) -> None:
    shortened = convert(found, policy)
    with patch.object(InstanceConverter, "_are_plain", return_value=False):
        assert convert(found, policy) == shortened


@given(st.lists(instances, max_size=6), any_policies)
def test_a_published_entry_is_valid_as_it_is(found: list[Instance], policy: ConversionPolicy) -> None:
    for merged in merge_all(convert(found, policy).claims).values():
        if merged.entry is not None:
            again = validate_entry(merged.entry, policy.profile)
            assert Validated(merged.entry) == again
            assert again.entry is merged.entry


@given(st.lists(instances, max_size=6), st.sampled_from([ISTIO, SLIME]))
def test_bad_neighbours_never_cost_a_good_endpoint(found: list[Instance], policy: ConversionPolicy) -> None:
    good = Instance("10.99.0.1", 8080, metadata=(("app", "orders"),))
    merged = merge_all(convert([*found, good], policy).claims)["nacos/orders.nacos"]
    assert merged.entry is not None
    assert ("10.99.0.1", 8080) in {(each.address, each.ports[0][1]) for each in merged.entry.endpoints}


def test_equal_content_is_equal_records_whatever_the_registry_object() -> None:
    metadata = {"app": "orders", "zone": "a"}
    assert only_entry(Instance("10.0.0.1", 80, metadata=sort_pairs(metadata))) == only_entry(
        Instance("10.0.0.1", 80, "OTHER", metadata=sort_pairs(dict(reversed(metadata.items()))))
    )


def test_ports_are_sorted_by_number_and_port_maps_by_name() -> None:
    entry = only_entry(Instance("10.0.0.1", 9090), Instance("10.0.0.2", 10000))
    assert [80, 9090, 10000] == [port.number for port in entry.ports]
    for endpoint in entry.endpoints:
        assert ["http-10000", "http-80", "http-9090"] == [name for name, _ in endpoint.ports]


def test_one_changed_weight_changes_one_endpoint() -> None:
    others = [Instance(f"10.0.0.{number}", 8080) for number in range(1, 10)]
    before = only_entry(Instance("10.0.1.1", 8080), *others)
    after = only_entry(Instance("10.0.1.1", 8080, weight=0.5), *others)
    assert {100, 50} == {each.weight for each in set(before.endpoints) ^ set(after.endpoints)}
    assert 2 == len(set(before.endpoints) ^ set(after.endpoints))


def test_a_megabyte_of_metadata_is_left_out_with_its_reason() -> None:
    conversion = convert([Instance("10.0.0.1", 8080, metadata=(("app", "orders"), ("blob", "x" * 1_000_000)))])
    [claim] = conversion.claims
    assert (("app", "orders"),) == claim.endpoints[0].labels
    assert [("label_size", "blob")] == [(each.reason, each.subject) for each in conversion.rejects]
    assert 300 > len(conversion.rejects[0].detail)


def test_many_small_pairs_are_cut_at_the_bound_of_all_labels() -> None:
    metadata = sort_pairs({f"key-{number:06}": "v" * 10 for number in range(50_000)})
    conversion = convert([Instance("10.0.0.1", 8080, metadata=metadata)])
    [claim] = conversion.claims
    assert 32768 // 20 == len(claim.endpoints[0].labels)
    assert 50 == len(conversion.rejects)
    assert "unlisted" == conversion.rejects[-1].reason


def test_a_megabyte_of_metadata_is_not_remembered() -> None:
    cache = ConversionCache()
    blob = "x" * 1_000_000
    for policy in (ISTIO, SLIME):
        convert_service(KEY, [Instance("10.0.0.1", 8080, metadata=(("blob", blob),))], policy, cache)
        labels = cache.converter(policy)._labels
        assert ({}, set()) == (labels._known, labels._legal)


def test_claims_with_other_port_names_are_reached_by_the_winners_name() -> None:
    dubbo = ConversionPolicy(source="zookeeper", svc_protocol="dubbo", svc_port=0)
    other_key = ServiceKey(Scope("zookeeper", "", "", ""), "orders")
    claims = [
        *convert([Instance("10.0.0.1", 8080)], ConversionPolicy(svc_port=0)).claims,
        *convert([Instance("10.0.0.2", 8080), Instance("10.0.0.2", 9090)], dubbo, other_key).claims,
    ]
    merged = merge(claims)
    assert merged.entry is not None
    assert [(8080, "HTTP"), (9090, "TCP")] == [(port.number, port.protocol) for port in merged.entry.ports]
    assert {("http-8080", "tcp-dubbo-9090")} == {tuple(dict(each.ports)) for each in merged.entry.endpoints}
    assert () == merged.rejects


def test_claims_of_one_resource_with_other_hosts_are_reported() -> None:
    short = msgspec.structs.replace(ISTIO, source="eureka", k8s_domain_suffix=False)
    other_key = ServiceKey(Scope("eureka", "", "", ""), "orders")
    claims = [
        *convert([Instance("10.0.0.1", 80)], short, other_key).claims,
        *convert([Instance("10.0.0.2", 80)]).claims,
    ]
    merged = merge(claims)
    assert merged.entry is not None
    assert ("orders.nacos",) == merged.entry.hosts
    assert [("host_replaced", "orders.nacos.svc.cluster.local")] == [
        (each.reason, each.subject) for each in merged.rejects
    ]


def test_a_resource_that_nobody_claims_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="nobody claims"):
        merge([])


def test_more_policies_than_the_cache_holds_convert_all_the_same() -> None:
    cache = ConversionCache()
    for number in range(20):
        policy = ConversionPolicy(svc_port=1000 + number)
        [claim] = convert_service(KEY, [Instance("10.0.0.1", 80)], policy, cache).claims
        assert [80, 1000 + number] == [port.number for port in claim.ports]


def test_more_ports_than_an_entry_may_have_cost_no_endpoint() -> None:
    instances = [Instance("10.0.0.1", 10_000 + number) for number in range(300)]
    conversion = convert(instances)
    [claim] = conversion.claims

    assert [80, *range(10_000, 10_099)] == [port.number for port in claim.ports]
    assert {10_000 + number for number in range(300)} == {endpoint.ports[0][1] for endpoint in claim.endpoints}
    assert {100} == {len(endpoint.ports) for endpoint in claim.endpoints}
    assert [("port_limit", "201 ports of instances are no service ports; at most 100")] == [
        (each.reason, each.detail) for each in conversion.rejects
    ]


def test_claims_together_have_no_more_ports_than_an_entry_may_have() -> None:
    low, high = ([Instance("10.0.0.1", start + number) for number in range(80)] for start in (1000, 5000))
    claims = [*convert(low).claims, *convert(high, key=ServiceKey(KEY.scope, "Orders")).claims]
    merged = merge(claims).entry
    assert merged is not None
    assert [80, *range(1000, 1080), *range(5000, 5019)] == [port.number for port in merged.ports]
    assert 160 == len(merged.endpoints)


@pytest.mark.parametrize(
    ("registry", "id_"),
    [
        ("", None),
        ("@http://a:8848", None),
        ("@https://a:8848#1", None),
        ("east", "east"),
        ("a.b", "a.b"),
        ("east@http://a:8848", "east"),
    ],
)
def test_instances_are_marked_with_the_configured_registry_id_alone(registry: str, id_: str | None) -> None:
    key = ServiceKey(Scope("nacos", registry, "public", "DEFAULT_GROUP"), "orders")
    policy = ConversionPolicy(profile=Profile.SLIME)
    [merged] = merge_all(convert([Instance("10.0.0.1", 80)], policy, key).claims).values()

    assert merged.entry is not None
    assert id_ == dict(merged.entry.endpoints[0].labels).get("registry-id")
