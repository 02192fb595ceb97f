"""The root of the settings (Slime's `RegistryArgs` and what we add)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from meshregistry.settings.admin import Admin
from meshregistry.settings.eureka import EurekaSource
from meshregistry.settings.fields import (
    LOWERED,
    Count,
    Duration,
    OptionalIpv4Range,
    OptionalListen,
    PositiveDuration,
    Secret,
    Section,
    setting,
)
from meshregistry.settings.guard import Guard
from meshregistry.settings.kubernetes import Kubernetes, KubernetesSource
from meshregistry.settings.mcp import Mcp
from meshregistry.settings.merge import Merge
from meshregistry.settings.nacos import NacosSource
from meshregistry.settings.reload import Reload
from meshregistry.settings.replicas import Replicas
from meshregistry.settings.source import Source
from meshregistry.settings.zookeeper import ZookeeperSource

Profile = Literal["istio", "slime"]
_UNUSED = "Slime never reads it"


class Conversion(Section):
    """How instances become ServiceEntries, for every source (environment variables in Slime)."""

    locality_labels: Annotated[tuple[str, ...], Field(max_length=3)] = setting(
        (), "Labels for region, zone and subzone, looked at before the usual ones; an empty one is skipped."
    )
    endpoint_relabel_items: Mapping[str, str] = setting(
        {}, "Endpoint labels to copy: from → to; in profile istio to none that steers the mesh."
    )
    istio_revision: str = setting("", "Value of the label istio.io/rev on every resource; empty = none.")
    registry_id_meta_key: str = setting("registry-id", "Instance metadata key that gets the registry id.")
    skip_validate_label_value: bool = setting(
        False, "Accept any label value; profile slime only, as istiod rejects the whole entry."
    )
    se_label_selector_keys: tuple[str, ...] = setting(
        ("app",), "Labels that a ServiceEntry takes from its endpoints: key, key:newKey or $host:newKey."
    )
    virtual_addresses: OptionalIpv4Range = setting(
        "241.0.0.0/8",
        "Range of the stable virtual addresses of hosts, profile istio only; empty = none.",
    )
    virtual_addresses_for: Literal["tcp", "all"] = setting(
        "tcp",
        "Which hosts get one: those with TCP ports, which need it, or all, for which Istio's DNS proxy then answers.",
    )
    max_label_value_bytes: Count = setting(4096, "A longer label value is dropped; profile istio only.", unit="bytes")
    max_labels_bytes: Count = setting(
        32_768, "Labels of one endpoint beyond this are dropped; profile istio only.", unit="bytes"
    )


class Http(Section):
    """The HTTP pages."""

    token: Secret = setting(Secret(""), "Bearer token that all pages but the probes ask for; empty = none.")
    path_redirect: Mapping[str, str] = setting(
        {}, "Further paths for pages: alias → page (`global.misc.pathRedirect` in a Slime wrapper)."
    )
    send_timeout: PositiveDuration = setting(30.0, "How long a client may leave an answer unread.")
    slime_metric_names: bool = setting(
        False,
        "Tell Slime's metrics under their older names and with units, too: slime_meshregistry_*, *_time_seconds. Its "
        "present names are always told.",
    )
    head_timeout: PositiveDuration = setting(10.0, "How long the head of a connection's first request may take.")
    idle_timeout: PositiveDuration = setting(75.0, "How long a connection may wait for its next request.")
    max_connections: Count = setting(
        200, "Connections per listener; then the one that has been idle for longest goes.", unit="connections"
    )
    journal_size: Annotated[int, Field(ge=0)] = setting(
        10_000, "How many of the newest changes and decisions /meshregistry/journal keeps; 0 = none.", unit="lines"
    )
    stop_timeout: Duration = setting(2.0, "The time that requests in progress get at a stop.")


class Log(Section):
    """The log on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], LOWERED] = setting(
        "info", "The lowest level to print."
    )
    format: Annotated[Literal["text", "json"], LOWERED] = setting("text", "One line per event, as text or JSON.")


class Settings(Section):
    """Everything that can be set."""

    ignored: ClassVar[Mapping[str, str]] = {
        "MeshConfigFile": _UNUSED,
        "EnableGRPCTracing": "it traces the inside of Slime's gRPC library",
        "WatchedNamespaces": _UNUSED,
        "EnableServiceDiscovery": _UNUSED,
        "Business": _UNUSED + "; use conversion.locality_labels",
        "Revision": _UNUSED + "; use conversion.istio_revision",
        "RevCrds": "Slime does not support it",
    }
    idle: ClassVar[Mapping[str, str]] = {
        "snapshots": "every preset has the kinds that are served, ServiceEntry and Sidecar"
    }

    profile: Annotated[Profile, LOWERED] = setting(
        "istio",
        "istio emits what a stock istiod accepts; slime reproduces Slime's conversion, and is the default inside "
        "Slime's wrappers.",
    )
    shadow: bool = setting(
        False,
        "Read and show everything, serve nobody: no ADS port is opened, and the service is never ready. For looking "
        "before a switch; `run --shadow` does the same.",
    )
    aux_addr: OptionalListen = setting(
        ":8081", "Where the HTTP pages listen; empty = nowhere (`global.misc.aux-addr` in a Slime wrapper)."
    )
    http_server_addr: OptionalListen = setting(
        "",
        "A second address for the pages, without the module prefix; empty = none.",
        slime="HTTPServerAddr",
    )
    data_dir: str = setting("", "Directory of the saved snapshot, from which a start goes on; empty = none.")
    save_interval: PositiveDuration = setting(10.0, "How often the snapshot is saved while it changes.")
    restore_patience: Duration = setting(
        5.0,
        "How long a start from the saved snapshot waits for the registries before it serves what was saved, as what "
        "was registered since the last save is not in it; a registry that cannot be read ends the wait; 0 = no wait.",
    )
    restore_contact: Duration = setting(
        1.0,
        "How much of restore_patience a source has to get a connection to any registry: where packets are swallowed, "
        "nobody refuses one.",
    )
    registry_start_delay: Duration = setting(
        0.0,
        "Wait before the first poll.",
        slime="RegistryStartDelay",
        slime_default="5s",
        slime_note="Nothing is served before the first complete reading, so that waiting only delays it; Slime also "
        "waits a whole period before its first poll. It counts for every source, in Slime not for ZooKeeper.",
    )
    mcp: Mcp = setting(Mcp(), "The ADS server.", slime="Mcp")
    replicas: Replicas = setting(Replicas(), "The other replicas of this service.")
    nacos_source: NacosSource = setting(NacosSource(), "The Nacos source.", slime="NacosSource")
    zookeeper_source: ZookeeperSource = setting(ZookeeperSource(), "The ZooKeeper source.", slime="ZookeeperSource")
    eureka_source: EurekaSource = setting(EurekaSource(), "The Eureka source.", slime="EurekaSource")
    k8s_source: KubernetesSource = setting(KubernetesSource(), "The static files source.", slime="K8SSource")
    k8s: Kubernetes = setting(Kubernetes(), "Access to Kubernetes.", slime="K8S")
    resync_period: Duration = setting(
        0.0,
        "Pods and nodes are listed again after this, although changes are watched; 0 = never.",
        slime="ResyncPeriod",
    )
    excluded_resource_kinds: tuple[str, ...] = setting(
        ("Endpoints", "Namespace", "Node", "Pod", "Service"),
        "Kinds that the files source leaves out, beside its own list.",
        slime="ExcludedResourceKinds",
    )
    snapshots: tuple[str, ...] = setting(
        ("default",), "Preset names of kinds for the files source, beside its own list.", slime="Snapshots"
    )
    conversion: Conversion = setting(Conversion(), "Conversion options shared by all sources.")
    merge: Merge = setting(Merge(), "Hosts that several sources claim.")
    guard: Guard = setting(Guard(), "Protection against shrinking.")
    admin: Admin = setting(Admin(), "The operator's socket.")
    http: Http = setting(Http(), "The HTTP pages.")
    log: Log = setting(Log(), "The log.")
    reload: Reload = setting(Reload(), "Following changes of the settings file.")

    def sources(self) -> dict[str, Source]:
        """Return every source by the name of its section, enabled or not."""
        return {
            "nacos_source": self.nacos_source,
            "zookeeper_source": self.zookeeper_source,
            "eureka_source": self.eureka_source,
            "k8s_source": self.k8s_source,
        }
