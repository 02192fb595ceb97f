"""Settings of the Eureka source (Slime's `EurekaSourceArgs` with `EurekaServer` flattened into it)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from meshregistry.settings.fields import (
    LOWERED,
    UPPERED,
    Count,
    Duration,
    Port,
    PositiveDuration,
    Ratio,
    Secret,
    Section,
    Url,
    setting,
)
from meshregistry.settings.source import Source, restate


def _check_word(text: str) -> str:
    if not text.strip() or any(not char.isprintable() for char in text):
        raise ValueError("expected a name")
    return text


Word = Annotated[str, AfterValidator(_check_word)]
Status = Annotated[Literal["UP", "DOWN", "STARTING", "OUT_OF_SERVICE", "UNKNOWN"], UPPERED]


class EurekaTls(Section):
    """TLS towards https addresses."""

    ca: str = setting("", "File with the CAs to trust, PEM; empty = the system's.")
    certificate: str = setting("", "File with the client certificate's chain, PEM; empty = none.")
    key: str = setting("", "File with its private key, PEM; empty = in the certificate's file.")
    verify: bool = setting(True, "Whether the server's certificate must be good and for its name.")


class EurekaHold(Section):
    """When an answer is held back as that of a server that has just started and knows nobody yet."""

    ratio: Ratio = setting(0.5, "An answer with less than this share of the known registrations is, or an empty one.")
    least: Count = setting(
        10, "The loss of fewer registrations is believed at once, unless nothing is left.", unit="registrations"
    )
    duration: Duration = setting(
        90.0,
        "How long an answer must be repeated (three renewals), and how long is held what servers that were away at the "
        "start lack of the saved snapshot; 0 = everything is believed at once.",
    )


class EurekaServer(Section):
    """One Eureka registry."""

    registry_id: str = setting("", "Put into instance metadata to tell registries apart.", slime="RegistryID")
    address: tuple[Url, ...] = setting(
        (), "Base URLs with the context path, such as http://eureka.example/eureka.", slime="Address"
    )
    username: str = setting("", "User for basic authentication; empty = as in the address, if there.")
    password: Secret = setting(Secret(""), "Password for basic authentication.")
    token: Secret = setting(Secret(""), "Bearer token, in place of user and password.")
    resolve: bool = setting(False, "Whether every address that DNS gives for a host is a peer of its own.")
    regions: tuple[Word, ...] = setting((), "Remote regions whose registries the server adds to its answers.")
    applications: tuple[Word, ...] = setting(
        (), "Read only these applications; with any of these three lists nothing else is read, and without deltas."
    )
    vips: tuple[Word, ...] = setting((), "Read only what is registered under these VIP addresses.")
    secure_vips: tuple[Word, ...] = setting((), "Read only what is registered under these secure VIP addresses.")


class EurekaSource(EurekaServer, Source):
    """Services from Eureka."""

    refresh_period: Duration = restate("refresh_period", 30.0)
    label_patch: bool = restate("label_patch", False, slime_default=True)
    svc_protocol: str = restate("svc_protocol", "HTTP")
    svc_port: Port = restate("svc_port", 80)
    instance_port_as_svc_port: bool = restate("instance_port_as_svc_port", True)
    default_service_ns: str = restate("default_service_ns", "eureka")
    resource_ns: str = restate("resource_ns", "eureka")

    nsf_eureka: bool = setting(False, "Deprecated macro: enable_project_code on, app_suffix nsf.", slime="NsfEureka")
    k8s_domain_suffix: bool = setting(
        True, "End hosts with .svc.cluster.local when they have a namespace.", slime="K8SDomainSuffix"
    )
    ns_host: bool = setting(True, "Put the namespace into the host.", slime="NsHost")
    enable_project_code: bool = setting(
        False, "One ServiceEntry per value of the metadata key projectCode.", slime="EnableProjectCode"
    )
    app_suffix: str = setting("", "Appended to the application name with a dot.", slime="AppSuffix")
    servers: tuple[EurekaServer, ...] = setting(
        (),
        "Several registries; when not empty the server given directly in this section is not used.",
        slime="Servers",
    )

    mode: Annotated[Literal["delta", "polling"], LOWERED] = setting(
        "delta",
        "delta = changes, checked by the server's hash, and everything where that is not offered; polling = always "
        "everything, as Slime does.",
        slime_default="polling",
        slime_note="Changes every few seconds cost less than everything every 30 s; Slime has no such key and always "
        "reads everything.",
    )
    delta_interval: PositiveDuration = setting(
        5.0, "The time between two readings of changes, if shorter than refresh_period."
    )
    full_fetch_interval: PositiveDuration = setting(600.0, "Everything is read again after this, deltas or not.")
    expose_secure_port: bool = setting(
        False,
        "Whether an enabled secure port is a service port beside the plain one; it stands in for a plain one that is "
        "disabled in any case. Profile istio only.",
    )
    vip_alias: bool = setting(
        False, "Whether the VIP addresses of an application become further hosts of its entry, 100 at most."
    )
    weight_key: str = setting(
        "weight", "Instance metadata key with the weight, 1 is normal; empty = none. Profile istio only."
    )
    zone_key: str = setting(
        "zone",
        "Instance metadata key with the zone, filled from Amazon's data centre where it is missing; empty = none.",
        slime_profile="",
    )
    include_status: Annotated[tuple[Status, ...], Field(min_length=1)] = setting(
        ("UP",), "Instances with these statuses are taken."
    )
    host_names: bool = setting(False, "Whether an instance's address is its host name and not its IP address.")
    lease_factor: Annotated[float, Field(ge=0)] = setting(
        0.0,
        "Leave out instances that were not renewed for so many of their lease durations when everything is read; "
        "0 = believe the server, which keeps them in self-preservation. Clocks must agree.",
        unit="lease durations",
    )
    hold: EurekaHold = setting(EurekaHold(), "Protection against servers that have just started.")
    client_headers: Mapping[str, Secret] = setting({}, "Headers added to every request.")
    client_name: Word = setting("meshregistry", "DiscoveryIdentity-Name, by which servers know privileged clients.")
    tls: EurekaTls = setting(EurekaTls(), "Files for https addresses.")
    request_timeout: PositiveDuration = setting(30.0, "The longest one request may take.")
    connect_timeout: PositiveDuration = setting(
        5.0, "The longest a connection may take to open, and a look-up with resolve."
    )
    quarantine: Duration = setting(60.0, "A peer that failed is asked last for this time.")
    resolve_interval: PositiveDuration = setting(60.0, "The time between two look-ups with resolve.")
    concurrency: Count = setting(8, "Requests under way at once when applications or VIP addresses are read.")
    max_body_bytes: Count = setting(268_435_456, "An answer longer than this is an error of its scope.", unit="bytes")

    def active_servers(self) -> tuple[EurekaServer, ...]:
        """Return `servers`, or the one server given directly in the section."""
        if self.servers:
            return self.servers
        return (EurekaServer(**{name: getattr(self, name) for name in EurekaServer.model_fields}),)
