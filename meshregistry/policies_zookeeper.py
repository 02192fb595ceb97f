"""From settings to the policies of the ZooKeeper source: pure."""

from typing import NamedTuple

import msgspec

from meshregistry.model.dubbo_policy import DubboPolicy, MethodSelector
from meshregistry.model.instance import sort_pairs
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.ports import choose_protocol
from meshregistry.model.selection import LabelRequirement, Operator
from meshregistry.model.sidecar import SidecarPolicy
from meshregistry.policies import conversion_policy
from meshregistry.settings import selection
from meshregistry.settings.root import Settings
from meshregistry.settings.zookeeper import ZookeeperSource

SPRING_NS = "zookeeper"
"""Service namespace of Spring Cloud services that name none."""

_VOLATILE = ("pid", "timestamp", "token")
"""Parameters that differ per process and describe nothing: kept only for Slime's labels."""


class SidecarRules(NamedTuple):
    """How Sidecars come from consumers."""

    policy: SidecarPolicy
    remove_after_s: float
    self_consume: bool
    conversion: ConversionPolicy
    """What names the services, and nothing else: a change of it has the registry read again."""


def zookeeper_policy(settings: Settings) -> ConversionPolicy:
    """Return how ZooKeeper's services become ServiceEntries.

    What the settings say of protocol, port and namespace is Dubbo's, as in Slime, which knows nothing else. Spring
    Cloud's services are plain HTTP on the instances' ports.
    """
    source = settings.zookeeper_source
    common = conversion_policy(settings, "zookeeper")
    return msgspec.structs.replace(
        common,
        svc_protocol="HTTP",
        generic_protocol=False,
        svc_port=0,
        instance_port_as_svc_port=True,
        default_service_ns=source.default_service_ns or SPRING_NS,
        expose_secure_port=True,
        dubbo=_dubbo_policy(source),
    )


def ignored_params(settings: Settings) -> frozenset[str]:
    """Return the URL parameters that are left out of the metadata of Dubbo instances."""
    ignored = frozenset(settings.zookeeper_source.ignore_label)
    return ignored if settings.profile == "slime" else ignored.union(_VOLATILE)


def applies_rules(settings: Settings) -> bool:
    """Whether configurators and rule nodes are read: in the slime profile only on request, as Slime ignores them."""
    return settings.profile != "slime" or settings.zookeeper_source.enable_configurator_meta


def sidecar_rules(settings: Settings) -> SidecarRules | None:
    """Return how Sidecars come from consumers, None when they are off."""
    source = settings.zookeeper_source
    if not source.enable_dubbo_sidecar:
        return None
    policy = conversion_policy(settings, "zookeeper")
    return SidecarRules(
        SidecarPolicy(
            profile=policy.profile,
            resource_ns=source.resource_ns,
            workload_label=source.dubbo_workload_app_label,
            protocol=choose_protocol(policy)[0] if policy.profile is Profile.SLIME else "",
            revision=policy.revision,
        ),
        source.trim_dubbo_remove_dep_interval,
        source.self_consume,
        _naming_policy(zookeeper_policy(settings)),
    )


def _naming_policy(policy: ConversionPolicy) -> ConversionPolicy:
    """Return the part of a policy that decides what Dubbo services are called and which of them there are."""
    return ConversionPolicy(
        source=policy.source,
        profile=policy.profile,
        selection=policy.selection,
        relabel=policy.relabel,
        endpoint_relabel_items=policy.endpoint_relabel_items,
        drop_host_names=policy.drop_host_names,
        skip_validate_label_value=policy.skip_validate_label_value,
        max_label_value_bytes=policy.max_label_value_bytes,
        max_labels_bytes=policy.max_labels_bytes,
        dubbo=DubboPolicy(host_suffix=policy.dubbo.host_suffix if policy.dubbo else ""),
    )


def _dubbo_policy(source: ZookeeperSource) -> DubboPolicy:
    return DubboPolicy(
        svc_protocol=source.svc_protocol,
        generic_protocol=source.generic_protocol,
        svc_port=source.svc_port,
        instance_port_as_svc_port=source.instance_port_as_svc_port,
        resource_ns=source.resource_ns,
        host_suffix=source.host_suffix,
        single_app_service=source.single_app_service,
        method_lb_selectors=tuple(_method_selector(each) for each in source.method_lb_service_selectors),
    )


def _method_selector(selector: selection.ServiceSelector) -> MethodSelector:
    return MethodSelector(
        sort_pairs(dict(selector.match_labels)),
        tuple(LabelRequirement(each.key, Operator(each.operator), each.values) for each in selector.match_expressions),
        selector.invert,
    )
