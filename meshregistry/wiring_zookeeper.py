"""From settings to the options of the ZooKeeper source: pure."""

from meshregistry.errors import SettingsError
from meshregistry.model.service_entry import Kind
from meshregistry.policies_zookeeper import applies_rules, ignored_params, sidecar_rules
from meshregistry.settings.root import Settings
from meshregistry.settings.zookeeper import NO_CONSUMERS, WatchingDebounce, ZookeeperServer, ZookeeperSource
from meshregistry.sources.polling import PollOptions
from meshregistry.sources.zookeeper.layout import clean_path
from meshregistry.sources.zookeeper.options import (
    DebounceOptions,
    Mode,
    ResyncOptions,
    SidecarOptions,
    ZooKeeperOptions,
    ZooKeeperServerOptions,
)
from meshregistry.sources.zookeeper.schedule import split_lines
from meshregistry.sources.zookeeper.session import SessionOptions, TlsFiles
from meshregistry.wiring_files import reads_files


def zookeeper_options(settings: Settings) -> ZooKeeperOptions:
    """Return the options of the ZooKeeper source; raises SettingsError for cron lines that are none."""
    source = settings.zookeeper_source
    return ZooKeeperOptions(
        servers=tuple(_server(source, server) for server in source.active_servers()),
        mode=Mode(source.mode),
        polling=PollOptions(refresh_period_s=source.refresh_period, start_delay_s=settings.registry_start_delay),
        resync=ResyncOptions(
            period_s=source.watching_resync_period,
            cron=_cron_lines(source.watching_resync_cron),
            jitter_s=source.watching_resync_jitter,
        ),
        debounce=_debounce(source.watching_debounce),
        recursive=source.recursive_watch,
        concurrency=source.watching_worker_count,
        backlog=source.watching_backlog,
        settle_s=source.settle_time,
        wait_time_s=source.wait_time,
        consumers=source.consumer_path.strip("/"),
        apply_rules=applies_rules(settings),
        ignored_params=ignored_params(settings),
        sidecars=_sidecars(settings),
    )


def held_kinds(settings: Settings) -> frozenset[Kind]:
    """Return the kinds that sources produce: they must not be served before everything has been read."""
    with_sidecars = settings.zookeeper_source.enabled and _sidecars(settings) is not None
    with_files = reads_files(settings)
    return frozenset({Kind.SERVICE_ENTRY, Kind.SIDECAR} if with_sidecars or with_files else {Kind.SERVICE_ENTRY})


def _server(source: ZookeeperSource, server: ZookeeperServer) -> ZooKeeperServerOptions:
    return ZooKeeperServerOptions(
        registry_id=server.registry_id,
        session=_session(source, server),
        root=clean_path(server.registry_root_node),
        application_root=clean_path(server.application_register_root_node),
    )


def _session(source: ZookeeperSource, server: ZookeeperServer) -> SessionOptions:
    credentials = (server.username, server.password.get_secret_value()) if server.username else None
    tls = server.tls
    return SessionOptions(
        hosts=server.address,
        session_timeout_s=source.connection_timeout,
        chroot=clean_path(server.chroot),
        digest_auth=(credentials,) if credentials and not server.sasl else (),
        sasl=credentials if server.sasl else None,
        tls=TlsFiles(ca=tls.ca, certificate=tls.certificate, key=tls.key, server_name=tls.server_name)
        if tls.enabled
        else None,
        request_timeout_s=source.request_timeout,
        connect_timeout_s=source.connect_timeout,
        max_frame_bytes=source.max_frame_bytes,
    )


def _sidecars(settings: Settings) -> SidecarOptions | None:
    """Return how Sidecars come from consumers, None where no consumers are to be read."""
    rules = sidecar_rules(settings)
    if rules is None or settings.zookeeper_source.consumer_path.strip("/") in ("", NO_CONSUMERS):
        return None
    return SidecarOptions(
        policy=rules.policy,
        conversion=rules.conversion,
        remove_after_s=rules.remove_after_s,
        self_consume=rules.self_consume,
        max_applications=settings.zookeeper_source.max_services,
    )


def _debounce(debounce: WatchingDebounce | None) -> DebounceOptions | None:
    if debounce is None or debounce.trigger_count <= 0:
        return None
    return DebounceOptions(
        trigger_count=debounce.trigger_count,
        duration_s=debounce.debounce_duration,
        delay_s=debounce.delay,
        max_delay_s=debounce.max_delay,
    )


def _cron_lines(text: str) -> tuple[str, ...]:
    try:
        return split_lines(text)
    except ValueError as error:
        raise SettingsError([f"zookeeper_source.watching_resync_cron: {error}"]) from None
