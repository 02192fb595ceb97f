"""Settings of the ZooKeeper source as policies."""

import json
from typing import Any

import pytest

from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.dubbo_policy import DubboPolicy, MethodSelector
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.selection import LabelRequirement, Operator
from meshregistry.model.sidecar import SidecarPolicy
from meshregistry.policies_zookeeper import (
    SidecarRules,
    applies_rules,
    ignored_params,
    sidecar_rules,
    zookeeper_policy,
)
from meshregistry.settings.load import load_settings
from meshregistry.settings.root import Settings
from meshregistry.sources.zookeeper.spring import spring_scope


def settings(profile: str = "slime", **zookeeper: Any) -> Settings:
    """Settings with these keys of `ZookeeperSource`."""
    document = {
        "profile": profile,
        "ZookeeperSource": {"Enabled": True, "Address": ["zk.example:2181"], **zookeeper},
    }
    return load_settings(json.dumps(document), {}).settings


def naming(profile: Profile = Profile.SLIME, host_suffix: str = "") -> ConversionPolicy:
    """What names services where nothing but the suffix is configured."""
    return ConversionPolicy(source="zookeeper", profile=profile, dubbo=DubboPolicy(host_suffix=host_suffix))


def test_dubbo_has_its_own_part() -> None:
    policy = zookeeper_policy(
        settings(
            SvcProtocol="hessian",
            GenericProtocol=True,
            SvcPort=80,
            InstancePortAsSvcPort=False,
            ResourceNs="rpc",
            HostSuffix=".x",
            SingleAppService=True,
            MethodLBServiceSelectors=[
                {
                    "matchLabels": {"path": "a.B"},
                    "matchExpressions": [{"key": "application", "operator": "In", "values": ["shop"]}],
                    "Invert": True,
                }
            ],
        )
    )
    selector = MethodSelector((("path", "a.B"),), (LabelRequirement("application", Operator.IN, ("shop",)),), True)
    assert DubboPolicy("hessian", True, 80, False, "rpc", ".x", True, (selector,)) == policy.dubbo
    assert ("zookeeper", Profile.SLIME) == (policy.source, policy.profile)
    assert DubboPolicy() == zookeeper_policy(settings()).dubbo


def test_the_gateway_model_is_expanded() -> None:
    dubbo = zookeeper_policy(settings(GatewayModel=True)).dubbo
    assert DubboPolicy(svc_port=80, instance_port_as_svc_port=False, host_suffix=".dubbo") == dubbo
    assert sidecar_rules(settings(GatewayModel=True)) is None


@pytest.mark.parametrize("profile", list(Profile))
def test_spring_services_are_plain_http(profile: Profile) -> None:
    policy = zookeeper_policy(settings(profile.value))
    assert (False, 0, True) == (policy.generic_protocol, policy.svc_port, policy.instance_port_as_svc_port)
    assert ("HTTP", "zookeeper") == (policy.svc_protocol, policy.default_service_ns)
    cache = ConversionCache()
    key = ServiceKey(spring_scope(""), "demo-spring")
    conversion = convert_service(key, [Instance("10.0.0.1", 18080)], policy, cache)
    entry = merge_claims(conversion.claims, cache).entry
    assert entry is not None
    assert (("demo-spring.zookeeper.svc.cluster.local",), [(18080, "HTTP")], "zookeeper/demo-spring.zookeeper") == (
        entry.hosts,
        [(port.number, port.protocol) for port in entry.ports],
        entry.resource_name,
    )
    assert ConversionPolicy().vip_range == policy.vip_range


def test_volatile_parameters_are_kept_for_slime_only() -> None:
    assert {"pid", "timestamp", "dubbo"} == ignored_params(settings())
    assert {"x"} == ignored_params(settings(IgnoreLabel=["x"]))
    assert {"x", "pid", "timestamp", "token"} == ignored_params(settings("istio", IgnoreLabel=["x"]))


def test_rules_are_applied_where_slime_is_not_repeated() -> None:
    assert [False, True, True] == [
        applies_rules(each) for each in (settings(), settings(EnableConfiguratorMeta=True), settings("istio"))
    ]


def test_sidecars_are_off_in_the_istio_profile_unless_asked_for() -> None:
    assert sidecar_rules(settings("istio")) is None
    assert SidecarRules(
        SidecarPolicy(Profile.ISTIO, protocol=""), 86_400.0, False, naming(Profile.ISTIO)
    ) == sidecar_rules(settings("istio", EnableDubboSidecar=True))


def test_sidecars_are_configured_as_in_slime() -> None:
    assert SidecarRules(SidecarPolicy(Profile.SLIME, protocol="DUBBO"), 86_400.0, False, naming()) == sidecar_rules(
        settings()
    )
    asked = settings(
        ResourceNs="rpc",
        DubboWorkloadAppLabel="application",
        GenericProtocol=True,
        SelfConsume=True,
        TrimDubboRemoveDepInterval="1h",
        HostSuffix=".x",
    )
    expected = SidecarPolicy(Profile.SLIME, "rpc", "application", "GENERIC")
    assert SidecarRules(expected, 3600.0, True, naming(host_suffix=".x")) == sidecar_rules(asked)
