"""Settings of the ZooKeeper source (Slime's `ZookeeperSourceArgs`)."""

from typing import Annotated, Literal

from meshregistry.settings.fields import (
    LOWERED,
    Count,
    Duration,
    HostPort,
    PositiveDuration,
    Secret,
    Section,
    setting,
)
from meshregistry.settings.selection import ServiceSelector
from meshregistry.settings.source import Source, restate

NO_CONSUMERS = "-"
"""The value of `consumer_path` that switches the reading of consumers off."""


class WatchingDebounce(Section):
    """When a service that changes too often is read later."""

    trigger_count: int = setting(0, "So many changes in quick succession start it; 0 = never.", slime="TriggerCount")
    debounce_duration: Duration = setting(
        0.0, "A change so soon after the last reading is in quick succession.", slime="DebounceDuration"
    )
    delay: Duration = setting(
        0.0, "Wait before the reading; grows by itself with every further trigger_count of changes.", slime="Delay"
    )
    max_delay: Duration = setting(0.0, "The longest wait.", slime="MaxDelay")


class ZookeeperTls(Section):
    """TLS towards secure client ports."""

    enabled: bool = setting(False, "Speak TLS to every address.")
    ca: str = setting("", "File with the CAs to trust, PEM; empty = the system's.")
    certificate: str = setting("", "File with the client certificate's chain, PEM; empty = none.")
    key: str = setting("", "File with its private key, PEM; empty = in the certificate's file.")
    server_name: str = setting("", "The name the servers' certificates must bear; empty = the host of the address.")


class ZookeeperServer(Section):
    """One registry: an ensemble and the trees to read on it."""

    registry_id: str = setting("", "Tells registries apart; several of them need different ones.")
    address: tuple[HostPort, ...] = setting((), "The servers of one ensemble.", slime="Address")
    registry_root_node: str = setting("/dubbo", "The root node.", slime="RegistryRootNode")
    application_register_root_node: str = setting(
        "/services",
        "The root node of applications: Spring Cloud's, and those that Dubbo registers as a whole; empty = not read, "
        "as Slime does not support it.",
        slime="ApplicationRegisterRootNode",
        slime_profile="",
        slime_default="",
        slime_note="Applications that Dubbo 3 registers as a whole, and Spring Cloud's. Slime has the key and does not "
        "support it.",
    )
    chroot: str = setting("", "Put before every path.")
    username: str = setting("", "User of the digest scheme, or of SASL; empty = none.")
    password: Secret = setting(Secret(""), "Password for it.")
    sasl: bool = setting(False, "Log in by SASL DIGEST-MD5 and not by the digest scheme.")
    tls: ZookeeperTls = setting(ZookeeperTls(), "TLS towards the addresses.")


class ZookeeperSource(ZookeeperServer, Source):
    """Dubbo and Spring Cloud services from ZooKeeper."""

    enabled: bool = restate("enabled", False)
    refresh_period: Duration = restate("refresh_period", 10.0)
    label_patch: bool = restate("label_patch", False, slime_default=True)
    svc_protocol: str = restate("svc_protocol", "DUBBO")
    instance_port_as_svc_port: bool = restate("instance_port_as_svc_port", True)
    resource_ns: str = restate("resource_ns", "dubbo")

    ignore_label: tuple[str, ...] = setting(
        ("pid", "timestamp", "dubbo"), "URL parameters that do not become labels.", slime="IgnoreLabel"
    )
    connection_timeout: Duration = setting(30.0, "The session timeout to ask for.", slime="ConnectionTimeout")
    servers: tuple[ZookeeperServer, ...] = setting(
        (), "Several registries; when not empty the one given directly in this section is not used."
    )
    mode: Annotated[Literal["watching", "polling"], LOWERED] = setting(
        "watching",
        "Whether to watch nodes or to poll them.",
        slime="Mode",
        slime_default="polling",
        slime_note="Changes arrive at once, and a quiet registry costs nothing.",
    )
    watching_worker_count: Count = setting(
        32,
        "Workers that read services, in either mode; each asks for up to 16 services at once.",
        slime="WatchingWorkerCount",
        slime_default=10,
        slime_note="A worker is no thread here: more of them only shorten the first reading over a slow line. It "
        "counts in either mode.",
    )
    watching_resync_cron: str = setting(
        "",
        "When to read everything again while watching: comma-separated cron lines of five fields, or six with seconds "
        "first, or @every 5m, @daily, …; local time unless a line begins with TZ=Asia/Shanghai or the like; empty = "
        "none.",
        slime="WatchingResyncCron",
    )
    watching_resync_jitter: Duration = setting(60.0, "What a cron line asks for happens up to so much later.")
    watching_resync_period: Duration = setting(
        600.0, "The time between two complete readings while watching; 0 = only by watching_resync_cron."
    )
    watching_debounce: WatchingDebounce | None = setting(
        None, "Delays the reading of services that change too often; none = never.", slime="WatchingDebounce"
    )
    recursive_watch: bool = setting(
        True,
        "One watch per tree where the servers can (3.6). Off = one per node: needed where an ACL lets us list the "
        "providers of a service but not read their nodes, as servers then tell nothing of them.",
    )
    watching_backlog: Count = setting(
        50_000, "So many changed services wait at most; with more everything is read again.", unit="services"
    )
    settle_time: Duration = setting(
        60.0,
        "For so long after an outage (the session is lost, or no connection for 4s) nothing shrinks: owners whose "
        "sessions have ended meanwhile, or end after it, register again a little later. So long is held what servers "
        "that were away at the start lack of the saved snapshot; 0 = believe the servers at once.",
    )
    request_timeout: PositiveDuration = setting(30.0, "The longest one request may take, reconnects included.")
    connect_timeout: Duration = setting(
        0.0, "The longest one attempt to connect may take; 0 = a third of connection_timeout, between 0.5s and 5s."
    )
    max_frame_bytes: Count = setting(67_108_864, "A longer answer costs the connection.", unit="bytes")
    enable_configurator_meta: bool = setting(
        False, "Apply configurators and rule nodes; the istio profile always does.", slime="EnableConfiguratorMeta"
    )
    enable_dubbo_sidecar: bool = setting(
        False,
        "Generate Sidecar resources from consumers, for at most max_services applications.",
        slime="EnableDubboSidecar",
        slime_profile=True,
        slime_default=True,
        slime_note="A Sidecar limits what a workload can reach. With a stock istiod that is a decision for people, not "
        "a default.",
    )
    trim_dubbo_remove_dep_interval: Duration = setting(
        86_400.0,
        "How long a removed dependency stays in a Sidecar.",
        slime="TrimDubboRemoveDepInterval",
        slime_note="Each dependency for itself, from its removal on; in Slime any other change of calls ends it. An "
        "application that is gone loses its Sidecar then; Slime never deletes one.",
    )
    dubbo_workload_app_label: str = setting(
        "app", "The workload label that names the application.", slime="DubboWorkloadAppLabel"
    )
    self_consume: bool = setting(False, "Whether an application consumes what it provides.", slime="SelfConsume")
    single_app_service: bool = setting(
        False, "Copy the application of the first endpoint to the ServiceEntry.", slime="SingleAppService"
    )
    method_lb_service_selectors: tuple[ServiceSelector, ...] = setting(
        (), "Services with load balancing by method.", slime="MethodLBServiceSelectors"
    )
    host_suffix: str = setting("", "Appended to the host.", slime="HostSuffix")
    consumer_path: str = setting(
        "",
        f"The node of consumers below a service; empty = /consumers (with gateway_model: none), {NO_CONSUMERS} = none.",
        slime="ConsumerPath",
    )

    def active_servers(self) -> tuple[ZookeeperServer, ...]:
        """Return `servers`, or the one registry given directly in the section."""
        if self.servers:
            return self.servers
        return (ZookeeperServer(**{name: getattr(self, name) for name in ZookeeperServer.model_fields}),)
