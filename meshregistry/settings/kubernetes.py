"""Settings of Slime's Kubernetes access and of its static files source."""

from collections.abc import Mapping
from typing import ClassVar

from meshregistry.settings.fields import Count, Duration, PositiveDuration, Section, setting
from meshregistry.settings.source import Source

_UNUSED = "Slime never reads it"
_EVERY_PRESET = "every preset has the kinds that are served, ServiceEntry and Sidecar"
_USED = {"enabled", "resource_ns", "allow_hosts", "allow_namespaces", "guard", "enable_empty_protection"}
"""Common keys that count for files; Slime uses the first alone."""


class Kubernetes(Section):
    """Where pods and nodes are looked up, for label_patch."""

    ignored: ClassVar[Mapping[str, str]] = {"ApiServerUrl": _UNUSED}

    cluster_id: str = setting("Kubernetes", "Name of the local cluster.", slime="ClusterID")
    cluster_registries_namespace: str = setting(
        "istio-system", "Where secrets of remote clusters are read.", slime="ClusterRegistriesNamespace"
    )
    api_server_url_for_deploy: str = setting("", "API server for pods and nodes.", slime="ApiServerUrlForDeploy")
    kube_config: str = setting(
        "", "Path of a kubeconfig; empty = the cluster that the service runs in.", slime="KubeConfig"
    )
    sync_timeout: Duration = setting(
        10.0, "Sources wait so long for the first reading of pods; resync_period doubled where that is set."
    )


class KubernetesSource(Source):
    """ServiceEntry and Sidecar resources from files on disk (Slime's kubefs)."""

    ignored: ClassVar[Mapping[str, str]] = {"WatchedNamespaces": _UNUSED}
    idle: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(Source.model_fields.keys() - _USED, "files are served as they are written"),
        "collections": _EVERY_PRESET,
    }

    enable_config_file: bool = setting(
        False, "Whether to read the files; needs config_path as well.", slime="EnableConfigFile"
    )
    config_path: str = setting("", "The directory with the files.", slime="ConfigPath")
    watch_config_files: bool = setting(False, "Whether to follow changes.", slime="WatchConfigFiles")
    collections: tuple[str, ...] = setting(
        (), "Preset names of kinds to read; every preset has those that are served.", slime="Collections"
    )
    excluded_resource_kinds: tuple[str, ...] = setting((), "Kinds to leave out.", slime="ExcludedResourceKinds")
    check_interval: PositiveDuration = setting(
        10.0, "The folder is looked at this often where the system does not tell of its changes."
    )
    max_file_bytes: Count = setting(16_777_216, "A longer file, decompressed, is refused.", unit="bytes")
