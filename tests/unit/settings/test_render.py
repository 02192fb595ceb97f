"""Printed settings hold no secret and read back as the same settings."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meshregistry.errors import SettingsError
from meshregistry.settings.load import load_settings
from meshregistry.settings.render import printable_settings, render_settings, slime_settings
from meshregistry.settings.root import Settings

SECRET = "hunter2"
EVERY_SECRET = f"""
nacos_source:
  enabled: true
  address: ["http://user:{SECRET}@nacos:8848"]
  password: {SECRET}
  client_headers: {{Authorization: "Bearer {SECRET}"}}
  servers:
  - {{address: ["https://{SECRET}@nacos"], password: "${{PASS}}"}}
eureka_source:
  address: ["http://user:{SECRET}@eureka/eureka"]
  servers: [{{address: ["http://{SECRET}:x@eureka"]}}]
k8s: {{api_server_url_for_deploy: "https://admin:{SECRET}@api"}}
http: {{token: {SECRET}}}
data_dir: /data
"""


def test_no_output_shows_a_secret() -> None:
    loaded = load_settings(EVERY_SECRET, {"PASS": SECRET})
    outputs = (
        render_settings(loaded.settings),
        json.dumps(printable_settings(loaded.settings)),
        json.dumps(slime_settings(loaded.settings)),
        repr(loaded),
        str(loaded.settings),
        f"{loaded.settings.nacos_source.active_servers()}",
        "".join(loaded.warnings),
    )
    assert [] == [output for output in outputs if SECRET in output]


def test_secrets_that_are_set_show_as_stars_and_others_as_empty() -> None:
    printed = yaml.safe_load(render_settings(load_settings(EVERY_SECRET, {"PASS": SECRET}).settings))
    nacos = printed["nacos_source"]
    assert ("***", {"Authorization": "***"}) == (nacos["password"], nacos["client_headers"])
    assert ("***", ["https://***@nacos"]) == (nacos["servers"][0]["password"], nacos["servers"][0]["address"])
    assert ["http://***@nacos:8848"] == nacos["address"]
    assert "" == yaml.safe_load(render_settings(Settings()))["http"]["token"]


def test_values_are_printed_as_a_file_would_hold_them() -> None:
    printed = printable_settings(load_settings("nacos_source: {refresh_period: 90}", {}).settings)
    nacos, mcp, guard = printed["nacos_source"], printed["mcp"], printed["guard"]
    assert isinstance(nacos, dict)
    assert isinstance(mcp, dict)
    assert isinstance(guard, dict)
    assert ("1m30s", "120ms", "none") == (nacos["refresh_period"], mcp["push_pause"], guard["max_stale"])
    assert ("2100-01-01T00:00:00Z", None, []) == (mcp["create_time"], nacos["service_naming"], nacos["servers"])


def test_a_printed_section_that_cannot_be_printed_is_a_programming_error() -> None:
    broken = Settings().model_copy(update={"data_dir": object()})
    with pytest.raises(TypeError, match="object cannot be printed"):
        printable_settings(broken)


WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12).filter(
    lambda text: "://" not in text
)
DURATIONS = st.integers(0, 10**14).map(lambda nanoseconds: f"{nanoseconds}ns")
FLAGS = st.booleans()
LABELS = st.dictionaries(st.text(max_size=8), WORDS, max_size=2)
HOSTS = st.from_regex(r"[a-z]{1,8}\.example:[1-9][0-9]{0,3}", fullmatch=True)
URLS = st.lists(HOSTS.map(lambda host: f"http://{host}"), min_size=1, max_size=2)
EXPRESSIONS = st.one_of(
    st.fixed_dictionaries({"key": st.just("k"), "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
    st.fixed_dictionaries(
        {
            "key": st.just("k"),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(WORDS, min_size=1, max_size=2),
        }
    ),
)
SELECTORS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "matchLabels": LABELS,
            "matchExpressions": st.lists(EXPRESSIONS, max_size=2),
            "ExcludeIPRanges": st.fixed_dictionaries({"CIDRs": st.just(["10.0.0.0/8"])}),
        },
    ),
    max_size=2,
)
GUARDS = st.fixed_dictionaries(
    {},
    optional={
        "empty_grace": DURATIONS,
        "mass_ratio": st.floats(0, 1),
        "mass_min": st.integers(0, 100),
        "max_stale": st.one_of(DURATIONS, st.just("none"), st.none()),
    },
)
COMMON: dict[str, st.SearchStrategy[object]] = {
    "wait_time": DURATIONS,
    "GatewayModel": FLAGS,
    "ResourceNs": WORDS,
    "location": st.sampled_from(["MESH_INTERNAL", "mesh_external"]),
    "EnableEmptyProtection": st.one_of(FLAGS, st.none()),
    "guard": GUARDS,
    "EndpointSelectors": SELECTORS,
    "ServicedEndpointSelectors": st.dictionaries(st.text(max_size=8), SELECTORS, max_size=2),
    "ServiceNaming": st.one_of(
        st.none(), st.fixed_dictionaries({"Sep": WORDS, "Items": st.just([{"Kind": "$", "Value": "ip"}])})
    ),
    "ServiceAdditionalMetas": st.dictionaries(WORDS, st.fixed_dictionaries({"Labels": LABELS}), max_size=2),
}
FILES = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(["istio", "slime"]),
        "guard": GUARDS,
        "mcp": st.fixed_dictionaries(
            {},
            optional={
                "push_pause": DURATIONS,
                "max_streams": st.integers(1, 10**6),
                "version_stubs": st.sampled_from(["auto", "off"]),
                "extra_rev_map": LABELS,
                "create_time": st.datetimes(min_value=datetime(1970, 1, 1)).map(  # noqa: DTZ001 - hypothesis wants it so
                    lambda instant: instant.replace(tzinfo=UTC).isoformat()
                ),
            },
        ),
        "nacos_source": st.fixed_dictionaries(
            {"enabled": FLAGS, "address": URLS},
            optional={
                **COMMON,
                "NsfNacos": FLAGS,
                "Namespace": WORDS,
                "servers": st.lists(st.fixed_dictionaries({"address": URLS, "group": WORDS}), max_size=2),
            },
        ),
        "eureka_source": st.fixed_dictionaries(
            {"enabled": FLAGS, "address": URLS}, optional={**COMMON, "NsfEureka": FLAGS}
        ),
        "zookeeper_source": st.fixed_dictionaries(
            {"enabled": FLAGS, "address": st.lists(HOSTS, min_size=1, max_size=2)},
            optional={
                **COMMON,
                "ConsumerPath": st.one_of(WORDS, st.just("-")),
                "WatchingDebounce": st.one_of(st.none(), st.fixed_dictionaries({"Delay": DURATIONS})),
            },
        ),
        "conversion": st.fixed_dictionaries({}, optional={"locality_labels": st.lists(WORDS, max_size=3)}),
        "http": st.fixed_dictionaries({"path_redirect": LABELS}),
        "log": st.fixed_dictionaries({"level": st.sampled_from(["debug", "ERROR"])}),
    },
)


@settings(deadline=None)
@given(FILES)
def test_printed_settings_read_back_as_the_same_settings(file: Mapping[str, object]) -> None:
    try:
        loaded = load_settings(yaml.safe_dump(file), {}).settings
    except SettingsError as error:
        raise AssertionError("\n".join(error.faults)) from error
    printed = render_settings(loaded)
    assert loaded == load_settings(printed, {}).settings
    assert loaded == load_settings(json.dumps(printable_settings(loaded)), {}).settings


def test_slimes_names_are_used_where_slime_has_any_and_read_back_as_the_same_settings() -> None:
    text = """
zookeeper_source:
  enabled: true
  address: ["zk:2181"]
  endpoint_selectors: [{match_labels: {some_key: a}, exclude_ip_ranges: {ips: [10.0.0.1]}}]
  watching_debounce: {trigger_count: 3, debounce_duration: 1m}
"""
    loaded = load_settings(text, {}).settings
    shown = slime_settings(loaded)

    source = shown["ZookeeperSource"]
    assert isinstance(source, dict)
    assert [
        {
            "matchLabels": {"some_key": "a"},
            "matchExpressions": [],
            "ExcludeIPRanges": {"IPs": ["10.0.0.1"], "CIDRs": []},
        }
    ] == source["EndpointSelectors"]
    assert ("10s", "1m0s") == (source["RefreshPeriod"], source["WatchingDebounce"]["DebounceDuration"])  # type: ignore[index, call-overload]
    assert loaded == load_settings(json.dumps(shown), {}).settings
