"""Settings of the Eureka source (Slime's `EurekaSourceArgs` with `EurekaServer` flattened into it)."""

from meshregistry.settings.fields import Duration, Port, Section, Url, setting
from meshregistry.settings.source import Source, restate


class EurekaServer(Section):
    """One Eureka registry."""

    registry_id: str = setting("", "Put into instance metadata to tell registries apart.", slime="RegistryID")
    address: tuple[Url, ...] = setting(
        (), "Base URLs with the context path, such as http://eureka.example/eureka.", slime="Address"
    )


class EurekaSource(EurekaServer, Source):
    """Services from Eureka."""

    enabled: bool = restate("enabled", False, later="the Eureka source")
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

    def active_servers(self) -> tuple[EurekaServer, ...]:
        """Return `servers`, or the one server given directly in the section."""
        return self.servers or (EurekaServer(registry_id=self.registry_id, address=self.address),)
