"""What will differ from Slime for one file: only what concerns this file."""

import pytest

from meshregistry.settings.differences import FileDifferences, find_differences
from meshregistry.settings.load import load_settings

WRAPPER = """
name: meshregistry
kind: meshregistry
general:
  LEGACY:
"""


def differences(*lines: str, **environ: str) -> FileDifferences:
    """Return what differs for these lines inside a module configuration."""
    return find_differences(load_settings(WRAPPER + "".join(f"    {line}\n" for line in lines), environ))


NACOS = "NacosSource: {Enabled: true, Address: ['http://n:1']%s}"
EUREKA = "EurekaSource: {Enabled: true, Address: ['http://e:1/eureka']%s}"


def paths(lines: tuple[str, ...]) -> set[str]:
    return {line.partition(":")[0].partition(" (")[0] for line in lines}


def test_a_default_that_the_file_relies_on_is_named_with_both_values_and_the_reason() -> None:
    lines = differences(EUREKA % "").defaults

    (line,) = (line for line in lines if line.startswith("eureka_source.mode:"))
    assert line.startswith("eureka_source.mode: delta, in Slime polling. Changes every few seconds")


def test_a_default_that_the_file_or_the_environment_sets_is_not_named() -> None:
    assert "eureka_source.mode" not in paths(differences(EUREKA % ", mode: polling").defaults)
    assert "mcp.send_timeout" in paths(differences(EUREKA % "").defaults)
    assert "mcp.send_timeout" not in paths(differences(EUREKA % "", XDS_SEND_TIMEOUT="7s").defaults)


def test_sources_that_are_off_do_not_matter() -> None:
    named = {path.partition(".")[0] for path in paths(differences(EUREKA % "").defaults)}

    assert {"eureka_source"} == {section for section in named if section.endswith("_source")}


def test_what_the_profile_keeps_as_in_slime_is_not_named() -> None:
    wrapped = paths(differences("ZookeeperSource: {Enabled: true, Address: ['z:2181']}").defaults)
    bare = paths(find_differences(load_settings("zookeeper_source: {enabled: true, address: ['z:2181']}", {})).defaults)

    assert {"zookeeper_source.enable_dubbo_sidecar", "zookeeper_source.location"} <= bare - wrapped
    assert {"zookeeper_source.mode"} <= bare & wrapped


def test_a_key_that_slime_ignores_for_a_source_is_named_with_its_line() -> None:
    key = ", ServiceNaming: {Items: [{Kind: static, Value: x}]}"

    assert ("eureka_source.service_naming (line 7): has effect here; Slime ignores it for this source",) == differences(
        "# a comment", EUREKA % key
    ).keys[:1]
    assert () == differences(NACOS % key).keys


def test_a_key_that_means_something_else_is_named() -> None:
    assert ["mcp.enable_anno_res_ver (line 6)"] == [
        line.partition(":")[0] for line in differences("Mcp: {EnableAnnoResVer: false}").keys
    ]


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ([NACOS % ""], "Nacos:"),
        ([EUREKA % ""], "Eureka:"),
        (["ZookeeperSource: {Enabled: true, Address: ['z:2181']}"], "ZooKeeper:"),
        (["ZookeeperSource: {Enabled: true, Address: ['z:2181']}"], "Sidecars"),
        (["K8SSource: {Enabled: true, EnableConfigFile: true, ConfigPath: /x}"], "Static files:"),
    ],
)
def test_behaviours_are_those_of_the_enabled_sources(lines: list[str], word: str) -> None:
    assert any(line.startswith(word) for line in differences(*lines).behaviours)
    assert not any(line.startswith(word) for line in differences().behaviours)


def test_waiting_for_ever_is_named_unless_every_source_has_a_wait_time() -> None:
    assert any("are held until" in line for line in differences(NACOS % "").behaviours)
    assert not any("are held until" in line for line in differences(NACOS % ", WaitTime: 10s").behaviours)


def test_a_bare_file_is_told_of_its_profile() -> None:
    bare = find_differences(load_settings("nacos_source: {enabled: true, address: ['http://n:1']}", {}))

    assert any(line.startswith("profile istio:") for line in bare.behaviours)
    assert not any(line.startswith("profile istio:") for line in differences(NACOS % "").behaviours)
