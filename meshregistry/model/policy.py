"""How one source's instances become ServiceEntries: the conversion settings of that source, as one record."""

from enum import StrEnum

import msgspec

from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.instance import Pairs
from meshregistry.model.merge_policy import MergePolicy
from meshregistry.model.relabel import RelabelStep, ServiceNaming
from meshregistry.model.selection import Selection
from meshregistry.model.service_entry import Location


class Profile(StrEnum):
    """Whose rules the output obeys."""

    ISTIO = "istio"
    """Only what a stock istiod accepts."""

    SLIME = "slime"
    """What Slime emits, for meshes whose routes name its hosts and protocols."""


class Territory(msgspec.Struct, frozen=True):
    """What a source may claim: host patterns with `*`, and namespaces; an empty list allows all."""

    hosts: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


class ExtraMeta(msgspec.Struct, frozen=True):
    """Metadata that configuration adds to one entry."""

    labels: Pairs = ()
    annotations: Pairs = ()


class MergedPorts(msgspec.Struct, frozen=True):
    """An entry without endpoints that collects the ports of all services of a source."""

    name: str
    host: str
    instance_ports: bool = False
    service_ports: bool = False


class ConversionPolicy(msgspec.Struct, frozen=True, cache_hash=True):
    """The conversion settings of one source; names and defaults are those of Slime's Nacos source.

    Equal policies convert equally: nothing else but the instances decides what comes out.
    """

    source: str = "nacos"
    """Source kind; the value of the entry label `registry`."""

    profile: Profile = Profile.ISTIO
    svc_protocol: str = "HTTP"
    generic_protocol: bool = False
    """Protocol `GENERIC` on every port. No effect in the istio profile: a stock istiod rejects it."""

    svc_port: int = 80
    """Service port in addition to the instances' own; 0 is none."""

    instance_port_as_svc_port: bool = True
    default_service_ns: str = "nacos"
    """Service namespace of instances without `k8sNs` metadata."""

    resource_ns: str = "nacos"
    """Namespace of resources whose name carries none."""

    ns_host: bool = True
    k8s_domain_suffix: bool = True
    dom_suffix: str = ""
    location: Location = Location.MESH_INTERNAL
    """Of every entry; MESH_EXTERNAL equals unset, which is what Slime emits."""

    drop_unhealthy: bool = True
    drop_host_names: bool = False
    """Leave out instances whose address is a host name; else one of them makes the resolution of the entry DNS."""

    selection: Selection = Selection()
    relabel: tuple[RelabelStep, ...] = ()
    service_naming: ServiceNaming | None = None
    """None keeps the registry's service."""

    grouped_services: bool = False
    """Whether selectors and naming see a service as `group@@name` only, as Slime does with Nacos."""

    project_code: bool = False
    """One entry per value of the metadata key `projectCode`."""

    host_with_group: bool = False
    host_with_namespace: bool = False
    """Put the registry's group and namespace behind the service's name: `orders.<group>.<namespace>`."""

    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Generated host → further hosts of its entry."""

    alias_hosts: bool = False
    """Whether the further names of instances (`Instance.aliases`) become further hosts."""

    extra_metas: tuple[tuple[str, ExtraMeta], ...] = ()
    """Entry name → metadata to add."""

    merged_ports: MergedPorts | None = None
    dubbo: DubboPolicy | None = None
    """How services in Dubbo scopes are converted; None where there are none."""

    instance_protocols: bool = False
    """Whether metadata decides the protocol of an instance's port: see `meshregistry.model.protocols`."""

    expose_secure_port: bool = False
    """Whether an enabled secure port is a service port beside the plain one; istio profile only."""

    weight_key: str = ""
    """Metadata key whose number is the weight, 1 is normal; "" is none. Slime profile: no weight at all."""

    zone_key: str = ""
    """Metadata key that gets `Instance.zone` where it is missing; "" is none."""

    locality_labels: tuple[str, str, str] = ("", "", "")
    """Label keys of region, zone and subzone that are looked at before the built-in ones (`LOCALITY_LABELS`)."""

    default_region: str = ""
    """Region of endpoints that name a zone alone; "" leaves them without a locality, as Slime does."""

    endpoint_relabel_items: tuple[tuple[str, str], ...] = ()
    """Endpoint labels to copy: from key, to key (`ENDPOINT_RELABEL_ITEMS`)."""

    skip_validate_label_value: bool = False
    """Keep label values that Kubernetes would refuse. Slime profile only: istiod rejects their whole entry."""

    entry_label_keys: tuple[str, ...] = ("app",)
    """`key[:entryKey[:append]]` or `$host[:entryKey]` each (`SE_LABEL_SELECTOR_KEYS`)."""

    revision: str = ""
    """Value of the label `istio.io/rev` on every entry; "" is no label."""

    meta_key_group: str = ""
    meta_key_namespace: str = ""
    registry_id_meta_key: str = "registry-id"
    """Metadata keys under which group, namespace and registry id are injected; "" injects nothing."""

    meta_key_cluster: str = ""
    """The same for the cluster of an instance."""

    label_patch: bool = False
    """Whether the labels of the pods that have endpoints' addresses go over those of the endpoints."""

    merging: MergePolicy = MergePolicy()
    """How hosts that other sources claim too are merged; the same for every source."""

    vip_range: str = "241.0.0.0/8"
    """Network of the virtual addresses of hosts, istio profile only; "" is none."""

    vip_for_all: bool = False
    """Whether hosts without a TCP port, which need none, get one as well."""

    max_label_value_bytes: int = 4096
    max_labels_bytes: int = 32768
    """Bounds of one label value and of all labels of one endpoint, istio profile only."""

    territory: Territory | None = None
    """What the source may claim; None is everything."""
