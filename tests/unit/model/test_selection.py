"""Endpoint selectors: what one element says, and which list counts."""

import pytest

from meshregistry.model.selection import EndpointSelector, InstanceSelector, LabelRequirement, Operator, Selection

PROD = EndpointSelector(match_labels=(("env", "prod"),))
ZONE_A = EndpointSelector(match_labels=(("zone", "a"),))


def accepts(selection: Selection, metadata: dict[str, str], address: str = "10.0.0.1", service: str = "orders") -> bool:
    return InstanceSelector(selection).choose((service,))(metadata, address)


@pytest.mark.parametrize(
    ("operator", "values", "missing", "listed", "other"),
    [
        (Operator.IN, ("a", "b"), False, True, False),
        (Operator.NOT_IN, ("a", "b"), True, False, True),
        (Operator.EXISTS, (), False, True, True),
        (Operator.DOES_NOT_EXIST, (), True, False, False),
    ],
)
def test_expressions_mean_what_kubernetes_says(
    operator: Operator, values: tuple[str, ...], missing: bool, listed: bool, other: bool
) -> None:
    requirement = LabelRequirement("key", operator, values)
    verdicts = [requirement.accepts(metadata) for metadata in ({}, {"key": "b"}, {"key": "c"})]
    assert [missing, listed, other] == verdicts


def test_without_selectors_everything_passes_unless_empty_lists_exclude() -> None:
    assert accepts(Selection(), {})
    assert not accepts(Selection(empty_excludes_all=True), {})


def test_an_element_that_says_nothing_does_not_count() -> None:
    nothing = EndpointSelector()
    assert not accepts(Selection(source=(nothing, PROD)), {})
    assert not accepts(Selection(source=(nothing,), empty_excludes_all=True), {})
    assert accepts(Selection(source=(nothing, EndpointSelector(has_label_part=True))), {})


def test_a_list_of_the_service_hides_the_sources_unless_both_are_asked_for() -> None:
    selection = Selection(source=(PROD,), serviced=(("orders", (ZONE_A,)),))
    both = Selection(source=(PROD,), serviced=(("orders", (ZONE_A,)),), always_source=True)

    assert accepts(selection, {"zone": "a"})
    assert not accepts(both, {"zone": "a"})
    assert accepts(both, {"zone": "a", "env": "prod"})
    assert accepts(both, {"env": "prod"}, service="carts")


def test_the_first_name_with_selectors_counts() -> None:
    selector = InstanceSelector(Selection(serviced=(("orders", (PROD,)), ("G@@orders", (ZONE_A,)))))
    assert selector.choose(("G@@orders", "orders"))({"zone": "a"}, "")
    assert selector.choose(("H@@orders", "orders"))({"env": "prod"}, "")


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("10.0.0.9", False),
        ("10.1.255.1", False),
        ("10.2.0.1", True),
        ("2001:db8::5", False),
        ("db.example.com", True),
        ("", True),
    ],
)
def test_addresses_are_excluded_one_by_one_and_by_range(address: str, accepted: bool) -> None:
    selector = EndpointSelector(exclude_ips=("10.0.0.9", "2001:db8:0:0::5"), exclude_cidrs=("10.1.0.7/16",))
    assert accepted is accepts(Selection(source=(selector,)), {}, address)
    assert accepts(Selection(source=(selector,), by_address=False), {}, address)
