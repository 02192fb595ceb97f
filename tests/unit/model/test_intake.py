"""The intake: the order of its steps, and that a plain policy has none."""

from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.intake import Admitted, build_intake
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.relabel import NamePart, PartKind, RelabelStep, ServiceNaming
from meshregistry.model.selection import EndpointSelector, Selection

KEY = ServiceKey(Scope("nacos", "", "public", "G"), "orders")


def admit(policy: ConversionPolicy, *instances: Instance, key: ServiceKey = KEY) -> list[Admitted]:
    intake = build_intake(policy)
    assert intake is not None
    return intake.admit(key, instances, (("group", "G"),))


def test_a_policy_without_steps_has_no_intake() -> None:
    assert build_intake(ConversionPolicy()) is None
    assert build_intake(ConversionPolicy(selection=Selection(by_address=False))) is None


def test_injection_comes_before_relabelling_before_naming_before_selection() -> None:
    policy = ConversionPolicy(
        relabel=(RelabelStep("group", "team", values_mapping=(("G", "shop"),)),),
        service_naming=ServiceNaming((NamePart(PartKind.METADATA, "team"),)),
        selection=Selection(serviced=(("shop", (EndpointSelector(match_labels=(("team", "shop"),)),)),)),
    )
    [admitted] = admit(policy, Instance("10.0.0.1", 80, metadata=(("group", "mine"),)))
    assert ("shop", "") == admitted[:2]
    assert (("group", "G"), ("team", "shop")) == admitted.instance.metadata


def test_an_instance_that_nothing_changes_is_the_same_object() -> None:
    instance = Instance("10.0.0.1", 80, metadata=(("group", "G"),))
    [admitted] = admit(ConversionPolicy(selection=Selection(always_source=True)), instance)
    assert admitted.instance is instance


def test_naming_sees_the_group_in_slimes_name_only() -> None:
    naming = ServiceNaming((NamePart(PartKind.INSTANCE, "service"),))
    for grouped, name in ((True, "G@@orders"), (False, "orders")):
        policy = ConversionPolicy(service_naming=naming, grouped_services=grouped)
        assert [name] == [each.service for each in admit(policy, Instance("10.0.0.1", 80))]


def test_without_a_group_a_service_has_its_bare_name() -> None:
    key = ServiceKey(Scope("eureka", "", "", ""), "ORDERS")
    naming = ServiceNaming((NamePart(PartKind.INSTANCE, "service"),))
    policy = ConversionPolicy(service_naming=naming, grouped_services=True)
    assert ["ORDERS"] == [each.service for each in admit(policy, Instance("10.0.0.1", 80), key=key)]


def test_project_codes_lose_instances_in_slime_alone() -> None:
    coded, plain = Instance("10.0.0.1", 80, metadata=(("projectCode", "p"),)), Instance("10.0.0.2", 80)
    istio = admit(ConversionPolicy(project_code=True), coded, plain)
    slime = admit(ConversionPolicy(project_code=True, profile=Profile.SLIME), coded, plain)
    assert [("p", "10.0.0.1"), ("", "10.0.0.2")] == [(each.code, each.instance.address) for each in istio]
    assert [("p", "10.0.0.1")] == [(each.code, each.instance.address) for each in slime]
