"""Environment variables fill what the file leaves open."""

import pytest

from meshregistry.errors import SettingsError
from meshregistry.settings.environment import VARIABLES, WITHOUT_EFFECT
from meshregistry.settings.load import load_settings

SLIME_VARIABLES = {
    "LOCALITY_LABELS": "r,,s",
    "ENDPOINT_RELABEL_ITEMS": "from=to, from2=to2,",
    "MESH_REG_ISTIO_REVISION": "canary",
    "REGISTRY_ID_META_KEY": "rid",
    "SKIP_VALIDATE_LABEL_VALUE": "True",
    "SE_LABEL_SELECTOR_KEYS": "app,$host:h,",
    "NACOS_CLIENT_HEADERS": "X-Token=YWJj==,X-B=",
    "CLUSTER_ID": "east",
    "POD_NAMESPACE": "mesh-operator",
    "POD_NAME": "meshregistry-0",
    "STRICT_ISTIO_REV": "t",
    "EXTRA_REV_MAP": "rev1:,rev2:rev21",
    "XDS_SEND_TIMEOUT": "7s",
    "FORCE_UPDATE_JITTER_DURATION": "8s",
    "ZK_RESYNC_WATCH_PERIOD": "9m",
}


def test_every_variable_reaches_its_field() -> None:
    settings = load_settings("", SLIME_VARIABLES).settings
    assert ("r", "", "s") == settings.conversion.locality_labels
    assert {"from": "to", "from2": "to2"} == settings.conversion.endpoint_relabel_items
    assert "canary" == settings.conversion.istio_revision
    assert "rid" == settings.conversion.registry_id_meta_key
    assert settings.conversion.skip_validate_label_value
    assert ("app", "$host:h") == settings.conversion.se_label_selector_keys
    headers = settings.nacos_source.client_headers
    assert {"X-Token": "YWJj==", "X-B": ""} == {key: value.get_secret_value() for key, value in headers.items()}
    assert "east" == settings.k8s.cluster_id
    assert "mesh-operator" == settings.k8s.cluster_registries_namespace
    assert "meshregistry-0" == settings.mcp.control_plane_id
    assert settings.mcp.strict_istio_rev
    assert {"rev1": "", "rev2": "rev21"} == settings.mcp.extra_rev_map
    assert 7.0 == settings.mcp.send_timeout
    assert 8.0 == settings.zookeeper_source.watching_resync_jitter
    assert 540.0 == settings.zookeeper_source.watching_resync_period
    assert set(SLIME_VARIABLES) == {variable.name for variable in VARIABLES}


def test_what_the_file_says_wins_also_when_it_says_the_default() -> None:
    text = "mcp: {send_timeout: 30s, extra_rev_map: {}}\nconversion: {se_label_selector_keys: []}"
    settings = load_settings(text, SLIME_VARIABLES).settings
    assert (30.0, {}) == (settings.mcp.send_timeout, settings.mcp.extra_rev_map)
    assert () == settings.conversion.se_label_selector_keys
    assert "canary" == settings.conversion.istio_revision


def test_a_null_in_the_file_leaves_the_field_open() -> None:
    assert 7.0 == load_settings("mcp: {send_timeout: null}", SLIME_VARIABLES).settings.mcp.send_timeout


def test_empty_and_unrelated_variables_change_nothing() -> None:
    environ = dict.fromkeys((*SLIME_VARIABLES, *WITHOUT_EFFECT), "") | {"PATH": "/bin", "NACOSSOURCE": "x"}
    loaded = load_settings("", environ)
    assert load_settings("", {}) == loaded


def test_a_malformed_variable_is_a_fault_that_names_it() -> None:
    environ = {
        "XDS_SEND_TIMEOUT": "soon",
        "STRICT_ISTIO_REV": "maybe",
        "EXTRA_REV_MAP": "rev1",
        "ENDPOINT_RELABEL_ITEMS": "=x",
        "LOCALITY_LABELS": "a,b,c,d",
    }
    with pytest.raises(SettingsError) as caught:
        load_settings("", environ)
    expected = {
        (
            "mcp.send_timeout (environment XDS_SEND_TIMEOUT): "
            "expected a duration such as 30s or 1m30s, or a number of seconds"
        ),
        "mcp.strict_istio_rev (environment STRICT_ISTIO_REV): expected true or false",
        "mcp.extra_rev_map (environment EXTRA_REV_MAP): expected name:value pairs with commas between them",
        (
            "conversion.endpoint_relabel_items (environment ENDPOINT_RELABEL_ITEMS): "
            "expected name=value pairs with commas between them"
        ),
    }
    long = [line for line in caught.value.faults if line not in expected]
    assert expected == set(caught.value.faults) - set(long)
    assert 1 == len(long)
    assert long[0].startswith("conversion.locality_labels (environment LOCALITY_LABELS): ")


def test_a_variable_without_effect_is_named_once() -> None:
    warnings = load_settings("", dict.fromkeys(WITHOUT_EFFECT, "x")).warnings
    assert [1] * len(WITHOUT_EFFECT) == [sum(name in line for line in warnings) for name in WITHOUT_EFFECT]
