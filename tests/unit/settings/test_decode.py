"""Decoding follows Go's JSON rules, matches names loosely and reports every shape fault with its line."""

import pytest

from meshregistry.settings.decode import Draft, Plain, decode_section, loosen
from meshregistry.settings.document import read_document
from meshregistry.settings.fields import Section
from meshregistry.settings.findings import sorted_lines
from meshregistry.settings.root import Settings


def decode(text: str, *, wrapped: bool = False) -> Draft:
    """Return the draft of a text of bare keys."""
    root = read_document(text).root
    assert root is not None
    draft = Draft({"PASS": "s3cret"}, None, wrapped)
    draft.data = decode_section(root, Settings, (), draft)
    return draft


def data(text: str) -> dict[str, Plain]:
    """Return the data of a text without faults."""
    draft = decode(text)
    assert [] == draft.faults
    return draft.data


def faults(text: str) -> list[str]:
    """Return the faults of a text."""
    return sorted_lines(decode(text).faults)


@pytest.mark.parametrize(
    "key", ["nacos_source", "NacosSource", "nacosSource", "nacos-source", "NACOS_SOURCE", "nacossource"]
)
def test_names_match_ignoring_case_underscores_and_dashes(key: str) -> None:
    assert {"nacos_source": {"refresh_period": "5s"}} == data(f"{key}: {{Refresh-Period: 5s}}")


def test_acronyms_of_slime_are_found() -> None:
    text = """
K8SSource: {Enabled: false}
MCP: {ServerUrl: "xds://:1"}
ZookeeperSource:
  MethodLBServiceSelectors: [{Invert: true, matchLabels: {A_b: C}}]
  EndpointSelectors: [{ExcludeIPRanges: {IPS: [1.2.3.4], cidrs: [1.0.0.0/8]}}]
NacosSource: {K8SDomainSuffix: false, RegistryID: east}
HTTPServerAddr: ":1"
"""
    assert {
        "k8s_source": {"enabled": False},
        "mcp": {"server_url": "xds://:1"},
        "zookeeper_source": {
            "method_lb_service_selectors": ({"invert": True, "match_labels": {"A_b": "C"}},),
            "endpoint_selectors": ({"exclude_ip_ranges": {"ips": ("1.2.3.4",), "cidrs": ("1.0.0.0/8",)}},),
        },
        "nacos_source": {"k8s_domain_suffix": False, "registry_id": "east"},
        "http_server_addr": ":1",
    } == data(text)


def test_keys_of_maps_are_data() -> None:
    text = """
nacos_source:
  serviced_endpoint_selectors:
    DEFAULT_GROUP@@My-Service: [{matchLabels: {My_Key: x, my-key: y}}]
  service_additional_metas: {a.b: {Labels: {App-Name: z}}}
"""
    assert {
        "nacos_source": {
            "serviced_endpoint_selectors": {
                "DEFAULT_GROUP@@My-Service": ({"match_labels": {"My_Key": "x", "my-key": "y"}},)
            },
            "service_additional_metas": {"a.b": {"labels": {"App-Name": "z"}}},
        }
    } == data(text)


def test_explicit_false_zero_and_empty_are_values() -> None:
    text = "nacos_source: {ns_host: false, svc_port: 0, dom_suffix: '', servers: [], client_headers: {}}"
    expected = {"ns_host": False, "svc_port": 0, "dom_suffix": "", "servers": (), "client_headers": {}}
    assert {"nacos_source": expected} == data(text)


def test_null_keeps_the_default_of_values_and_sections_and_empties_lists_and_maps() -> None:
    text = """
mcp: null
nacos_source: {ns_host: null, address: null, client_headers: ~, service_naming: null, guard: {max_stale: null}}
zookeeper_source: {ignore_label:}
"""
    assert {
        "mcp": {},
        "nacos_source": {
            "address": (),
            "client_headers": {},
            "service_naming": None,
            "guard": {"max_stale": None},
        },
        "zookeeper_source": {"ignore_label": ()},
    } == data(text)


def test_text_fields_take_the_scalar_as_it_is_written() -> None:
    text = """
nacos_source: {namespace: 0123, group: 1.10, registry_id: on, username: 2024-01-01, password: 0x10}
mcp: {version_stubs: off, create_time: 2100-01-01T00:00:00Z, push_pause: 1}
"""
    assert {
        "nacos_source": {
            "namespace": "0123",
            "group": "1.10",
            "registry_id": "on",
            "username": "2024-01-01",
            "password": "0x10",
        },
        "mcp": {"version_stubs": "off", "create_time": "2100-01-01T00:00:00Z", "push_pause": 1},
    } == data(text)


def test_numbers_and_booleans_are_those_of_yaml() -> None:
    text = "nacos_source: {svc_port: 0x50, ns_host: off}\nguard: {mass_ratio: .5, empty_grace: 2.5}"
    expected = {"nacos_source": {"svc_port": 80, "ns_host": False}, "guard": {"mass_ratio": 0.5, "empty_grace": 2.5}}
    assert expected == data(text)


def test_quoted_numbers_and_booleans_are_text() -> None:
    assert {"nacos_source": {"svc_port": "80", "ns_host": "true"}} == data(
        "nacos_source: {svc_port: '80', ns_host: 'true'}"
    )


def test_a_number_that_only_looks_like_one_is_text() -> None:
    assert {"nacos_source": {"svc_port": "0b_"}} == data("nacos_source: {svc_port: 0b_}")


def test_secrets_are_resolved_also_in_maps() -> None:
    text = "nacos_source: {password: '${PASS}', client_headers: {X-Token: '${PASS}', x: y}}"
    expected = {"password": "s3cret", "client_headers": {"X-Token": "s3cret", "x": "y"}}
    assert {"nacos_source": expected} == data(text)


def test_merge_keys_count_as_written_here() -> None:
    text = "nacos_source: &common {RefreshPeriod: 5s, Enabled: true}\neureka_source:\n  <<: *common\n  Enabled: false"
    assert {"refresh_period": "5s", "enabled": False} == data(text)["eureka_source"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "settings (line 1): expected settings as key: value, found a list"),
        ("just text", "settings (line 1): expected settings as key: value, found a single value"),
        ("mcp: 5", "mcp (line 1): expected settings as key: value, found a single value"),
        ("\nnacos_source: {address: x}", "nacos_source.address (line 2): expected a list, found a single value"),
        ("nacos_source: {svc_port: [1]}", "nacos_source.svc_port (line 1): expected a single value, found a list"),
        ("http: {path_redirect: [a]}", "http.path_redirect (line 1): expected a map, found a list"),
        (
            "nacos_source:\n  servers:\n  - address: []\n  - x",
            "nacos_source.servers[1] (line 4): expected settings as key: value, found a single value",
        ),
        (
            "nacos_source:\n  address:\n  - http://a\n  - [b]",
            "nacos_source.address[1] (line 4): expected a single value, found a list",
        ),
        ("http:\n  path_redirect:\n    a: b\n    a: c", "http.path_redirect.a (line 4): stands here twice"),
        (
            "nacos_source:\n  RefreshPeriod: 1s\n  refresh_period: 2s",
            "nacos_source.refresh_period (line 3): repeats `RefreshPeriod`; names match ignoring case, _ and -",
        ),
        (
            "mcp: {}\nmcp: {}",
            "mcp (line 2): repeats `mcp`; names match ignoring case, _ and -",
        ),
        ("nacos_source: {password: '${NO}'}", "nacos_source.password (line 1): ${NO} is not in the environment"),
        (
            "nacos_source: {client_headers: {a b: '${NO}'}}",
            "nacos_source.client_headers['a b'] (line 1): ${NO} is not in the environment",
        ),
    ],
)
def test_wrong_shapes_are_faults_with_path_and_line(text: str, expected: str) -> None:
    assert [expected] == faults(text)


@pytest.mark.parametrize(
    ("text", "path", "nearest"),
    [
        ("NacosSorce: {}", "NacosSorce", "nacos_source"),
        ("nacos_source: {RefreshPerod: 1s}", "nacos_source.RefreshPerod", "refresh_period"),
        ("nacos_source: {servers: [{Adress: []}]}", "nacos_source.servers[0].Adress", "address"),
        ("server_url: x", "server_url", "mcp.server_url"),
        ("svc_prot: 1", "svc_prot", "nacos_source.svc_port"),
        ("nacos_source: {guard: {emptygraces: 1}}", "nacos_source.guard.emptygraces", "empty_grace"),
        (
            "zookeeper_source: {watching_debounce: {dely: 1}}",
            "zookeeper_source.watching_debounce.dely",
            "delay",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(text: str, path: str, nearest: str) -> None:
    assert [f"{path} (line 1): unknown key; nearest known key `{nearest}`"] == faults(text)


def test_even_a_key_like_no_other_gets_a_hint() -> None:
    [line] = faults("xyzzy: 1")
    assert line.startswith("xyzzy (line 1): unknown key; nearest known key `")


def test_inside_a_wrapper_an_unknown_key_is_a_warning() -> None:
    draft = decode("mcp: {}\nNacosSorce: {}", wrapped=True)
    assert [] == draft.faults
    expected = "NacosSorce (line 2): unknown key, ignored as Slime does; nearest known key `nacos_source`"
    assert [expected] == sorted_lines(draft.warnings)


def sections(section: type[Section], path: str = "") -> list[tuple[str, type[Section]]]:
    """Return the sections with a fixed place, by path."""
    inner = [
        found
        for name, info in section.model_fields.items()
        if isinstance(info.default, Section)
        for found in sections(type(info.default), f"{path}{name}.")
    ]
    return [(path, section), *inner]


@pytest.mark.parametrize(
    ("path", "key"),
    [(path, key) for path, section in sections(Settings) for key in section.ignored],
)
def test_a_key_that_slime_ignores_is_one_warning(path: str, key: str) -> None:
    text = key + ": x"
    for part in reversed(path.split(".")[:-1]):
        text = f"{part}: {{{text}}}"
    draft = decode(text)
    assert [] == draft.faults
    [line] = sorted_lines(draft.warnings)
    assert line.startswith(f"{path}{key} (line 1): accepted, but without effect: ")


def test_names_of_one_section_stay_apart_when_compared_loosely() -> None:
    for path, section in sections(Settings):
        loose = [loosen(name) for name in (*section.model_fields, *section.ignored)]
        assert len(loose) == len(set(loose)), path
