"""The types each istiod family asks for."""

import pytest

from meshregistry.watch.families import FAMILIES, ISTIOD_118, ISTIOD_124, ISTIOD_130, MESH_CONFIG, Family, kind_of


@pytest.mark.parametrize(("family", "gating"), [(ISTIOD_118, 14), (ISTIOD_124, 14), (ISTIOD_130, 15)])
def test_mesh_config_comes_first_and_does_not_gate(family: Family, gating: int) -> None:
    assert MESH_CONFIG == family.types[0]
    assert family.types[1:] == family.gating_types
    assert gating == len(family.gating_types) == len(set(family.gating_types))


@pytest.mark.parametrize("family", FAMILIES.values())
def test_types_are_asked_for_in_the_order_of_their_kinds(family: Family) -> None:
    kinds = [kind_of(type_url) for type_url in family.gating_types]
    assert sorted(kinds) == kinds


def test_service_entry_moves_from_v1alpha3_to_v1_with_1_24() -> None:
    assert "networking.istio.io/v1alpha3/ServiceEntry" == ISTIOD_118.service_entry_type
    assert "networking.istio.io/v1/ServiceEntry" == ISTIOD_124.service_entry_type
    assert "networking.istio.io/v1/ServiceEntry" == ISTIOD_130.service_entry_type


def test_1_30_adds_traffic_extension_only() -> None:
    assert {"extensions.istio.io/v1alpha1/TrafficExtension"} == set(ISTIOD_130.types) - set(ISTIOD_124.types)
    assert set() == set(ISTIOD_124.types) - set(ISTIOD_130.types)


def test_envoy_filter_proxy_config_and_wasm_plugin_never_moved() -> None:
    unmoved = {
        MESH_CONFIG,
        "networking.istio.io/v1alpha3/EnvoyFilter",
        "networking.istio.io/v1beta1/ProxyConfig",
        "extensions.istio.io/v1alpha1/WasmPlugin",
    }
    assert unmoved == set(ISTIOD_118.types) & set(ISTIOD_124.types)
