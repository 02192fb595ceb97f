"""Slime's RegistrySource: selectors over those of the settings."""

import pytest

from meshregistry.errors import SettingsError
from meshregistry.settings.load import load_settings
from meshregistry.settings.registry_source import patch_settings
from meshregistry.settings.render import printable_settings

BASE = load_settings(
    """
zookeeper_source:
  enabled: true
  address: ["z:2181"]
  endpoint_selectors: [{match_labels: {zone: a}}]
  serviced_endpoint_selectors: {a.B: [{match_labels: {zone: b}}], a.C: [{match_labels: {zone: c}}]}
""",
    {},
).settings


def selectors(spec: object) -> tuple[object, object]:
    shown = printable_settings(patch_settings(BASE, spec))["zookeeper_source"]
    assert isinstance(shown, dict)
    return shown["endpoint_selectors"], shown["serviced_endpoint_selectors"]


def selector(labels: dict[str, str], *ips: str) -> dict[str, object]:
    ranges = {"ips": list(ips), "cidrs": []}
    return {"match_labels": labels, "match_expressions": [], "exclude_ip_ranges": ranges}


def test_available_interfaces_are_added_each_without_the_abnormal_addresses() -> None:
    listed, _ = selectors(
        {
            "zookeeper": {
                "availableInterfaces": [{"interface": "a.B", "group": "g", "version": "1.0"}, {"interface": "a.C"}],
                "globalAbnormalInstanceIPs": {"one": ["10.0.0.2"], "two": ["10.0.0.1", "10.0.0.2"]},
            }
        }
    )

    bad = ("10.0.0.1", "10.0.0.2")
    assert [
        selector({"zone": "a"}),
        selector({"interface": "a.B", "group": "g", "version": "1.0"}, *bad),
        selector({"interface": "a.C"}, *bad),
    ] == listed


def test_abnormal_addresses_alone_are_one_selector() -> None:
    listed, _ = selectors({"zookeeper": {"globalAbnormalInstanceIPs": {"one": ["10.0.0.1"]}}})

    assert [selector({"zone": "a"}), selector({}, "10.0.0.1")] == listed


def test_abnormal_addresses_of_a_service_replace_its_selectors() -> None:
    _, serviced = selectors({"zookeeper": {"abnormalInstanceIPs": {"a.B": ["10.0.0.1"], "a.D:g:1.0": ["10.0.0.2"]}}})

    assert {
        "a.B": [selector({}, "10.0.0.1")],
        "a.C": [selector({"zone": "c"})],
        "a.D:g:1.0": [selector({}, "10.0.0.2")],
    } == serviced


@pytest.mark.parametrize("spec", [{}, {"zookeeper": None}, {"zookeeper": {}}, {"other": 1}])
def test_an_empty_patch_changes_nothing(spec: object) -> None:
    assert BASE == patch_settings(BASE, spec)


@pytest.mark.parametrize(
    "spec",
    [
        [],
        "x",
        {"zookeeper": 1},
        {"zookeeper": {"availableInterfaces": ["a.B"]}},
        {"zookeeper": {"globalAbnormalInstanceIPs": {"one": ["not an address"]}}},
        {"zookeeper": {"abnormalInstanceIPs": {"a.B": "10.0.0.1"}}},
    ],
)
def test_what_is_no_patch_is_a_fault(spec: object) -> None:
    with pytest.raises(SettingsError, match="RegistrySource: spec"):
        patch_settings(BASE, spec)
