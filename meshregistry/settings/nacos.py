"""Settings of the Nacos source (Slime's `NacosSourceArgs` with `NacosServer` flattened into it)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from meshregistry.settings.fields import LOWERED, Count, Duration, Port, PositiveDuration, Secret, Section, Url, setting
from meshregistry.settings.source import Source, restate

DEFAULT_GROUP = "DEFAULT_GROUP"


def _check_namespace_groups(text: str) -> str:
    _, colon, groups = text.partition(":")
    if colon and not all(group.strip() for group in groups.split(",")):
        raise ValueError("expected namespace or namespace:group1,group2")
    return text


NamespaceGroups = Annotated[str, AfterValidator(_check_namespace_groups)]


class NacosServer(Section):
    """One Nacos cluster and what to read from it."""

    registry_id: str = setting("", "Put into instance metadata to tell registries apart.", slime="RegistryID")
    address: tuple[Url, ...] = setting(
        (), "Base URLs with scheme, without /nacos; several members of one cluster.", slime="Address"
    )
    namespace: str = setting(
        "", "The namespace to read, by its id or the name shown to people; empty = public.", slime="Namespace"
    )
    group: str = setting("", f"The group to read; empty = {DEFAULT_GROUP}.", slime="Group")
    username: str = setting("", "User for the login; empty = no login.", slime="Username")
    password: Secret = setting(Secret(""), "Password for the login.", slime="Password")
    all_namespaces: bool = setting(
        False,
        "Read every namespace and group the server shows.",
        slime="AllNamespaces",
    )
    access_key: str = setting("", "Access key that signs every request, as Alibaba Cloud MSE wants it; empty = none.")
    secret_key: Secret = setting(Secret(""), "The secret of the access key.")
    security_token: Secret = setting(Secret(""), "Security token of a temporary access key.")
    grpc_port: Port = setting(0, "The gRPC port of every member; 0 = its HTTP port and grpc_port_offset.")
    grpc_port_offset: int = setting(1000, "From the HTTP port of a member to its gRPC port.")
    grpc_tls: bool = setting(False, "Speak TLS to the gRPC port.")
    grpc_tls_ca: str = setting("", "PEM file of the authorities to trust there; empty = the system's.")
    grpc_tls_certificate: str = setting("", "PEM file of the client certificate; empty = none.")
    grpc_tls_key: str = setting("", "PEM file of its key; empty = in the file of the certificate.")
    namespace_groups: tuple[NamespaceGroups, ...] = setting(
        (),
        "What to read as namespace:group1,group2 (no colon: the default group); wins over namespace and group.",
        slime="NamespaceGroups",
    )

    def scopes(self) -> tuple[tuple[str, str], ...]:
        """Return the (namespace, group) pairs to read; empty when all namespaces are (Slime `NacosServer.Rectify`)."""
        if self.all_namespaces:
            return ()
        if not self.namespace_groups:
            return ((self.namespace, self.group or DEFAULT_GROUP),)
        pairs = (entry.partition(":") for entry in self.namespace_groups)
        groups = {namespace: names.split(",") if colon else [DEFAULT_GROUP] for namespace, colon, names in pairs}
        return tuple((namespace, group.strip()) for namespace, names in groups.items() for group in names)


class NacosSource(NacosServer, Source):
    """Services from Nacos."""

    ignored: ClassVar[Mapping[str, str]] = {"NameWithNs": "Slime never reads it"}

    refresh_period: Duration = restate("refresh_period", 30.0)
    label_patch: bool = restate("label_patch", False, slime_default=True)
    svc_protocol: str = restate("svc_protocol", "HTTP")
    svc_port: Port = restate("svc_port", 80)
    instance_port_as_svc_port: bool = restate("instance_port_as_svc_port", True)
    default_service_ns: str = restate("default_service_ns", "nacos")
    resource_ns: str = restate("resource_ns", "nacos")

    mode: Annotated[Literal["auto", "polling", "watching"], LOWERED] = setting(
        "auto",
        "polling = HTTP only; auto and watching = push over gRPC where the server can, polling otherwise. What auto "
        "takes for normal, a server without push, is worth a warning to watching.",
        slime="Mode",
        slime_profile="polling",
        slime_default="polling",
        slime_note="Changes are pushed where the server can; Slime only polls.",
    )
    nsf_nacos: bool = setting(False, "Deprecated macro: enable_project_code on, dom_suffix nsf.", slime="NsfNacos")
    k8s_domain_suffix: bool = setting(
        True, "End hosts with .svc.cluster.local when they have a namespace.", slime="K8SDomainSuffix"
    )
    ns_host: bool = setting(True, "Put the namespace into the host.", slime="NsHost")
    meta_key_group: str = setting("", "Instance metadata key that gets the group; empty = none.", slime="MetaKeyGroup")
    meta_key_namespace: str = setting(
        "", "Instance metadata key that gets the namespace id; empty = none.", slime="MetaKeyNamespace"
    )
    meta_key_cluster: str = setting("", "Instance metadata key that gets the cluster name; empty = none.")
    host_with_group: bool = setting(
        False, "Put the group behind the service name in names and hosts: services of different groups stay apart."
    )
    host_with_namespace: bool = setting(
        False, "Put the namespace id behind the service name, after the group, in names and hosts."
    )
    enable_project_code: bool = setting(
        False,
        "One ServiceEntry per value of the metadata key projectCode.",
        slime="EnableProjectCode",
    )
    dom_suffix: str = setting("", "Appended to the service name with a dot.", slime="DomSuffix")
    servers: tuple[NacosServer, ...] = setting(
        (),
        "Several Nacos clusters; when not empty the server given directly in this section is not used.",
        slime="Servers",
    )

    resync_period: Duration = setting(
        0.0, "The time between two complete readings while pushes arrive; 0 = refresh_period."
    )
    list_period: PositiveDuration = setting(
        5.0, "The time between two lists of names while pushes arrive from a server without fuzzy watch."
    )
    subscribe_concurrency: Count = setting(32, "Subscriptions under way at once in one namespace.")
    max_subscriptions: Count = setting(
        100_000, "Services subscribed in one namespace; further ones are read by the complete readings alone."
    )
    settle_time: Duration = setting(
        30.0,
        "For so long after an outage or a change of member nothing shrinks: a Nacos that was restarted answers before "
        "the owners of its instances have registered them again. Where nothing is pushed, so long must last what "
        "one reading takes from two services or more, or a service that is no longer listed, and what a registry that "
        "was away at the start lacks of the saved snapshot; 0 = none of these.",
    )
    drop_unhealthy: bool = setting(True, "Leave out instances that the registry calls unhealthy.")
    client_headers: Mapping[str, Secret] = setting({}, "Headers added to every request.")
    request_timeout: PositiveDuration = setting(10.0, "The longest one request may take (Slime: 30s, fixed).")
    connect_timeout: PositiveDuration = setting(3.0, "The longest a connection may take to open.")
    concurrency: Count = setting(16, "Requests under way at once when services are read one by one.")
    page_size: Count = setting(1000, "Services per page of the bulk listing.")
    names_page_size: Count = setting(100_000, "Names per page of the service list.")
    bulk_retry_polls: Count = setting(
        20, "A bulk listing that the server refused is tried again after so many polls.", unit="polls"
    )
    login_pause: PositiveDuration = setting(
        60.0, "The shortest time between two logins because of a denied call, the longest between refused logins."
    )
    max_body_bytes: Count = setting(268_435_456, "An answer longer than this is an error of its scope.", unit="bytes")

    def active_servers(self) -> tuple[NacosServer, ...]:
        """Return `servers`, or the one server given directly in the section."""
        if self.servers:
            return self.servers
        return (NacosServer(**{name: getattr(self, name) for name in NacosServer.model_fields}),)
