"""From settings to conversion policies: what depends on the source and the profile."""

import pytest

from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.relabel import NamePart, PartKind, ServiceNaming
from meshregistry.model.selection import EndpointSelector, LabelRequirement, Operator, Selection
from meshregistry.model.service_entry import Location
from meshregistry.policies import conversion_policy
from meshregistry.settings.load import load_settings


def policy(text: str, source: str = "nacos") -> ConversionPolicy:
    return conversion_policy(load_settings(text, {}).settings, source)


def test_defaults_are_slimes_for_each_source() -> None:
    nacos, eureka, zookeeper = (policy("profile: slime", source) for source in ("nacos", "eureka", "zookeeper"))

    assert [("HTTP", 80, "nacos"), ("HTTP", 80, "eureka"), ("DUBBO", 0, "dubbo")] == [
        (each.svc_protocol, each.svc_port, each.resource_ns) for each in (nacos, eureka, zookeeper)
    ]
    assert ["nacos", "eureka", "zookeeper"] == [each.source for each in (nacos, eureka, zookeeper)]
    assert {Profile.SLIME} == {each.profile for each in (nacos, eureka, zookeeper)}
    assert {Location.MESH_EXTERNAL} == {each.location for each in (nacos, eureka, zookeeper)}
    assert {False} == {each.instance_protocols for each in (nacos, eureka, zookeeper)}


def test_selectors_reach_the_policy_and_slime_ignores_addresses_of_nacos() -> None:
    text = """
profile: slime
%s_source:
  endpoint_selectors: [{matchLabels: {b: x, a: y}}, {matchExpressions: [{key: k, operator: In, values: [v]}]}]
  serviced_endpoint_selectors: {orders: [{ExcludeIPRanges: {IPs: [10.0.0.1], CIDRs: [10.1.0.0/16]}}]}
  always_use_source_scoped_ep_selectors: true
"""
    expected = Selection(
        source=(
            EndpointSelector(match_labels=(("a", "y"), ("b", "x")), has_label_part=True),
            EndpointSelector(match_expressions=(LabelRequirement("k", Operator.IN, ("v",)),), has_label_part=True),
        ),
        serviced=(("orders", (EndpointSelector(exclude_ips=("10.0.0.1",), exclude_cidrs=("10.1.0.0/16",)),)),),
        always_source=True,
        by_address=False,
    )
    assert expected == policy(text % "nacos").selection
    assert policy(text % "eureka", "eureka").selection.by_address


@pytest.mark.parametrize(
    ("profile", "source", "naming"),
    [
        ("slime", "nacos", ServiceNaming((NamePart(PartKind.INSTANCE, "service"),))),
        ("istio", "nacos", None),
        ("slime", "eureka", None),
    ],
)
def test_relabelling_alone_regroups_in_slime_with_nacos(
    profile: str, source: str, naming: ServiceNaming | None
) -> None:
    text = f"{{profile: {profile}, {source}_source: {{instance_meta_relabel: {{items: []}}}}}}"
    assert naming == policy(text, source).service_naming


def test_a_source_has_its_own_locality_labels_and_eureka_a_zone_key() -> None:
    shared = "conversion: {locality_labels: [r, z]}\n"
    assert ("r", "z", "") == policy(shared, "eureka").locality_labels
    assert ("", "zone", "") == policy("", "eureka").locality_labels
    assert ("", "", "") == policy("profile: slime", "eureka").locality_labels
    assert ("own", "zone", "") == policy(shared + "eureka_source: {locality_labels: [own]}", "eureka").locality_labels


def test_equal_settings_make_equal_policies() -> None:
    one = "nacos_source: {service_additional_metas: {a: {labels: {x: y, b: c}}, b: {}}}"
    other = "nacos_source: {service_additional_metas: {b: {}, a: {labels: {b: c, x: y}}}}"
    assert policy(one) == policy(other)
    assert hash(policy(one)) == hash(policy(other))
