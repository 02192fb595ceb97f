"""Loading whole files: the golden files, profiles, and every fault at once."""

import traceback
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SettingsError
from meshregistry.settings.load import load_settings
from meshregistry.settings.render import Printable, printable_settings
from meshregistry.settings.root import Settings

DATA = Path(__file__).parent / "data"


def read(name: str) -> str:
    """Return a file of the test data."""
    return (DATA / name).read_text("utf-8")


def overlay(base: dict[str, Printable], changes: dict[str, Printable]) -> dict[str, Printable]:
    """Return base with the changes laid over it, section by section."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged[key]
        is_section = isinstance(below, dict) and isinstance(value, dict) and below and set(value) <= set(below)
        if is_section and isinstance(below, dict) and isinstance(value, dict):
            merged[key] = overlay(below, value)
        else:
            merged[key] = value
    return merged


def test_a_slimeboot_resource_sets_what_slime_would_have_read_from_it() -> None:
    loaded = load_settings(read("slimeboot.yaml"), {"NACOS_PASSWORD": "hunter2"})
    defaults = printable_settings(load_settings("profile: slime", {}).settings)
    assert overlay(defaults, yaml.safe_load(read("slimeboot.expected.yaml"))) == printable_settings(loaded.settings)
    assert "hunter2" == loaded.settings.nacos_source.password.get_secret_value()


def test_a_slimeboot_resource_yields_one_warning_for_each_key_without_effect() -> None:
    warnings = load_settings(read("slimeboot.yaml"), {"NACOS_PASSWORD": "hunter2"}).warnings
    assert [
        "http.path_redirect (line 27): expected alias->page, found 'broken'; ignored as Slime does",
        "MeshConfigFile (line 43): accepted, but without effect: Slime never reads it",
        "RevCrds (line 44): accepted, but without effect: Slime does not support it",
        (
            "nacos_source.NewInSomeFork (line 62): unknown key, ignored as Slime does; "
            "nearest known key `endpoint_selectors`"
        ),
        "zookeeper_source.mode (line 70): unknown mode, taken as watching as Slime does",
    ] == warnings


def test_a_module_configuration_gets_the_profile_slime() -> None:
    loaded = load_settings(read("module.yaml"), {})
    assert "slime" == loaded.settings.profile
    assert not loaded.settings.nacos_source.enable_empty_protection
    assert loaded.settings.zookeeper_source.enable_dubbo_sidecar
    assert ("http://nacos.example:8848",) == loaded.settings.nacos_source.address
    assert [] == loaded.warnings


def test_a_bare_file_gets_the_profile_istio() -> None:
    loaded = load_settings(read("bare.yaml"), {})
    settings = loaded.settings
    assert ("istio", "debug", "json") == (settings.profile, settings.log.level, settings.log.format)
    assert settings.nacos_source.enable_empty_protection
    assert not settings.zookeeper_source.enable_dubbo_sidecar
    assert (2.5, 3600.0) == (settings.nacos_source.guard.empty_grace, settings.nacos_source.guard.max_stale)
    assert [] == loaded.warnings


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("profile: SLIME", "slime"),
        ("general: {LEGACY: {profile: istio}}", "istio"),
        ("general: {LEGACY: {}}", "slime"),
        ("", "istio"),
    ],
)
def test_profile_overrides_what_the_form_of_the_file_suggests(text: str, profile: str) -> None:
    assert profile == load_settings(text, {}).settings.profile


def test_a_profile_default_yields_to_the_file() -> None:
    text = (
        "profile: slime\nzookeeper_source: {enable_dubbo_sidecar: false}\nnacos_source: {EnableEmptyProtection: true}"
    )
    settings = load_settings(text, {}).settings
    assert not settings.zookeeper_source.enable_dubbo_sidecar
    assert settings.nacos_source.enable_empty_protection


def test_every_fault_of_a_file_is_reported_at_once_in_its_order() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(read("faulty.yaml"), {}, base_dir=DATA)
    assert read("faulty.expected.txt").splitlines() == caught.value.faults


def test_a_fault_shows_no_secret_in_its_text_or_traceback() -> None:
    text = """
nacos_source:
  address:
  - "hunter2:hunter2@nacos"
  - "ftp://u:hunter2@nacos"
  - "http://u:hunter2@nacos:x"
  - "nacos:8848?accessToken=hunter2"
  - "u:hunter2"
  password: [hunter2]
  client_headers: {Authorization: {hunter2: hunter2}}
eureka_source: {address: ["http://u:hunter2@e :1"]}
http: {token: "file:/no/such/path"}
"""
    with pytest.raises(SettingsError) as caught:
        load_settings(text, {})
    assert 9 == len(caught.value.faults)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_the_address_of_a_wrapper_yields_to_the_one_in_the_settings() -> None:
    text = 'general: {LEGACY: {aux_addr: ":1"}}\nglobal: {misc: {aux-addr: ":2", pathRedirect: ""}}'
    settings = load_settings(text, {}).settings
    assert (":1", {}) == (settings.aux_addr, settings.http.path_redirect)


def test_a_malformed_address_of_a_wrapper_is_a_fault_with_its_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("general: {}\nglobal: {misc: {aux-addr: here}}", {})
    assert ["aux_addr (line 2): expected host:port or :port with a port from 0 to 65535"] == caught.value.faults


def test_an_unknown_mode_is_a_fault_in_a_bare_file_and_slimes_choice_in_a_wrapper() -> None:
    text = "{nacos_source: {mode: push}, zookeeper_source: {mode: fast}}"
    settings = load_settings(f"general: {{LEGACY: {text}}}", {}).settings
    assert ("polling", "watching") == (settings.nacos_source.mode, settings.zookeeper_source.mode)
    with pytest.raises(SettingsError) as caught:
        load_settings(text, {})
    assert [
        "nacos_source.mode (line 1): expected 'auto', 'polling' or 'watching'",
        "zookeeper_source.mode (line 1): expected 'watching' or 'polling'",
    ] == caught.value.faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "{service_naming: {items: [{kind: $, value: host}]}}",
            "service_naming.items[0] (line 1): kind `$` takes the value service, ip or port",
        ),
        (
            "{endpoint_selectors: [{matchExpressions: [{key: a, operator: In}]}]}",
            (
                "endpoint_selectors[0].match_expressions[0] (line 1): "
                "In and NotIn need values, Exists and DoesNotExist have none"
            ),
        ),
        (
            "{endpoint_selectors: [{matchExpressions: [{operator: Exists}]}]}",
            "endpoint_selectors[0].match_expressions[0] (line 1): an expression needs a key",
        ),
        (
            "{endpoint_selectors: [{matchExpressions: [{key: a, operator: in, values: [b]}]}]}",
            (
                "endpoint_selectors[0].match_expressions[0].operator (line 1): "
                "expected 'In', 'NotIn', 'Exists' or 'DoesNotExist'"
            ),
        ),
        (
            "{serviced_endpoint_selectors: {s: [{excludeIPRanges: {IPs: [x]}}]}}",
            (
                "serviced_endpoint_selectors.s[0].exclude_ip_ranges.ips[0] (line 1): "
                "'x' does not appear to be an IPv4 or IPv6 address"
            ),
        ),
        (
            "{namespace_groups: ['a:b,']}",
            "namespace_groups[0] (line 1): expected namespace or namespace:group1,group2",
        ),
        ("{request_timeout: 0}", "request_timeout (line 1): must be greater than 0"),
        ("{address: [~]}", "address[0] (line 1): expected text, found nothing"),
        ("{concurrency: 1.5}", "concurrency (line 1): expected a whole number, found a number"),
        ("{concurrency: true}", "concurrency (line 1): expected a whole number, found true or false"),
        ("{enabled: 1}", "enabled (line 1): expected true or false, found a number"),
        ("{location: inside}", "location (line 1): expected 'MESH_INTERNAL' or 'MESH_EXTERNAL'"),
    ],
)
def test_values_are_checked_deep_inside_lists_and_maps(text: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(f"nacos_source: {text}", {})
    assert [f"nacos_source.{fault}"] == caught.value.faults


def test_settings_without_a_source_are_warned_about() -> None:
    assert ["settings: no source is enabled: only empty lists are served"] == load_settings("", {}).warnings


def test_files_that_would_not_be_read_are_warned_about() -> None:
    (warning,) = load_settings("k8s_source: {enabled: true, config_path: /etc}", {}).warnings
    assert warning.startswith("k8s_source.enabled (line 1): without effect")
    assert [] == load_settings("k8s_source: {enabled: true, enable_config_file: true, config_path: /a}", {}).warnings


def test_a_field_without_effect_is_named_once_and_only_when_it_is_changed() -> None:
    text = """
nacos_source:
  enabled: true
  address: ["http://a:1"]
k8s_source: {wait_time: 0, svc_port: 80, collections: []}
mcp: {enable_inc_push: true}
"""
    warnings = load_settings(text, {}).warnings
    assert ["k8s_source.svc_port", "mcp.enable_inc_push"] == [line.split(" ")[0] for line in warnings]


def test_slimes_switch_for_its_dialect_is_pointed_to_the_listeners() -> None:
    def concerning(mcp: str) -> list[str]:
        return [line for line in load_settings(f"mcp: {mcp}", {}).warnings if "inc_push" in line or "zombie" in line]

    [line] = concerning("{EnableIncPush: true, CleanZombieInterval: 1m}")
    assert line.startswith("mcp.enable_inc_push (line 1): without effect: the dialect needs a listener of its own")
    assert [] == concerning("{EnableIncPush: false}")
    assert [] == concerning("{listeners: [{server_url: 'xds://0.0.0.0:1', enable_inc_push: true}]}")


def test_relative_secret_files_start_at_the_directory_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    settings = load_settings("http: {token: 'file:token'}", {}, base_dir=tmp_path).settings
    assert "t0ken" == settings.http.token.get_secret_value()


KEYS = st.sampled_from(
    [
        "profile",
        "mcp",
        "nacos_source",
        "Servers",
        "address",
        "guard",
        "svc_port",
        "kind",
        "module",
        "general",
        "LEGACY",
        "endpoint_selectors",
        "matchLabels",
        "match_expressions",
        "service_naming",
        "items",
        "client_headers",
        "<<",
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), KEYS)
TREES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4))
)


def outcome(text: str) -> Settings | list[str]:
    """Return the settings or the faults of a text."""
    try:
        return load_settings(text, {}).settings
    except SettingsError as error:
        return error.faults


@given(st.one_of(TREES.map(lambda tree: yaml.safe_dump(tree)), st.text()))
def test_any_text_gives_settings_or_faults_and_nothing_else(text: str) -> None:
    assert outcome(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "nacos_source:\n  address: &a ["
            + "'http://a'," * 1000
            + "]\n  servers: [&s {address: *a}"
            + ", *s" * 600
            + "]",
            "settings: more than 500000 values, aliases written out",
        ),
        (
            "".join(f"x{n}: &x{n} {{<<: *x{n - 1}}}\n" if n else "x0: &x0 {}\n" for n in range(2000)) + "log: *x1999",
            "settings: merge keys (`<<`) nested too deeply",
        ),
        (
            "http: {journal_size: 1" + ":59" * 5000 + "}",
            "http.journal_size (line 1): expected a whole number, found text",
        ),
    ],
)
def test_a_short_text_that_stands_for_too_much_is_refused_with_its_reason(text: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(text, {})
    assert fault in caught.value.faults


def test_a_nul_in_a_value_is_a_fault_where_it_stands() -> None:
    """No system call takes one: it would end the service later, at the place that uses the value."""
    with pytest.raises(SettingsError) as caught:
        load_settings('data_dir: "a\\0b"\neureka_source: {address: ["http://a", "http://\\0"]}', {})
    assert [
        "data_dir (line 1): holds a NUL character, which no path, address or name can",
        "eureka_source.address[1] (line 2): holds a NUL character, which no path, address or name can",
    ] == caught.value.faults[:2]
