"""Settings of the ZooKeeper source (Slime's `ZookeeperSourceArgs`)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from meshregistry.settings.fields import LOWERED, Count, Duration, HostPort, Section, setting
from meshregistry.settings.selection import ServiceSelector
from meshregistry.settings.source import Source, restate

NO_CONSUMERS = "-"
"""The value of `consumer_path` that switches the reading of consumers off."""


class WatchingDebounce(Section):
    """Collects changes of a service before they are converted."""

    trigger_count: int = setting(0, "Changes that end the wait at once.", slime="TriggerCount")
    debounce_duration: Duration = setting(0.0, "Quiet time that ends the wait.", slime="DebounceDuration")
    delay: Duration = setting(0.0, "Wait before the first conversion.", slime="Delay")
    max_delay: Duration = setting(0.0, "The longest wait.", slime="MaxDelay")


class ZookeeperSource(Source):
    """Dubbo and Spring Cloud services from ZooKeeper."""

    ignored: ClassVar[Mapping[str, str]] = {"ApplicationRegisterRootNode": "Slime does not support it"}

    enabled: bool = restate("enabled", False, later="the ZooKeeper source")
    refresh_period: Duration = restate("refresh_period", 10.0)
    label_patch: bool = restate("label_patch", False, slime_default=True)
    svc_protocol: str = restate("svc_protocol", "DUBBO")
    instance_port_as_svc_port: bool = restate("instance_port_as_svc_port", True)
    resource_ns: str = restate("resource_ns", "dubbo")

    address: tuple[HostPort, ...] = setting((), "The servers of one ensemble.", slime="Address")
    ignore_label: tuple[str, ...] = setting(
        ("pid", "timestamp", "dubbo"), "URL parameters that do not become labels.", slime="IgnoreLabel"
    )
    connection_timeout: Duration = setting(30.0, "The session timeout to ask for.", slime="ConnectionTimeout")
    registry_root_node: str = setting("/dubbo", "The root node.", slime="RegistryRootNode")
    mode: Annotated[Literal["watching", "polling"], LOWERED] = setting(
        "watching", "Whether to watch nodes or to poll them.", slime="Mode", slime_default="polling"
    )
    watching_worker_count: Count = setting(10, "Services converted at once.", slime="WatchingWorkerCount")
    watching_resync_cron: str = setting(
        "", "When to read everything again, as comma-separated cron lines; empty = never.", slime="WatchingResyncCron"
    )
    watching_debounce: WatchingDebounce | None = setting(
        None, "Collects changes before conversion; none = convert at once.", slime="WatchingDebounce"
    )
    enable_configurator_meta: bool = setting(False, "Read configurators as well.", slime="EnableConfiguratorMeta")
    enable_dubbo_sidecar: bool = setting(
        False,
        "Generate Sidecar resources from consumers.",
        slime="EnableDubboSidecar",
        slime_profile=True,
        slime_default=True,
    )
    trim_dubbo_remove_dep_interval: Duration = setting(
        86_400.0, "How long a removed dependency stays in a Sidecar.", slime="TrimDubboRemoveDepInterval"
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
