"""From settings to the option records of the rooms: pure, one function per room."""

from collections.abc import Mapping
from dataclasses import replace

from yarl import URL

from meshregistry.http.connections import ConnectionLimits
from meshregistry.http.server import HttpOptions
from meshregistry.kubernetes.watch import ClusterOptions
from meshregistry.model.policy import ConversionPolicy
from meshregistry.policies import conversion_policy, section_name
from meshregistry.policies_zookeeper import zookeeper_policy
from meshregistry.replica.options import ReplicaOptions, ReplicaTls
from meshregistry.settings.eureka import EurekaServer, EurekaSource
from meshregistry.settings.fields import ListenAddress, parse_listen
from meshregistry.settings.mcp import Listener, Mcp, Tls
from meshregistry.settings.nacos import NacosServer, NacosSource
from meshregistry.settings.root import Settings
from meshregistry.settings.source import Source
from meshregistry.settings.zookeeper import ZookeeperSource
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions, HoldOptions, Mode, TlsFiles
from meshregistry.sources.eureka.proxies import proxy_of
from meshregistry.sources.files.options import FilesOptions
from meshregistry.sources.nacos.options import GrpcTls, NacosOptions, NacosScope, NacosServerOptions, WatchOptions
from meshregistry.sources.nacos.signature import AccessKey
from meshregistry.sources.polling import PollOptions
from meshregistry.sources.zookeeper.options import ZooKeeperOptions
from meshregistry.sources.zookeeper.session.hosts import parse_host
from meshregistry.store.fingerprint import fingerprint_conversion
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.rules import SourceLimits, SourceRules
from meshregistry.store.saved import Terms
from meshregistry.wiring_files import files_options, reads_files
from meshregistry.wiring_zookeeper import zookeeper_options
from meshregistry.xds.options import AdsOptions, Limits, Rhythm, TlsOptions
from meshregistry.xds.selection import Selection

SourceOptions = NacosOptions | EurekaOptions | ZooKeeperOptions | FilesOptions
"""The options of a source of any kind."""

_LEAST_STALE_S = 90.0
_STALE_READINGS = 3

SOURCE_KINDS = ("nacos", "eureka", "zookeeper", "files")
"""Every kind that can be read; each has a page."""


def check_readable(settings: Settings) -> None:
    """Raise SettingsError when the settings ask for something that this version cannot read.

    Serving the rest would delete in every istiod what the missing part had delivered before.
    """
    if settings.zookeeper_source.enabled:
        zookeeper_options(settings)


def source_options(settings: Settings) -> dict[str, SourceOptions]:
    """Return the options of each enabled source by its kind."""
    options: dict[str, SourceOptions] = {}
    if settings.nacos_source.enabled:
        options["nacos"] = nacos_options(settings)
    if settings.eureka_source.enabled:
        options["eureka"] = eureka_options(settings)
    if settings.zookeeper_source.enabled:
        options["zookeeper"] = zookeeper_options(settings)
    if reads_files(settings):
        options["files"] = files_options(settings)
    return options


def source_rules(settings: Settings) -> dict[str, SourceRules]:
    """Return how the services of each enabled source are converted and guarded."""
    sources = settings.sources()
    return {
        kind: SourceRules(
            _source_policy(settings, kind),
            guard_policy(settings, sources[section_name(kind)]),
            _makes_sidecars(options),
            source_limits(sources[section_name(kind)]) if kind != "files" else SourceLimits(),
        )
        for kind, options in source_options(settings).items()
    }


def retired_rules(settings: Settings) -> dict[str, SourceRules]:
    """Return the same of each kind that is not enabled: what it said before is withdrawn under these."""
    sources, enabled = settings.sources(), source_options(settings)
    return {
        kind: SourceRules(_source_policy(settings, kind), guard_policy(settings, sources[section_name(kind)]))
        for kind in SOURCE_KINDS
        if kind not in enabled
    }


def source_limits(source: Source) -> SourceLimits:
    """Return how much of a source is taken; who writes files is trusted with everything."""
    return SourceLimits(source.max_services, source.max_instances)


def _source_policy(settings: Settings, kind: str) -> ConversionPolicy:
    return zookeeper_policy(settings) if kind == "zookeeper" else conversion_policy(settings, kind)


def _makes_sidecars(options: SourceOptions) -> bool:
    return isinstance(options, FilesOptions) or (isinstance(options, ZooKeeperOptions) and options.sidecars is not None)


def saved_terms(settings: Settings, rules: Mapping[str, SourceRules]) -> Terms:
    """Return by which settings a saved snapshot was or would be made, with the rules of each enabled source."""
    policies, created = {source: each.conversion for source, each in rules.items()}, settings.mcp.create_time
    prints = {source: fingerprint_conversion(policy, created) for source, policy in policies.items()}
    return Terms({source: each.conversion for source, each in retired_rules(settings).items()} | policies, prints)


def registry_addresses(settings: Settings) -> dict[str, tuple[tuple[str, int], ...]]:
    """Return where the registries of each enabled source listen; none of a source that is read through a proxy."""
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for kind, options in source_options(settings).items():
        if isinstance(options, ZooKeeperOptions):
            found[kind] = tuple(parse_host(host) for server in options.servers for host in server.session.hosts)
        elif not isinstance(options, FilesOptions):
            urls = [URL(address) for server in options.servers for address in server.addresses]
            is_proxied = isinstance(options, EurekaOptions) and any(proxy_of(url, "") for url in urls)
            found[kind] = () if is_proxied else tuple((url.host or "", url.port or 0) for url in urls)
    return found


def replica_options(settings: Settings) -> ReplicaOptions:
    """Return where the siblings are; those of a service with TLS speak TLS too."""
    section, mcp = settings.replicas, settings.mcp
    tls = ReplicaTls(section.ca, section.certificate, section.key, section.server_name)
    return ReplicaOptions(
        siblings=tuple(parse_listen(each) for each in section.siblings),
        own_ports=frozenset(options.port for options in ads_listeners(mcp)),
        connect_timeout_s=section.connect_timeout,
        takeover_timeout_s=section.takeover_timeout,
        resolve_interval_s=section.resolve_interval,
        max_message_bytes=section.max_message_bytes,
        max_state_bytes=section.max_state_bytes,
        tls=tls if mcp.tls.certificate else None,
    )


def cluster_options(settings: Settings) -> ClusterOptions:
    """Return which clusters' pods are looked up, and how; the wait for them is Slime's, twice the resync or 10 s."""
    k8s = settings.k8s
    return ClusterOptions(
        cluster_id=k8s.cluster_id,
        secrets_namespace=k8s.cluster_registries_namespace,
        kube_config=k8s.kube_config,
        api_server=k8s.api_server_url_for_deploy,
        resync_s=settings.resync_period,
        sync_timeout_s=2 * settings.resync_period or k8s.sync_timeout,
    )


def wants_pods(settings: Settings) -> bool:
    """Whether an enabled source puts labels of pods on its endpoints."""
    registries = (settings.nacos_source, settings.eureka_source, settings.zookeeper_source)
    return any(source.enabled and source.label_patch for source in registries)


def guard_policy(settings: Settings, source: Source) -> GuardPolicy:
    """Return a source's guard. The ports' grace and the mark of an emptied entry are the istio profile's alone."""
    is_istio = settings.profile == "istio"
    return GuardPolicy(
        empty_grace_s=source.guard.empty_grace,
        delete_after_s=source.guard.delete_after,
        port_grace_s=source.guard.port_grace if is_istio else 0.0,
        mark_emptied=is_istio,
        stale_after_s=max(_LEAST_STALE_S, _STALE_READINGS * _longest_period(source)),
        max_stale_s=source.guard.max_stale,
        mass_ratio=source.guard.mass_ratio,
        mass_min=source.guard.mass_min,
        mass_hold_s=source.guard.mass_hold,
        doubt_hold_s=_filling_time(source),
    )


def _filling_time(source: Source) -> float:
    """Return how long a registry takes to know its owners again, seconds.

    A folder has no owners who register again: what was there before is as doubtful as a large loss, if that is at all.
    """
    match source:
        case NacosSource() | ZookeeperSource():
            return source.settle_time
        case EurekaSource():
            return source.hold.duration
        case _:
            return source.guard.mass_hold if source.guard.mass_ratio > 0 else 0.0


def _longest_period(source: Source) -> float:
    """Return for how long a source leaves a scope alone that it reads without failures, seconds."""
    return max(source.refresh_period, source.resync_period if isinstance(source, NacosSource) else 0.0)


def nacos_options(settings: Settings) -> NacosOptions:
    """Return the options of the Nacos source."""
    source = settings.nacos_source
    return NacosOptions(
        servers=tuple(_nacos_server(server) for server in source.active_servers()),
        polling=PollOptions(refresh_period_s=source.refresh_period, start_delay_s=settings.registry_start_delay),
        watch=_nacos_watch(source),
        resync_period_s=source.resync_period,
        settle_s=source.settle_time,
        wait_time_s=source.wait_time,
        request_timeout_s=source.request_timeout,
        connect_timeout_s=source.connect_timeout,
        concurrency=source.concurrency,
        page_size=source.page_size,
        names_page_size=source.names_page_size,
        bulk_retry_polls=source.bulk_retry_polls,
        login_pause_s=source.login_pause,
        max_body_bytes=source.max_body_bytes,
        headers=tuple((name, value.get_secret_value()) for name, value in source.client_headers.items()),
    )


def eureka_options(settings: Settings) -> EurekaOptions:
    """Return the options of the Eureka source."""
    source = settings.eureka_source
    return EurekaOptions(
        servers=tuple(_eureka_server(server) for server in source.active_servers()),
        mode=Mode(source.mode),
        polling=PollOptions(refresh_period_s=source.refresh_period, start_delay_s=settings.registry_start_delay),
        delta_period_s=source.delta_interval,
        full_period_s=source.full_fetch_interval,
        wait_time_s=source.wait_time,
        request_timeout_s=source.request_timeout,
        connect_timeout_s=source.connect_timeout,
        concurrency=source.concurrency,
        max_body_bytes=source.max_body_bytes,
        include_status=frozenset(source.include_status),
        host_names=source.host_names,
        lease_factor=source.lease_factor,
        hold=HoldOptions(ratio=source.hold.ratio, least=source.hold.least, hold_s=source.hold.duration),
        quarantine_s=source.quarantine,
        resolve_period_s=source.resolve_interval,
        headers=tuple((name, value.get_secret_value()) for name, value in source.client_headers.items()),
        client_name=source.client_name,
        tls=TlsFiles(
            ca=source.tls.ca, certificate=source.tls.certificate, key=source.tls.key, verify=source.tls.verify
        ),
    )


def ads_listeners(mcp: Mcp) -> tuple[AdsOptions, ...]:
    """Return the options of every ADS listener: the shards at consecutive ports, then the further ones."""
    first = mcp.listen()
    shards = [
        _ads_options(mcp, ListenAddress(first.host, first.port + shard), Selection(shard=shard, shards=mcp.shards))
        for shard in range(mcp.shards)
    ]
    return (*shards, *(_further_options(mcp, listener) for listener in mcp.listeners))


def _further_options(mcp: Mcp, listener: Listener) -> AdsOptions:
    selection = Selection(namespaces=frozenset(listener.namespaces), exported_to=frozenset(listener.exported_to))
    return replace(
        _ads_options(mcp, listener.listen(), selection),
        incremental=listener.enable_inc_push,
        incremental_marker=listener.incremental_marker,
        clean_zombie_interval_s=mcp.clean_zombie_interval,
    )


def _ads_options(mcp: Mcp, address: ListenAddress, selection: Selection) -> AdsOptions:
    return AdsOptions(
        host="" if address.host in ("", "0.0.0.0", "::") else address.host,
        port=address.port,
        selection=selection,
        send_timeout_s=mcp.send_timeout,
        drain_timeout_s=mcp.drain_timeout,
        version_stubs=mcp.version_stubs == "auto",
        strict_revision=mcp.strict_istio_rev,
        extra_revisions=tuple(mcp.extra_rev_map.items()),
        control_plane=mcp.control_plane_id or "meshregistry",
        allowed_peers=mcp.allowed_peers,
        tls=_tls_options(mcp.tls),
        rhythm=Rhythm(
            push_pause_s=mcp.push_pause,
            delta_push_pause_s=mcp.delta_push_pause,
            ack_timeout_s=mcp.ack_timeout,
            full_push_interval_s=mcp.full_push_interval,
        ),
        limits=Limits(
            max_request_bytes=mcp.max_request_bytes,
            max_connections=mcp.max_connections,
            max_streams=mcp.max_streams,
            new_streams_per_s=mcp.new_streams_per_second,
            new_streams_burst=mcp.new_streams_burst,
            max_types=mcp.max_types,
            max_names=mcp.max_names,
            max_health_calls=mcp.max_health_calls,
            health_timeout_s=mcp.health_timeout,
            max_delta_bytes=mcp.max_delta_bytes,
        ),
    )


def http_options(settings: Settings) -> HttpOptions:
    """Return the options of the HTTP server."""
    return HttpOptions(
        aux_addr=settings.aux_addr,
        http_server_addr=settings.http_server_addr,
        path_aliases=settings.http.path_redirect,
        token=settings.http.token.get_secret_value(),
        limits=ConnectionLimits(
            connections=settings.http.max_connections,
            head_s=settings.http.head_timeout,
            idle_s=settings.http.idle_timeout,
            send_s=settings.http.send_timeout,
        ),
        send_timeout_s=settings.http.send_timeout,
        stop_timeout_s=settings.http.stop_timeout,
    )


def _tls_options(tls: Tls) -> TlsOptions | None:
    if not tls.certificate:
        return None
    return TlsOptions(
        certificate=tls.certificate,
        key=tls.key,
        client_ca=tls.client_ca,
        require_client_certificate=tls.require_client_certificate,
        handshake_timeout_s=tls.handshake_timeout,
        client_names=tls.client_names,
    )


def _nacos_server(server: NacosServer) -> NacosServerOptions:
    return NacosServerOptions(
        registry_id=server.registry_id,
        addresses=server.address,
        scopes=tuple(NacosScope(namespace, group) for namespace, group in server.scopes()),
        username=server.username,
        password=server.password.get_secret_value(),
        access_key=_access_key(server),
        all_namespaces=server.all_namespaces,
        grpc_port=server.grpc_port,
        grpc_port_offset=server.grpc_port_offset,
        grpc_tls=_grpc_tls(server),
    )


def _nacos_watch(source: NacosSource) -> WatchOptions | None:
    if source.mode == "polling":
        return None
    return WatchOptions(
        is_optional=source.mode == "auto",
        list_period_s=source.list_period,
        subscribe_concurrency=source.subscribe_concurrency,
        max_subscriptions=source.max_subscriptions,
    )


def _access_key(server: NacosServer) -> AccessKey | None:
    if not server.access_key:
        return None
    return AccessKey(server.access_key, server.secret_key.get_secret_value(), server.security_token.get_secret_value())


def _grpc_tls(server: NacosServer) -> GrpcTls | None:
    if not server.grpc_tls:
        return None
    return GrpcTls(server.grpc_tls_ca, server.grpc_tls_certificate, server.grpc_tls_key)


def _eureka_server(server: EurekaServer) -> EurekaServerOptions:
    return EurekaServerOptions(
        registry_id=server.registry_id,
        addresses=server.address,
        username=server.username,
        password=server.password.get_secret_value(),
        token=server.token.get_secret_value(),
        regions=server.regions,
        applications=server.applications,
        vips=server.vips,
        secure_vips=server.secure_vips,
        resolve=server.resolve,
    )
