"""Macros, the guard per source, and fields that must fit together."""

import pytest

from meshregistry.errors import SettingsError
from meshregistry.settings.guard import Guard
from meshregistry.settings.load import load_settings
from meshregistry.settings.root import Settings
from meshregistry.settings.rules import find_conflicts, rectify
from meshregistry.settings.source import Source


def load(text: str) -> Settings:
    """Return the settings of a text of bare keys."""
    return load_settings(text, {}).settings


def faults(text: str) -> list[str]:
    """Return the faults of a text."""
    with pytest.raises(SettingsError) as caught:
        load(text)
    return caught.value.faults


NACOS = "nacos_source: {enabled: true, address: ['http://n:1']"
EUREKA = "eureka_source: {enabled: true, address: ['http://e:1/eureka']"
ZOOKEEPER = "zookeeper_source: {enabled: true, address: ['z:1']"


def test_gateway_model_of_nacos_and_eureka_turns_instance_ports_and_the_domain_suffix_off() -> None:
    settings = load(f"{NACOS}, gateway_model: true}}\n{EUREKA}, gateway_model: true}}")
    for source in (settings.nacos_source, settings.eureka_source):
        assert (False, False, 80) == (source.instance_port_as_svc_port, source.k8s_domain_suffix, source.svc_port)


def test_gateway_model_of_zookeeper_sets_port_suffix_and_sidecars() -> None:
    text = f"profile: slime\n{ZOOKEEPER}, gateway_model: true, svc_port: 7, host_suffix: x}}"
    source = load(text).zookeeper_source
    assert (80, False, ".dubbo", False) == (
        source.svc_port,
        source.instance_port_as_svc_port,
        source.host_suffix,
        source.enable_dubbo_sidecar,
    )


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("", "/consumers"),
        ("consumer_path: ''", "/consumers"),
        ("consumer_path: '-'", "-"),
        ("consumer_path: /c", "/c"),
        ("gateway_model: true", "-"),
        ("gateway_model: true, consumer_path: /c", "/c"),
        ("gateway_model: true, consumer_path: '-'", "-"),
    ],
)
def test_consumers_are_read_unless_switched_off(keys: str, path: str) -> None:
    assert path == load(f"zookeeper_source: {{{keys}}}").zookeeper_source.consumer_path


def test_the_nsf_macros_split_by_project_code_under_the_suffix_nsf() -> None:
    settings = load(f"{NACOS}, nsf_nacos: true}}\n{EUREKA}, nsf_eureka: true}}")
    assert (True, "nsf") == (settings.nacos_source.enable_project_code, settings.nacos_source.dom_suffix)
    assert (True, "nsf") == (settings.eureka_source.enable_project_code, settings.eureka_source.app_suffix)


def test_macros_of_a_disabled_source_expand_for_eureka_and_not_for_nacos() -> None:
    settings = load("nacos_source: {nsf_nacos: true, gateway_model: true}\neureka_source: {nsf_eureka: true}")
    assert ("", True) == (settings.nacos_source.dom_suffix, settings.nacos_source.k8s_domain_suffix)
    assert "nsf" == settings.eureka_source.app_suffix


def test_rectifying_twice_changes_nothing() -> None:
    text = f"{NACOS}, gateway_model: true, nsf_nacos: true}}\n{ZOOKEEPER}, gateway_model: true}}\n{EUREKA}}}"
    once = load(text)
    every = {(name, "guard", key) for name in once.sources() for key in Guard.model_fields}
    assert once == rectify(once, every)


def test_every_source_has_the_top_level_guard_unless_it_sets_its_own() -> None:
    settings = load("guard: {empty_grace: 5s, mass_min: 3}\nnacos_source: {guard: {empty_grace: 0, max_stale: 1h}}")
    assert Guard(empty_grace=5.0, mass_min=3) == settings.eureka_source.guard
    assert Guard(empty_grace=0.0, mass_min=3, max_stale=3600.0) == settings.nacos_source.guard


def test_a_source_may_lift_the_maximum_age_that_the_top_level_sets() -> None:
    settings = load("guard: {max_stale: 1h}\nnacos_source: {guard: {max_stale: none}}")
    assert (None, 3600.0) == (settings.nacos_source.guard.max_stale, settings.eureka_source.guard.max_stale)


def test_protection_is_on_in_the_profile_istio_and_off_in_the_profile_slime() -> None:
    assert Guard() == load("profile: istio").nacos_source.guard
    off = Guard(empty_grace=0.0, mass_ratio=0.0)
    assert off == load("profile: slime").nacos_source.guard
    assert off == load("nacos_source: {enable_empty_protection: false}").nacos_source.guard
    assert Guard() == load("profile: slime\nnacos_source: {EnableEmptyProtection: true}").nacos_source.guard


def test_what_the_top_level_guard_says_wins_over_a_default_switch_and_yields_to_an_explicit_one() -> None:
    text = "profile: slime\nguard: {empty_grace: 7}\n"
    assert Guard(empty_grace=7.0, mass_ratio=0.0) == load(text).nacos_source.guard
    switched = load(text + "nacos_source: {enable_empty_protection: false}")
    assert Guard(empty_grace=0.0, mass_ratio=0.0) == switched.nacos_source.guard


def test_the_guard_of_a_source_wins_over_its_switch() -> None:
    settings = load("nacos_source: {enable_empty_protection: false, guard: {empty_grace: 3}}")
    assert Guard(empty_grace=3.0, mass_ratio=0.0) == settings.nacos_source.guard


@pytest.mark.parametrize("source", ["nacos_source", "eureka_source", "zookeeper_source"])
@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ("mock_service_entry_name: all", "mock_service_name", "must be set when mock_service_entry_name is"),
        ("refresh_period: 0", "refresh_period", "must be longer than 0"),
        ("svc_protocol: ''", "svc_protocol", "must not be empty"),
        (
            "instance_port_as_svc_port: false, svc_port: 0",
            "svc_port",
            "must be set when instance_port_as_svc_port is false",
        ),
    ],
)
def test_fields_of_an_enabled_source_must_fit_together(source: str, keys: str, path: str, message: str) -> None:
    address = {"zookeeper_source": "z:1"}.get(source, "http://s:1")
    text = f"{source}:\n  {{enabled: true, address: ['{address}'], {keys}}}"
    assert [f"{source}.{path} (line 2): {message}"] == faults(text)
    load(text.replace("enabled: true", "enabled: false"))


@pytest.mark.parametrize("source", ["nacos_source", "eureka_source", "zookeeper_source"])
def test_an_enabled_source_needs_an_address(source: str) -> None:
    assert [f"{source}.address (line 1): an enabled source needs an address"] == faults(f"{source}: {{enabled: true}}")


@pytest.mark.parametrize("source", ["nacos_source", "eureka_source"])
def test_with_several_servers_each_needs_an_address_and_the_direct_one_is_not_looked_at(source: str) -> None:
    text = f"{source}:\n  enabled: true\n  servers:\n  - address: ['http://a:1']\n  - registry_id: b\n"
    assert [f"{source}.servers[1].address (line 5): an enabled source needs an address"] == faults(text)


def test_a_fault_in_a_field_hides_what_only_follows_from_it() -> None:
    text = "nacos_source:\n  enabled: true\n  address: [nacos]\n  refresh_period: x\n  mock_service_entry_name: all"
    paths = [line.split(" ")[0] for line in faults(text)]
    assert ["nacos_source.address[0]", "nacos_source.refresh_period", "nacos_source.mock_service_name"] == paths


def test_the_defaults_of_every_source_fit_together_but_for_the_address() -> None:
    sources: dict[str, Source] = {
        name: source.model_copy(update={"enabled": True}) for name, source in Settings().sources().items()
    }
    settings = Settings().model_copy(update=sources)
    assert {("nacos_source", "address"), ("eureka_source", "address"), ("zookeeper_source", "address")} == {
        conflict.path for conflict in find_conflicts(settings)
    }


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (
            r'"X-Key": "s3cret\r\nX-Evil: 1"',
            "X-Key (line 1): a header value cannot hold line breaks or control characters",
        ),
        (r'"X Key": s3cret', "['X Key'] (line 1): not a header name"),
        (r'"X-Key\n": s3cret', "['X-Key\\n'] (line 1): not a header name"),
    ],
)
def test_headers_that_no_request_could_carry_are_faults(header: str, fault: str) -> None:
    assert [fault] == [
        each.partition("client_headers")[2].removeprefix(".")
        for each in faults(f"{NACOS}, client_headers: {{{header}}}}}")
    ]


def test_headers_of_any_script_are_accepted() -> None:
    headers = load(f"{NACOS}, client_headers: {{X-Team: 网格 1}}}}").nacos_source.client_headers
    assert {"X-Team": "网格 1"} == {name: value.get_secret_value() for name, value in headers.items()}
