"""Settings that every source has (Slime's `SourceArgs`)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from meshregistry.settings.fields import UPPERED, Duration, Port, Section, setting, spec_of
from meshregistry.settings.guard import Guard
from meshregistry.settings.selection import (
    AdditionalMeta,
    EndpointSelector,
    InstanceMetaRelabel,
    ServiceHostAlias,
    ServiceNameConverter,
)

_NACOS = ("nacos",)
_ZOOKEEPER = ("zookeeper",)
_NACOS_EUREKA = ("nacos", "eureka")
_NACOS_ZOOKEEPER = ("nacos", "zookeeper")
"""In which sources Slime acts on a key (pkg/bootstrap/args.go and the sources)."""

Location = Annotated[Literal["MESH_INTERNAL", "MESH_EXTERNAL"], UPPERED]


class Source(Section):
    """The common part of every source; Slime flattens it into each of them."""

    enabled: bool = setting(False, "Whether the source runs.", slime="Enabled")
    wait_time: Duration = setting(
        0.0,
        "The source counts as read after this time even when it was not; 0 = wait for ever, as half a catalogue "
        "deletes the other half in every istiod.",
        slime="WaitTime",
    )
    refresh_period: Duration = setting(0.0, "The time between two polls.", slime="RefreshPeriod")
    gateway_model: bool = setting(
        False, "Deprecated macro: sets the port and host options that gateways need.", slime="GatewayModel"
    )
    label_patch: bool = setting(
        False,
        "Put the labels of the pod that has an endpoint's address over the endpoint's own, and its node's place where "
        "it has none. Needs leave to list and watch pods and nodes, see docs/operations.md.",
        slime="LabelPatch",
        slime_profile=True,
        slime_note="Off in profile istio: the service needs no rights in a cluster otherwise. A changed pod changes "
        "its endpoints at once (Slime: at the next poll). Without a cluster a warning, where Slime does not start.",
    )
    generic_protocol: bool = setting(
        False, "Port protocol GENERIC with the name prefix generic-<svc_protocol>.", slime="GenericProtocol"
    )
    svc_protocol: str = setting("", "The protocol of service ports.", slime="SvcProtocol")
    svc_port: Port = setting(0, "A fixed service port; 0 = none.", slime="SvcPort")
    instance_port_as_svc_port: bool = setting(
        False, "Whether every distinct instance port becomes a service port.", slime="InstancePortAsSvcPort"
    )
    default_service_ns: str = setting(
        "",
        "Namespace in the host when the instance names none and ns_host is on.",
        slime="DefaultServiceNs",
        slime_sources=_NACOS_EUREKA,
    )
    resource_ns: str = setting("", "Namespace of the generated resources.", slime="ResourceNs")
    location: Location = setting(
        "MESH_INTERNAL",
        "Location of the generated ServiceEntries; MESH_EXTERNAL is what istiod reads where Slime leaves it unset.",
        slime_profile="MESH_EXTERNAL",
        slime_default="",
        slime_note="MESH_EXTERNAL, which unset means to istiod, is no mTLS and other telemetry.",
    )
    instance_protocols: bool = setting(
        True,
        "Whether the metadata of an instance decides what its port speaks: protocol, secure, gRPC_port, "
        "dubbo.endpoints, preserved.register.source.",
        slime_profile=False,
    )
    drop_host_names: bool = setting(
        False, "Leave out instances whose address is a host name; one of them makes the whole entry resolve by DNS."
    )
    locality_labels: Annotated[tuple[str, ...], Field(max_length=3)] = setting(
        (), "In place of conversion.locality_labels for this source; empty = as there."
    )
    default_region: str = setting(
        "", "Region of endpoints whose metadata names a zone alone; empty = no locality without a region."
    )
    endpoint_selectors: tuple[EndpointSelector, ...] = setting(
        (), "Instances to take; one match is enough.", slime="EndpointSelectors", slime_sources=_NACOS_ZOOKEEPER
    )
    serviced_endpoint_selectors: Mapping[str, tuple[EndpointSelector, ...]] = setting(
        {},
        "Selectors per service, in place of the source's own.",
        slime="ServicedEndpointSelectors",
        slime_sources=_NACOS_ZOOKEEPER,
    )
    empty_ep_selectors_exclude_all: bool = setting(
        False,
        "Whether an empty list of selectors rejects every instance.",
        slime="EmptyEpSelectorsExcludeAll",
        slime_sources=_NACOS_ZOOKEEPER,
    )
    always_use_source_scoped_ep_selectors: bool = setting(
        False,
        "Whether an instance must pass both the source's and its service's selectors.",
        slime="AlwaysUseSourceScopedEpSelectors",
        slime_sources=_NACOS_ZOOKEEPER,
    )
    allow_hosts: tuple[str, ...] = setting(
        (),
        "Hosts that services of this source may claim, * for any characters; others are left out and reported. Empty = "
        "any.",
    )
    allow_namespaces: tuple[str, ...] = setting(
        (),
        "Namespaces that its ServiceEntries and Sidecars may be in; registrants choose theirs by the metadata key "
        "k8sNs. Empty = any.",
    )
    max_services: Annotated[int, Field(ge=0)] = setting(
        50_000,
        "Services of this source that are taken; further ones wait for room and are reported, and what was taken "
        "stays. 0 = no limit.",
        unit="services",
    )
    max_instances: Annotated[int, Field(ge=0)] = setting(
        1_000_000, "The same for instances, of all its services together. 0 = no limit.", unit="instances"
    )
    mock_service_entry_name: str = setting(
        "", "Name of a ServiceEntry that collects all ports; empty = none.", slime="MockServiceEntryName"
    )
    mock_service_name: str = setting("", "Host of that ServiceEntry.", slime="MockServiceName")
    mock_service_merge_instance_port: bool = setting(
        False, "Collect instance ports.", slime="MockServiceMergeInstancePort"
    )
    mock_service_merge_service_port: bool = setting(
        False, "Collect service ports.", slime="MockServiceMergeServicePort"
    )
    service_naming: ServiceNameConverter | None = setting(
        None, "Recomputes the service of an instance.", slime="ServiceNaming", slime_sources=_NACOS
    )
    service_host_aliases: tuple[ServiceHostAlias, ...] = setting(
        (), "Further hosts per generated host.", slime="ServiceHostAliases", slime_sources=_NACOS
    )
    service_additional_metas: Mapping[str, AdditionalMeta] = setting(
        {}, "Metadata to add, by ServiceEntry name.", slime="ServiceAdditionalMetas", slime_sources=_NACOS
    )
    instance_meta_relabel: InstanceMetaRelabel | None = setting(
        None, "Derives metadata keys from others.", slime="InstanceMetaRelabel", slime_sources=_NACOS_ZOOKEEPER
    )
    enable_empty_protection: bool = setting(
        True,
        "False switches the source's guard.empty_grace and mass rule off, unless its guard sets them. It never turns "
        "an error into an empty list.",
        slime="EnableEmptyProtection",
        slime_profile=False,
        slime_default=False,
        slime_sources=_ZOOKEEPER,
        slime_note="A service whose last endpoints vanish for a moment (a re-registration, a restart) keeps them for "
        "guard.empty_grace. It concerns every source and never turns a failed reading into an empty list.",
    )
    guard: Guard = setting(Guard(), "Overrides of the top-level guard for this source.")


def restate(
    name: str, default: object, *, slime_default: str | bool | None = None, slime_note: str | None = None
) -> Any:  # a field specifier, as `setting`
    """Declare a common field of `Source` again with what differs for one source."""
    spec = spec_of(Source.model_fields[name])
    return setting(
        default,
        spec.help,
        slime=spec.slime,
        unit=spec.unit,
        slime_profile=spec.slime_profile,
        slime_default=slime_default,
        slime_note=slime_note or spec.slime_note,
        slime_sources=spec.slime_sources,
    )
