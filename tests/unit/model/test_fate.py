"""What becomes of one instance, asked of the real conversion."""

import pytest

from meshregistry.model.assembly import ConversionCache
from meshregistry.model.fate import tell_fate
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile
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
