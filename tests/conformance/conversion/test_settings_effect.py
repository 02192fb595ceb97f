"""Every conversion key of the Nacos and Eureka sections changes what comes out, in the profile where it has effect."""

from typing import Any

import pytest
import yaml

from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.claim import Claim
from meshregistry.model.instance import Instance, Scope, ServiceKey, sort_pairs
from meshregistry.model.service_entry import ServiceEntry
from meshregistry.policies import conversion_policy
from meshregistry.settings.eureka import EurekaServer, EurekaSource
from meshregistry.settings.load import load_settings
from meshregistry.settings.nacos import NacosServer, NacosSource
from meshregistry.settings.source import Source

Changes = dict[str, dict[str, Any]]

SHARED: Changes = {
    "gateway_model": {"gateway_model": True, "enabled": True, "address": ["http://r:1/eureka"]},
    "generic_protocol": {"generic_protocol": True},
    "svc_protocol": {"svc_protocol": "dubbo"},
    "svc_port": {"svc_port": 81},
    "instance_port_as_svc_port": {"instance_port_as_svc_port": False},
    "default_service_ns": {"default_service_ns": "shop"},
    "resource_ns": {"resource_ns": "shop", "ns_host": False},
    "location": {"location": "MESH_EXTERNAL"},
    "instance_protocols": {"instance_protocols": False},
    "drop_host_names": {"drop_host_names": True},
    "locality_labels": {"locality_labels": ["area"]},
    "default_region": {"default_region": "east"},
    "endpoint_selectors": {"endpoint_selectors": [{"matchLabels": {"app": "b"}}]},
    "serviced_endpoint_selectors": {"serviced_endpoint_selectors": {"Orders": [{"matchLabels": {"app": "b"}}]}},
    "empty_ep_selectors_exclude_all": {"empty_ep_selectors_exclude_all": True},
    "always_use_source_scoped_ep_selectors": {
        "always_use_source_scoped_ep_selectors": True,
        "endpoint_selectors": [{"matchLabels": {"app": "a"}}],
        "serviced_endpoint_selectors": {"Orders": [{"matchLabels": {}}]},
    },
    "allow_hosts": {"allow_hosts": ["*.elsewhere.example"]},
    "allow_namespaces": {"allow_namespaces": ["elsewhere"]},
    "mock_service_entry_name": {
        "mock_service_entry_name": "all",
        "mock_service_name": "all.example",
    },
    "mock_service_name": {"mock_service_entry_name": "all", "mock_service_name": "other.example"},
    "mock_service_merge_instance_port": {
        "mock_service_entry_name": "all",
        "mock_service_name": "all.example",
        "mock_service_merge_instance_port": True,
    },
    "mock_service_merge_service_port": {
        "mock_service_entry_name": "all",
        "mock_service_name": "all.example",
        "mock_service_merge_service_port": True,
    },
    "service_naming": {"service_naming": {"items": [{"kind": "static", "value": "one"}]}},
    "service_host_aliases": {"service_host_aliases": [{"host": "HOST", "aliases": ["x.example"]}]},
    "service_additional_metas": {"service_additional_metas": {"NAME": {"annotations": {"a": "b"}}}},
    "instance_meta_relabel": {"instance_meta_relabel": {"items": [{"key": "app", "targetKey": "copy"}]}},
    "k8s_domain_suffix": {"k8s_domain_suffix": False},
    "ns_host": {"ns_host": False},
    "enable_project_code": {"enable_project_code": True},
}
NACOS: Changes = {
    "nsf_nacos": {"nsf_nacos": True, "enabled": True, "address": ["http://n:1"]},
    "dom_suffix": {"dom_suffix": "nsf"},
    "meta_key_group": {"meta_key_group": "g"},
    "meta_key_namespace": {"meta_key_namespace": "n"},
    "meta_key_cluster": {"meta_key_cluster": "c"},
    "host_with_group": {"host_with_group": True},
    "host_with_namespace": {"host_with_namespace": True},
    "drop_unhealthy": {"drop_unhealthy": False},
}
EUREKA: Changes = {
    "nsf_eureka": {"nsf_eureka": True},
    "app_suffix": {"app_suffix": "nsf"},
    "expose_secure_port": {"expose_secure_port": True},
    "vip_alias": {"vip_alias": True},
    "weight_key": {"weight_key": ""},
    "zone_key": {"zone_key": ""},
}

READING = {
    "enabled",
    "wait_time",
    "refresh_period",
    "label_patch",
    "enable_empty_protection",
    "guard",
    "mode",
    "servers",
    "client_headers",
    "request_timeout",
    "connect_timeout",
    "concurrency",
    "max_body_bytes",
    "max_services",
    "max_instances",
}
"""Keys of both that do not concern conversion, or not yet."""

INSTANCES = (
    Instance(
        "10.0.0.1",
        50051,
        "HZ",
        metadata=sort_pairs({"app": "a", "area": "west", "zone": "z", "projectCode": "p", "protocol": "tri"}),
        secure_port=8443,
        aliases=("shop",),
    ),
    Instance("10.0.0.2", 8080, metadata=(("app", "b"), ("weight", "7")), zone="us-east-1c"),
    Instance("db.example.com", 8081),
    Instance("10.0.0.3", 8080, healthy=False, metadata=(("topology.kubernetes.io/zone", "z"),)),
    Instance("10.0.0.4", 8080, metadata=(("topology.kubernetes.io/zone", "z"),)),
)


def convert(source: str, profile: str, section: dict[str, Any]) -> list[ServiceEntry]:
    """Convert the instances by the settings of one section."""
    text = yaml.safe_dump({"profile": profile, f"{source}_source": section})
    policy = conversion_policy(load_settings(text, {}).settings, source)
    place = ("public", "DEFAULT_GROUP") if source == "nacos" else ("", "")
    cache = ConversionCache()
    claims: dict[str, list[Claim]] = {}
    for claim in convert_service(ServiceKey(Scope(source, "", *place), "Orders"), INSTANCES, policy, cache).claims:
        claims.setdefault(claim.resource_name, []).append(claim)
    return [entry for each in claims.values() if (entry := merge_claims(each, cache).entry) is not None]


def spell(value: Any, source: str) -> Any:
    """Fill in the generated host and name."""
    if isinstance(value, dict):
        return {spell(key, source): spell(each, source) for key, each in value.items()}
    if isinstance(value, list):
        return [spell(each, source) for each in value]
    return {"HOST": f"orders.{source}.svc.cluster.local", "NAME": f"orders.{source}"}.get(str(value), value)


PROFILES = {"generic_protocol": "slime"}
BASES: dict[str, dict[str, Any]] = {
    "mock_service_name": {"mock_service_entry_name": "all", "mock_service_name": "all.example"},
    "mock_service_merge_instance_port": {"mock_service_entry_name": "all", "mock_service_name": "all.example"},
    "mock_service_merge_service_port": {"mock_service_entry_name": "all", "mock_service_name": "all.example"},
    "always_use_source_scoped_ep_selectors": {
        "endpoint_selectors": [{"matchLabels": {"app": "a"}}],
        "serviced_endpoint_selectors": {"Orders": [{"matchLabels": {}}]},
    },
    "resource_ns": {"ns_host": False},
}
"""What is set beside the key in either case."""

CASES = [
    pytest.param(source, key, section, id=f"{source}.{key}")
    for source, changes in (("nacos", SHARED | NACOS), ("eureka", SHARED | EUREKA))
    for key, section in changes.items()
]


@pytest.mark.parametrize(("source", "key", "section"), CASES)
def test_a_key_changes_the_output(source: str, key: str, section: dict[str, Any]) -> None:
    profile = PROFILES.get(key, "istio")
    assert convert(source, profile, BASES.get(key, {})) != convert(source, profile, spell(section, source))


@pytest.mark.parametrize(
    ("section", "server", "changes"), [(NacosSource, NacosServer, NACOS), (EurekaSource, EurekaServer, EUREKA)]
)
def test_no_conversion_key_is_forgotten(section: type[Source], server: type[Source], changes: Changes) -> None:
    """Every common key is in the table; what only one source has and reads with is its own business."""
    common = set(Source.model_fields)
    assert common <= set(SHARED) | READING
    assert set(SHARED) | set(changes) <= set(section.model_fields) - set(server.model_fields)
