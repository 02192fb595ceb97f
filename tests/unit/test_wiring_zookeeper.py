"""From settings to the options of the ZooKeeper source: nothing is lost on the way."""

import pytest

from meshregistry.errors import SettingsError
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.policy import Profile
from meshregistry.model.service_entry import Kind
from meshregistry.settings.load import load_settings
from meshregistry.settings.root import Settings
from meshregistry.sources.polling import PollOptions
from meshregistry.sources.zookeeper.options import (
    DebounceOptions,
    Mode,
    ResyncOptions,
    ZooKeeperOptions,
    ZooKeeperServerOptions,
)
from meshregistry.sources.zookeeper.session import SessionOptions, TlsFiles
from meshregistry.wiring import source_rules
from meshregistry.wiring_zookeeper import held_kinds, zookeeper_options

ZOOKEEPER = "zookeeper_source: {enabled: true, address: ['zk:2181']%s}\n"


def load(text: str) -> Settings:
    return load_settings(text, {}).settings


def test_defaults_watch_dubbo_and_applications() -> None:
    expected = ZooKeeperOptions(
        servers=(ZooKeeperServerOptions(session=SessionOptions(hosts=("zk:2181",))),),
        ignored_params=frozenset({"pid", "timestamp", "dubbo", "token"}),
        settle_s=60.0,
    )
    assert expected == zookeeper_options(load(ZOOKEEPER % ""))


def test_the_slime_profile_polls_makes_sidecars_and_reads_neither_rules_nor_applications() -> None:
    options = zookeeper_options(load("profile: slime\n" + ZOOKEEPER % ", mode: polling"))

    assert (Mode.POLLING, False) == (options.mode, options.apply_rules)
    assert ("", "consumers") == (options.servers[0].application_root, options.consumers)
    assert options.sidecars is not None
    assert Profile.SLIME is options.sidecars.conversion.profile
    assert (86_400.0, False, "DUBBO") == (
        options.sidecars.remove_after_s,
        options.sidecars.self_consume,
        options.sidecars.policy.protocol,
    )
    assert frozenset({"pid", "timestamp", "dubbo"}) == options.ignored_params


def test_every_key_reaches_its_option() -> None:
    text = """
registry_start_delay: 7s
zookeeper_source:
  enabled: true
  address: ["a:1", "[::1]:2"]
  registry_id: east
  registry_root_node: foo/bar/
  application_register_root_node: /apps
  chroot: /jail
  username: reader
  password: s3cret
  tls: {enabled: true, ca: ca.pem, certificate: c.pem, key: k.pem, server_name: zk}
  refresh_period: 20s
  connection_timeout: 12s
  request_timeout: 3s
  connect_timeout: 2s
  max_frame_bytes: 1000
  watching_worker_count: 5
  watching_resync_cron: "*/5 * * * *,@daily"
  watching_resync_jitter: 4s
  watching_resync_period: 1m
  watching_debounce: {trigger_count: 3, debounce_duration: 5s, delay: 1s, max_delay: 10s}
  watching_backlog: 99
  recursive_watch: false
  wait_time: 8s
  settle_time: 9s
  consumer_path: /users
  enable_dubbo_sidecar: true
  self_consume: true
  host_suffix: .x
"""
    options = zookeeper_options(load(text))

    assert options.sidecars is not None
    assert options.sidecars.self_consume
    assert options.sidecars.conversion.dubbo == DubboPolicy(host_suffix=".x")
    session = SessionOptions(
        hosts=("a:1", "[::1]:2"),
        session_timeout_s=12.0,
        chroot="/jail",
        digest_auth=(("reader", "s3cret"),),
        tls=TlsFiles(ca="ca.pem", certificate="c.pem", key="k.pem", server_name="zk"),
        request_timeout_s=3.0,
        connect_timeout_s=2.0,
        max_frame_bytes=1000,
    )
    assert (
        ZooKeeperOptions(
            servers=(
                ZooKeeperServerOptions(registry_id="east", session=session, root="/foo/bar", application_root="/apps"),
            ),
            polling=PollOptions(refresh_period_s=20.0, start_delay_s=7.0),
            resync=ResyncOptions(period_s=60.0, cron=("*/5 * * * *", "@daily"), jitter_s=4.0),
            debounce=DebounceOptions(trigger_count=3, duration_s=5.0, delay_s=1.0, max_delay_s=10.0),
            recursive=False,
            concurrency=5,
            backlog=99,
            settle_s=9.0,
            wait_time_s=8.0,
            consumers="users",
            ignored_params=frozenset({"pid", "timestamp", "dubbo", "token"}),
            sidecars=options.sidecars,
        )
        == options
    )
    assert "s3cret" not in repr(options)


def test_sasl_takes_the_place_of_the_digest_scheme() -> None:
    (server,) = zookeeper_options(load(ZOOKEEPER % ", username: u, password: p, sasl: true")).servers
    assert (("u", "p"), ()) == (server.session.sasl, server.session.digest_auth)


def test_several_registries_are_told_apart_by_their_ids() -> None:
    servers = "servers: [{registry_id: a, address: ['a:1']}, {registry_id: b, address: ['b:1'], username: u}]"
    options = zookeeper_options(load(f"zookeeper_source: {{enabled: true, {servers}}}"))
    assert ["a", "b"] == [server.registry_id for server in options.servers]
    assert [(), (("u", ""),)] == [server.session.digest_auth for server in options.servers]

    with pytest.raises(SettingsError, match="id of another registry"):
        load(f"zookeeper_source: {{enabled: true, {servers.replace('id: b', 'id: a')}}}")


@pytest.mark.parametrize("root", ["/", "' '", "''"])
def test_the_root_node_is_below_the_root(root: str) -> None:
    with pytest.raises(SettingsError, match="registry_root_node"):
        load(ZOOKEEPER % f", registry_root_node: {root}")


def test_a_cron_line_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="watching_resync_cron: '\\* \\*' is no cron line"):
        zookeeper_options(load(ZOOKEEPER % ", watching_resync_cron: '* *'"))


@pytest.mark.parametrize(
    ("keys", "sidecars"),
    [
        ("", False),
        (", enable_dubbo_sidecar: true", True),
        (", enable_dubbo_sidecar: true, consumer_path: '-'", False),
        (", enable_dubbo_sidecar: true, gateway_model: true", False),
    ],
)
def test_sidecars_are_held_back_only_where_they_are_made(keys: str, sidecars: bool) -> None:
    settings = load(ZOOKEEPER % keys)
    assert sidecars == (zookeeper_options(settings).sidecars is not None)
    assert sidecars == (Kind.SIDECAR in held_kinds(settings))
    assert sidecars == source_rules(settings)["zookeeper"].makes_sidecars
