"""From settings to the rooms' options: nothing is lost on the way."""

import pytest

from meshregistry.errors import SettingsError
from meshregistry.model.merge_policy import MergePolicy, MergeRule, Sharing
from meshregistry.model.policy import Profile
from meshregistry.model.service_entry import Location
from meshregistry.settings.load import load_settings
from meshregistry.settings.mcp import Mcp
from meshregistry.settings.root import Settings
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions, HoldOptions, Mode, TlsFiles
from meshregistry.sources.files.documents import Reading
from meshregistry.sources.files.options import FilesOptions
from meshregistry.sources.nacos.options import GrpcTls, WatchOptions
from meshregistry.sources.nacos.signature import AccessKey
from meshregistry.sources.polling import PollOptions
from meshregistry.store.guard import GuardPolicy
from meshregistry.wiring import (
    SOURCE_KINDS,
    ads_listeners,
    check_readable,
    eureka_options,
    http_options,
    nacos_options,
    registry_addresses,
    retired_rules,
    saved_terms,
    source_options,
    source_rules,
)
from meshregistry.xds.options import AdsOptions, Limits, TlsOptions
from meshregistry.xds.selection import Selection


def ads_options_of(mcp: Mcp) -> AdsOptions:
    (options,) = ads_listeners(mcp)
    return options


def load(text: str) -> Settings:
    return load_settings(text, {}).settings


EUREKA = "eureka_source: {enabled: true, address: ['http://127.0.0.1:8761/eureka']%s}\n"
NACOS = "nacos_source: {enabled: true, address: ['http://127.0.0.1:8848']%s}\n"


def test_without_a_source_nothing_is_converted() -> None:
    assert {} == source_rules(load(""))


ZOOKEEPER = "zookeeper_source: {enabled: true, address: ['zk1:2181', 'zk2:2182']}\n"


def test_every_registry_has_an_address_that_can_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    text = EUREKA % "" + NACOS % "" + ZOOKEEPER
    zookeeper = ("zk1", 2181), ("zk2", 2182)

    nacos = {"nacos": (("127.0.0.1", 8848),), "zookeeper": zookeeper}
    assert {"eureka": (("127.0.0.1", 8761),), **nacos} == registry_addresses(load(text))
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    assert {"eureka": (), **nacos} == registry_addresses(load(text))
    assert {} == registry_addresses(load(""))


def test_the_istio_profile_keeps_ports_and_marks_what_is_emptied() -> None:
    rules = source_rules(load(NACOS % "" + "guard: {empty_grace: 5s, delete_after: 1m, port_grace: 2m}"))

    assert ["nacos"] == list(rules)
    assert rules["nacos"].guard == GuardPolicy(5.0, 60.0, 120.0, mark_emptied=True, doubt_hold_s=30.0)
    assert rules["nacos"].conversion.profile is Profile.ISTIO
    assert rules["nacos"].conversion.location is Location.MESH_INTERNAL


def test_the_slime_profile_has_neither_and_its_entries_no_location() -> None:
    rules = source_rules(load("profile: slime\n" + NACOS % ""))

    assert rules["nacos"].guard == GuardPolicy(0.0, 600.0, 0.0, mark_emptied=False, mass_ratio=0.0, doubt_hold_s=30.0)
    assert rules["nacos"].conversion.profile is Profile.SLIME
    assert rules["nacos"].conversion.location is Location.MESH_EXTERNAL


def test_a_source_guards_by_its_own_settings() -> None:
    rules = source_rules(load(NACOS % ", guard: {empty_grace: 1s}" + "guard: {empty_grace: 5s, delete_after: 1m}"))

    assert (1.0, 60.0) == (rules["nacos"].guard.empty_grace_s, rules["nacos"].guard.delete_after_s)


@pytest.mark.parametrize("kind", ["nacos", "eureka", "zookeeper", "files"])
def test_the_numbers_of_the_guard_are_those_that_were_decided_on(kind: str) -> None:
    """In seconds, and 30 % of at least 10 endpoints: written out here, as a default that moves is a promise broken."""
    for guard in (retired_rules(load(""))[kind].guard, GuardPolicy()):
        assert (10.0, 600.0, None) == (guard.empty_grace_s, guard.delete_after_s, guard.max_stale_s)
        assert (0.3, 10, 600.0) == (guard.mass_ratio, guard.mass_min, guard.mass_hold_s)
        assert (600.0, 90.0) == (guard.port_grace_s, guard.stale_after_s)


def test_a_doubt_lasts_as_long_as_registries_of_a_kind_take_to_fill() -> None:
    guards = {kind: rules.guard.doubt_hold_s for kind, rules in retired_rules(load("")).items()}
    assert {"nacos": 30.0, "eureka": 90.0, "zookeeper": 60.0, "files": 600.0} == guards

    told = "nacos_source: {settle_time: 1s}\neureka_source: {hold: {duration: 2s}}\nzookeeper_source: {settle_time: 3s}"
    guards = {kind: rules.guard.doubt_hold_s for kind, rules in retired_rules(load(told)).items()}
    assert {"nacos": 1.0, "eureka": 2.0, "zookeeper": 3.0, "files": 600.0} == guards

    assert 0.0 == retired_rules(load("guard: {mass_ratio: 0}"))["files"].guard.doubt_hold_s


def test_a_source_that_is_switched_off_is_guarded_as_its_settings_say() -> None:
    off = "nacos_source: {guard: {empty_grace: 1s}, svc_port: 81}\nguard: {delete_after: 1m}\n"
    settings = load(off + EUREKA % "")

    rules = retired_rules(settings)
    assert ["nacos", "zookeeper", "files"] == list(rules)
    assert [1.0, 60.0, 81] == [
        rules["nacos"].guard.empty_grace_s,
        rules["files"].guard.delete_after_s,
        rules["nacos"].conversion.svc_port,
    ]
    terms = saved_terms(settings, source_rules(settings))
    assert ({*SOURCE_KINDS}, {"eureka"}) == ({*terms.policies}, {*terms.fingerprints})
    assert rules["zookeeper"].conversion == terms.policies["zookeeper"]


def test_conversion_options_reach_the_policy() -> None:
    text = """
nacos_source: {enabled: true, address: ["http://127.0.0.1:8848"], svc_port: 0, location: MESH_EXTERNAL, ns_host: false}
conversion: {locality_labels: [region, zone], endpoint_relabel_items: {a: b}, istio_revision: canary}
"""
    policy = source_rules(load(text))["nacos"].conversion

    assert (0, Location.MESH_EXTERNAL, False) == (policy.svc_port, policy.location, policy.ns_host)
    assert ("region", "zone", "") == policy.locality_labels
    assert (("a", "b"),) == policy.endpoint_relabel_items
    assert policy.revision == "canary"


def test_the_nacos_server_and_its_rhythm_reach_the_source() -> None:
    extra = ", namespace: dev, group: G, username: u, password: p, refresh_period: 5s, client_headers: {X-Team: mesh}"
    options = nacos_options(load(NACOS % extra + "registry_start_delay: 2s"))

    (server,) = options.servers
    assert ("http://127.0.0.1:8848",) == server.addresses
    assert [("dev", "G")] == list(server.scopes)
    assert ("u", "p") == (server.username, server.password)
    assert (5.0, 2.0) == (options.polling.refresh_period_s, options.polling.start_delay_s)
    assert (("X-Team", "mesh"),) == options.headers


def test_how_nacos_is_watched_reaches_the_source() -> None:
    extra = (
        ", mode: watching, all_namespaces: true, access_key: ak, secret_key: sk, grpc_port: 9, grpc_tls: true,"
        " grpc_tls_ca: ca.pem, list_period: 7s, resync_period: 60s, settle_time: 9s"
    )
    options = nacos_options(load(NACOS % extra))

    (server,) = options.servers
    assert (True, (), 9, GrpcTls("ca.pem")) == (server.all_namespaces, server.scopes, server.grpc_port, server.grpc_tls)
    assert AccessKey("ak", "sk") == server.access_key
    assert WatchOptions(is_optional=False, list_period_s=7.0) == options.watch
    assert (60.0, 9.0) == (options.resync_period_s, options.settle_s)


@pytest.mark.parametrize(
    ("text", "watch"),
    [
        (NACOS % "", WatchOptions()),
        (NACOS % ", mode: Polling", None),
        (f"profile: slime\n{NACOS % ''}", None),
        (f"profile: slime\n{NACOS % ', mode: auto'}", WatchOptions()),
    ],
)
def test_push_is_preferred_except_where_slime_polls(text: str, watch: WatchOptions | None) -> None:
    assert watch == nacos_options(load(text)).watch


def test_the_ads_address_and_limits_reach_the_server() -> None:
    options = ads_options_of(load("mcp: {server_url: 'xds://0.0.0.0:17000', version_stubs: off, max_streams: 7}").mcp)

    assert ("", 17000, False, 7) == (options.host, options.port, options.version_stubs, options.limits.max_streams)
    assert "127.0.0.1" == ads_options_of(load("mcp: {server_url: 'xds://127.0.0.1:1'}").mcp).host


def test_shards_listen_at_consecutive_ports_and_further_listeners_where_they_say() -> None:
    text = """
mcp:
  server_url: xds://127.0.0.1:17000
  shards: 2
  listeners: [{server_url: "xds://127.0.0.1:18000", namespaces: [prod], exported_to: [web]}]
"""
    listeners = ads_listeners(load(text).mcp)

    assert [
        (17000, Selection(shard=0, shards=2)),
        (17001, Selection(shard=1, shards=2)),
        (18000, Selection(namespaces=frozenset({"prod"}), exported_to=frozenset({"web"}))),
    ] == [(options.port, options.selection) for options in listeners]


def test_tls_and_the_allowed_peers_reach_the_server() -> None:
    tls = "{certificate: c.pem, key: k.pem, client_ca: ca.pem, client_names: [a], handshake_timeout: 3s}"
    options = ads_options_of(load(f"mcp: {{allowed_peers: [10.0.0.0/8], tls: {tls}}}").mcp)

    assert ("10.0.0.0/8",) == options.allowed_peers
    assert TlsOptions("c.pem", "k.pem", "ca.pem", handshake_timeout_s=3.0, client_names=("a",)) == options.tls
    assert ads_options_of(load("").mcp).tls is None


def test_the_bounds_of_connections_and_health_calls_reach_the_server() -> None:
    text = "mcp: {max_connections: 5, max_health_calls: 6, health_timeout: 7s}"
    limits = ads_options_of(load(text).mcp).limits

    assert Limits(max_connections=5, max_health_calls=6, health_timeout_s=7.0) == limits
    assert Limits() == ads_options_of(load("").mcp).limits
    assert Limits().max_connections >= Limits().max_streams + 100, "health checks find a place beside all streams"


def test_a_certificate_without_a_key_is_a_fault() -> None:
    with pytest.raises(SettingsError) as refused:
        load("mcp: {tls: {certificate: c.pem, require_client_certificate: true}}")

    assert ["mcp.tls.client_ca", "mcp.tls.key"] == sorted(fault.split(" ")[0] for fault in refused.value.faults)


def test_the_eureka_servers_and_their_rhythm_reach_the_source() -> None:
    extra = """, username: u, password: p, token: t, regions: [r], applications: [A], vips: [v], secure_vips: [s],
 resolve: true, registry_id: east, mode: polling, refresh_period: 7s, delta_interval: 2s, full_fetch_interval: 1m,
 include_status: [UP, down], host_names: true, lease_factor: 3, client_name: us, client_headers: {X-Team: mesh},
 hold: {ratio: 0.25, least: 3, duration: 5s}, tls: {ca: ca.pem, certificate: c.pem, key: k.pem, verify: false},
 quarantine: 9s, resolve_interval: 11s, wait_time: 13s, concurrency: 2, max_body_bytes: 99,
 request_timeout: 17s, connect_timeout: 19s"""

    assert EurekaOptions(
        servers=(
            EurekaServerOptions(
                registry_id="east",
                addresses=("http://127.0.0.1:8761/eureka",),
                username="u",
                password="p",
                token="t",
                regions=("r",),
                applications=("A",),
                vips=("v",),
                secure_vips=("s",),
                resolve=True,
            ),
        ),
        mode=Mode.POLLING,
        polling=PollOptions(refresh_period_s=7.0, start_delay_s=3.0),
        delta_period_s=2.0,
        full_period_s=60.0,
        wait_time_s=13.0,
        request_timeout_s=17.0,
        connect_timeout_s=19.0,
        concurrency=2,
        max_body_bytes=99,
        include_status=frozenset({"UP", "DOWN"}),
        host_names=True,
        lease_factor=3.0,
        hold=HoldOptions(ratio=0.25, least=3, hold_s=5.0),
        quarantine_s=9.0,
        resolve_period_s=11.0,
        headers=(("X-Team", "mesh"),),
        client_name="us",
        tls=TlsFiles(ca="ca.pem", certificate="c.pem", key="k.pem", verify=False),
    ) == eureka_options(load(EUREKA % extra + "registry_start_delay: 3s"))


def test_eureka_has_rules_of_its_own() -> None:
    rules = source_rules(load(EUREKA % ", svc_port: 81, app_suffix: team, guard: {empty_grace: 1s}"))

    assert ["eureka"] == list(rules)
    policy = rules["eureka"].conversion
    assert ("eureka", 81, "team", "eureka") == (
        policy.source,
        policy.svc_port,
        policy.dom_suffix,
        policy.default_service_ns,
    )
    assert 1.0 == rules["eureka"].guard.empty_grace_s


def test_the_token_and_aliases_reach_the_pages() -> None:
    options = http_options(load("http: {token: t, path_redirect: {/x: /meshregistry/xdsCache}}"))

    assert ("t", {"/x": "/meshregistry/xdsCache"}) == (options.token, dict(options.path_aliases))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (
            "zookeeper_source: {enabled: true, address: ['127.0.0.1:2181'], watching_resync_cron: '* *'}",
            "zookeeper_source.watching_resync_cron",
        ),
    ],
)
def test_what_cannot_be_read_yet_is_refused_rather_than_left_out(text: str, path: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_readable(load(text))

    assert [path] == [fault.split(":")[0] for fault in refused.value.faults]


def test_files_are_read_when_all_that_slime_wants_is_said() -> None:
    text = "k8s_source: {enabled: true, enable_config_file: %s, config_path: '%s', watch_config_files: true, "
    text += "resource_ns: mesh, excluded_resource_kinds: [Sidecar]}"

    assert {} == source_options(load(text % ("false", "/etc/mesh")))
    assert {} == source_options(load(text % ("true", "")))
    settings = load(text % ("true", "/etc/mesh"))
    kinds = frozenset({"Endpoints", "Namespace", "Node", "Pod", "Service", "Sidecar"})
    expected = FilesOptions(path="/etc/mesh", reading=Reading("mesh", Profile.ISTIO, kinds), is_watched=True)
    assert {"files": expected} == source_options(settings)
    assert "files" == source_rules(settings)["files"].conversion.source


def test_how_hosts_are_merged_reaches_every_source() -> None:
    merge = "merge: {policy: failover, order: [nacos], hosts: [{hosts: ['*.x'], policy: prefer, order: [eureka]}]}"
    rules = source_rules(load(NACOS % "" + EUREKA % "" + merge))

    expected = MergePolicy(
        MergeRule(("*",), Sharing.FAILOVER, ("nacos",)), (MergeRule(("*.x",), Sharing.PREFER, ("eureka",)),)
    )
    assert [expected, expected] == [each.conversion.merging for each in rules.values()]


def test_what_can_be_read_is_not_refused() -> None:
    check_readable(load(NACOS % "" + EUREKA % ""))


def test_only_a_listener_that_asks_for_it_speaks_slimes_dialect() -> None:
    text = """
mcp:
  server_url: xds://127.0.0.1:17000
  enable_inc_push: true
  clean_zombie_interval: 1m
  listeners:
  - {server_url: "xds://127.0.0.1:18000"}
  - {server_url: "xds://127.0.0.1:18001", enable_inc_push: true, incremental_marker: INC}
"""
    listeners = ads_listeners(load(text).mcp)

    assert [(17000, False), (18000, False), (18001, True)] == [(each.port, each.incremental) for each in listeners]
    assert ("INC", 60.0) == (listeners[2].incremental_marker, listeners[2].clean_zombie_interval_s)


def test_a_scope_counts_as_stale_after_three_readings_that_did_not_come() -> None:
    quick = source_rules(load(NACOS % ""))["nacos"].guard
    slow = source_rules(load(NACOS % ", refresh_period: 5m" + "guard: {max_stale: 1h}"))["nacos"].guard

    assert (90.0, None) == (quick.stale_after_s, quick.max_stale_s)
    assert (900.0, 3600.0) == (slow.stale_after_s, slow.max_stale_s)
