"""What a reload does, decided from two settings."""

import pytest

from meshregistry.changes import Plan, compose, find_objections, keep_fixed, plan_changes
from meshregistry.settings.load import Loaded, load_settings

NACOS = "nacos_source: {enabled: true, address: ['http://127.0.0.1:8848']%s}\n"
EUREKA = "eureka_source: {enabled: true, address: ['http://127.0.0.1:8761/eureka']%s}\n"
BOTH = NACOS % "" + EUREKA % ""


def load(text: str) -> Loaded:
    return load_settings(text, {})


def plan(running: str, wanted: str) -> Plan:
    return plan_changes(compose(load(running).settings), compose(load(wanted).settings))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (BOTH, Plan()),
        (NACOS % "", Plan(stop=("eureka",))),
        (BOTH + "log: {level: debug}", Plan()),
        (NACOS % ", refresh_period: 7s" + EUREKA % "", Plan(restart=("nacos",))),
        (NACOS % "" + EUREKA % ", svc_port: 81", Plan(restart=("eureka",))),
        (NACOS % "" + EUREKA % ", guard: {empty_grace: 1s}", Plan(reguard=("eureka",))),
        (NACOS % ", svc_port: 1, guard: {empty_grace: 1s}" + EUREKA % "", Plan(restart=("nacos",))),
        (BOTH + "conversion: {istio_revision: canary}", Plan(restart=("eureka", "nacos"))),
        (NACOS % ", max_services: 7" + EUREKA % "", Plan(reguard=("nacos",))),
        (BOTH + "guard: {delete_after: 1s}", Plan(reguard=("eureka", "nacos"))),
    ],
)
def test_only_what_differs_is_touched(wanted: str, expected: Plan) -> None:
    assert expected == plan(BOTH, wanted)
    assert expected.is_empty == (expected == Plan())


def test_a_source_that_is_new_is_started() -> None:
    assert Plan(start=("eureka",)) == plan(NACOS % "", BOTH)


def test_what_only_a_start_reads_stays_and_is_named() -> None:
    running = load(NACOS % "").settings
    wanted = load(
        NACOS % ", svc_port: 81"
        + "aux_addr: ':9'\nmcp: {shards: 2, tls: {certificate: c, key: k}}\n"
        + "conversion: {virtual_addresses: '', istio_revision: canary}\n"
    ).settings

    effective, waiting = keep_fixed(running, wanted)

    assert ("aux_addr", "conversion.virtual_addresses", "mcp.shards", "mcp.tls.certificate", "mcp.tls.key") == waiting
    assert (running.mcp, running.aux_addr) == (effective.mcp, effective.aux_addr)
    assert "241.0.0.0/8" == effective.conversion.virtual_addresses
    assert (81, "canary") == (effective.nacos_source.svc_port, effective.conversion.istio_revision)


@pytest.mark.parametrize("text", ["", "# nothing", "general: {}", "general: {LEGACY: {}}", "general: {LEGACY: null}"])
def test_an_empty_file_is_no_settings(text: str) -> None:
    assert ["settings: the file holds none"] == find_objections(load(NACOS % ""), load(text))


def test_a_reload_that_leaves_no_source_is_refused() -> None:
    (fault,) = find_objections(load(NACOS % ""), load("nacos_source: {enabled: false}"))
    assert "no source is enabled" in fault
    assert [] == find_objections(load("log: {level: debug}"), load("log: {level: info}"))


def test_a_key_that_slime_ignores_is_refused_only_when_it_is_new() -> None:
    wrapper = "general: {LEGACY: {NacosSource: {Enabled: true, Address: ['http://127.0.0.1:8848'], Colour: red%s}}}"
    running = load(wrapper % "")

    assert [] == find_objections(running, load(wrapper % ", Namespace: dev"))
    (fault,) = find_objections(running, load(wrapper % ", Namespce: dev"))
    assert fault.startswith("nacos_source.Namespce: unknown key")
