"""What becomes of one instance, asked of the real conversion."""

import pytest

from meshregistry.model.assembly import ConversionCache
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.fate import tell_fate
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.relabel import NamePart, PartKind, RelabelStep, Rewrite, ServiceNaming
from meshregistry.model.selection import EndpointSelector, Selection

KEY = ServiceKey(Scope("nacos", "", "public", "DEFAULT_GROUP"), "orders")


@pytest.mark.parametrize(
    ("instance", "outcome"),
    [
        (Instance("10.0.0.1", 80), "converted"),
        (Instance("10.0.0.1", 80, enabled=False), "disabled"),
        (Instance("10.0.0.1", 80, healthy=False), "unhealthy"),
        (Instance("10.0.0.1", 80, weight=0.0), "weight"),
        (Instance("10.0.0.1", 0), "port_range"),
        (Instance("not an address", 80), "address_invalid"),
    ],
)
def test_every_instance_has_its_outcome(instance: Instance, outcome: str) -> None:
    assert outcome == tell_fate(KEY, instance, ConversionPolicy(), ConversionCache(10)).outcome


def test_a_converted_instance_names_its_resource_and_what_was_dropped_of_it() -> None:
    instance = Instance("10.0.0.1", 80, metadata=(("bad key!", "x"),))

    fate = tell_fate(KEY, instance, ConversionPolicy(source="nacos"), ConversionCache(10))

    assert ("converted", ("nacos/orders.nacos",)) == (fate.outcome, fate.resources)
    assert "label_key" in fate.detail


def test_an_instance_that_no_selector_takes_says_so() -> None:
    policy = ConversionPolicy(selection=Selection((EndpointSelector((("lane", "blue"),)),)))

    assert "selector" == tell_fate(KEY, Instance("10.0.0.1", 80), policy, ConversionCache(10)).outcome


def test_slime_takes_an_instance_of_no_weight() -> None:
    policy = ConversionPolicy(profile=Profile.SLIME)

    assert "converted" == tell_fate(KEY, Instance("10.0.0.1", 80, weight=0.0), policy, ConversionCache(10)).outcome


LANES = (RelabelStep("env", "lane", overwrite=True, values_mapping=(("prod", "blue"),)), RelabelStep("app", "owner"))
INSTANCE = Instance("10.0.0.1", 80, metadata=(("env", "prod"), ("lane", "old")))


def test_what_relabelling_changed_is_told_of_what_is_taken_and_of_what_is_not() -> None:
    expected = (Rewrite("lane", "old", "blue"),)
    policy = ConversionPolicy(relabel=LANES)
    choosy = ConversionPolicy(relabel=LANES, selection=Selection((EndpointSelector((("lane", "red"),)),)))

    for each, outcome in ((policy, "converted"), (choosy, "selector")):
        fate = tell_fate(KEY, INSTANCE, each, ConversionCache(10))
        assert (outcome, expected) == (fate.outcome, fate.relabelled)


def test_what_the_place_of_a_service_adds_can_be_relabelled() -> None:
    policy = ConversionPolicy(meta_key_group="group", relabel=(RelabelStep("group", "team"),))

    fate = tell_fate(KEY, INSTANCE, policy, ConversionCache(10))

    assert (Rewrite("team", None, "DEFAULT_GROUP"),) == fate.relabelled


def test_a_service_that_relabelling_renames_is_found_at_its_resource() -> None:
    naming = ServiceNaming((NamePart(PartKind.METADATA, "lane"),))
    policy = ConversionPolicy(source="nacos", relabel=LANES, service_naming=naming)

    fate = tell_fate(KEY, INSTANCE, policy, ConversionCache(10))

    assert (("nacos/blue.nacos",), (Rewrite("lane", "old", "blue"),)) == (fate.resources, fate.relabelled)


def test_copied_labels_of_endpoints_are_told() -> None:
    policy = ConversionPolicy(endpoint_relabel_items=(("env", "stage"), ("missing", "other")))

    assert (Rewrite("stage", None, "prod"),) == tell_fate(KEY, INSTANCE, policy, ConversionCache(10)).relabelled


def test_dubbos_parameters_are_relabelled_without_what_other_services_get() -> None:
    policy = ConversionPolicy(dubbo=DubboPolicy(), meta_key_group="group", relabel=(*LANES, RelabelStep("group", "g")))

    fate = tell_fate(
        ServiceKey(dubbo_scope("", "com.acme.Orders"), "com.acme.Orders"), INSTANCE, policy, ConversionCache(10)
    )

    assert ("converted", (Rewrite("lane", "old", "blue"),)) == (fate.outcome, fate.relabelled)


def test_without_relabelling_there_is_nothing_to_tell() -> None:
    assert () == tell_fate(KEY, INSTANCE, ConversionPolicy(), ConversionCache(10)).relabelled
