"""The schema as a whole: every key of Slime, its defaults, and what sections offer beside fields."""

from collections.abc import Iterator

import pytest

from meshregistry.settings.decode import loosen
from meshregistry.settings.eureka import EurekaSource
from meshregistry.settings.fields import ListenAddress, Section, spec_of
from meshregistry.settings.kubernetes import Kubernetes, KubernetesSource
from meshregistry.settings.load import load_settings
from meshregistry.settings.mcp import Mcp
from meshregistry.settings.nacos import NacosServer, NacosSource
from meshregistry.settings.root import Settings
from meshregistry.settings.zookeeper import ZookeeperSource

COMMON = """
Enabled WaitTime RefreshPeriod GatewayModel LabelPatch GenericProtocol SvcProtocol SvcPort InstancePortAsSvcPort
DefaultServiceNs ResourceNs EndpointSelectors ServicedEndpointSelectors EmptyEpSelectorsExcludeAll
AlwaysUseSourceScopedEpSelectors MockServiceEntryName MockServiceName MockServiceMergeInstancePort
MockServiceMergeServicePort ServiceNaming ServiceHostAliases ServiceAdditionalMetas InstanceMetaRelabel
EnableEmptyProtection
"""
SLIME_KEYS: dict[type[Section], str] = {
    Settings: """
MeshConfigFile EnableGRPCTracing WatchedNamespaces ResyncPeriod EnableServiceDiscovery ExcludedResourceKinds Snapshots
Business Mcp K8S K8SSource ZookeeperSource EurekaSource NacosSource HTTPServerAddr Revision RevCrds RegistryStartDelay
""",
    Mcp: "ServerUrl EnableAnnoResVer EnableIncPush CleanZombieInterval",
    Kubernetes: "ClusterID ClusterRegistriesNamespace ApiServerUrl ApiServerUrlForDeploy KubeConfig",
    KubernetesSource: COMMON
    + "WatchedNamespaces EnableConfigFile ConfigPath WatchConfigFiles Collections ExcludedResourceKinds",
    ZookeeperSource: COMMON
    + """
Address IgnoreLabel ConnectionTimeout RegistryRootNode ApplicationRegisterRootNode Mode WatchingWorkerCount
WatchingResyncCron WatchingDebounce EnableConfiguratorMeta EnableDubboSidecar TrimDubboRemoveDepInterval
DubboWorkloadAppLabel SelfConsume SingleAppService MethodLBServiceSelectors HostSuffix ConsumerPath
""",
    EurekaSource: COMMON + "RegistryID Address NsfEureka K8SDomainSuffix NsHost EnableProjectCode AppSuffix Servers",
    NacosSource: COMMON
    + """
RegistryID Address Namespace Group Username Password AllNamespaces NamespaceGroups NsfNacos Mode NameWithNs
K8SDomainSuffix NsHost MetaKeyGroup MetaKeyNamespace EnableProjectCode DomSuffix Servers
""",
}


@pytest.mark.parametrize("section", SLIME_KEYS, ids=lambda section: section.__name__)
def test_every_key_of_slime_has_a_field_or_is_known_to_be_ignored(section: type[Section]) -> None:
    named = {spec_of(info).slime for info in section.model_fields.values()} - {None}
    assert set(SLIME_KEYS[section].split()) == named | set(section.ignored)


def all_sections(section: type[Section]) -> Iterator[type[Section]]:
    """Yield a section and those with a fixed place inside it."""
    yield section
    for info in section.model_fields.values():
        if isinstance(info.default, Section):
            yield from all_sections(type(info.default))


def test_the_name_of_a_field_is_slimes_name_in_other_letters() -> None:
    for section in all_sections(Settings):
        for name, info in section.model_fields.items():
            assert loosen(spec_of(info).slime or name) == loosen(name)


def test_slimes_defaults_hold_where_no_other_is_declared() -> None:
    settings = Settings()
    nacos, eureka, zookeeper = settings.nacos_source, settings.eureka_source, settings.zookeeper_source
    assert (30.0, 30.0, 10.0) == (nacos.refresh_period, eureka.refresh_period, zookeeper.refresh_period)
    assert ("HTTP", "HTTP", "DUBBO") == (nacos.svc_protocol, eureka.svc_protocol, zookeeper.svc_protocol)
    assert (80, 80, 0) == (nacos.svc_port, eureka.svc_port, zookeeper.svc_port)
    assert ("nacos", "eureka", "dubbo") == (nacos.resource_ns, eureka.resource_ns, zookeeper.resource_ns)
    assert ("nacos", "eureka", "") == (
        nacos.default_service_ns,
        eureka.default_service_ns,
        zookeeper.default_service_ns,
    )
    for source in (nacos, eureka, zookeeper):
        assert source.instance_port_as_svc_port
    assert nacos.ns_host
    assert nacos.k8s_domain_suffix
    assert (("pid", "timestamp", "dubbo"), "/dubbo", 30.0, 86_400.0, "app") == (
        zookeeper.ignore_label,
        zookeeper.registry_root_node,
        zookeeper.connection_timeout,
        zookeeper.trim_dubbo_remove_dep_interval,
        zookeeper.dubbo_workload_app_label,
    )
    assert (True, 0.0) == (settings.mcp.enable_anno_res_ver, settings.mcp.clean_zombie_interval)
    assert ("Kubernetes", "istio-system") == (settings.k8s.cluster_id, settings.k8s.cluster_registries_namespace)


def test_defaults_that_differ_from_slimes() -> None:
    settings = Settings()
    assert (32, "/services") == (
        settings.zookeeper_source.watching_worker_count,
        settings.zookeeper_source.application_register_root_node,
    )
    assert (False, 0.0, "auto", "watching") == (
        settings.mcp.enable_inc_push,
        settings.registry_start_delay,
        settings.nacos_source.mode,
        settings.zookeeper_source.mode,
    )
    assert (True, False, False) == (
        settings.nacos_source.enable_empty_protection,
        settings.nacos_source.label_patch,
        settings.zookeeper_source.enable_dubbo_sidecar,
    )


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings().log, "level", "debug")  # noqa: B010 - the type checker knows better


def test_the_ads_address_is_that_of_the_url() -> None:
    assert ListenAddress("0.0.0.0", 16010) == Settings().mcp.listen()
    assert ListenAddress("::1", 1) == Mcp(server_url="xds://[::1]:1/").listen()


def test_the_server_given_directly_counts_when_there_is_no_list() -> None:
    text = "nacos_source: {registry_id: a, address: ['http://a:1'], password: p, namespace: n}"
    nacos = load_settings(text, {}).settings.nacos_source
    [server] = nacos.active_servers()
    assert ("a", ("http://a:1",), "p") == (server.registry_id, server.address, server.password.get_secret_value())
    text = "nacos_source: {address: ['http://a:1'], servers: [{address: ['http://b:1']}, {address: ['http://c:1']}]}"
    nacos = load_settings(text, {}).settings.nacos_source
    assert [("http://b:1",), ("http://c:1",)] == [server.address for server in nacos.active_servers()]
    eureka = load_settings("eureka_source: {registry_id: e, address: ['http://e:1']}", {}).settings.eureka_source
    assert [("e", ("http://e:1",))] == [(server.registry_id, server.address) for server in eureka.active_servers()]


@pytest.mark.parametrize(
    ("keys", "scopes"),
    [
        ({}, (("", "DEFAULT_GROUP"),)),
        ({"namespace": "n", "group": "g"}, (("n", "g"),)),
        (
            {"namespace": "n", "namespace_groups": ("a:g1,g2", "b", ":g3")},
            (("a", "g1"), ("a", "g2"), ("b", "DEFAULT_GROUP"), ("", "g3")),
        ),
        ({"namespace_groups": ("a:g1", "a:g2")}, (("a", "g2"),)),
        ({"all_namespaces": True, "namespace_groups": ("a",)}, ()),
    ],
)
def test_what_a_nacos_server_is_asked_for(keys: dict[str, object], scopes: tuple[tuple[str, str], ...]) -> None:
    assert scopes == NacosServer.model_validate(keys).scopes()
