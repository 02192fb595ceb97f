"""For every key of Slime's a value that is not the default, and where it must show.

Written from the reference of Slime's configuration (pkg/bootstrap/args.go, pkg/features), not from our schema.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Tree = Mapping[str, Any]


class Case(NamedTuple):
    """One key set to another value."""

    change: Tree
    """What is set, in Slime's words, inside its section."""

    part: str
    """The part of the outcome that must be another one; `warning: ...` is the exact warning that must come."""

    base: Tree = MappingProxyType({})
    """What is set in either case."""


NACOS: Tree = {"Enabled": True, "Address": ["http://n:8848"]}
EUREKA: Tree = {"Enabled": True, "Address": ["http://e:8761/eureka"]}
ZOOKEEPER: Tree = {"Enabled": True, "Address": ["z:2181"]}
FILES: Tree = {"Enabled": True, "EnableConfigFile": True, "ConfigPath": "/files"}

SECTIONS: dict[str, tuple[str, Tree]] = {
    "nacos": ("NacosSource", NACOS),
    "eureka": ("EurekaSource", EUREKA),
    "zookeeper": ("ZookeeperSource", ZOOKEEPER),
    "files": ("K8SSource", FILES),
}
"""Kind of source → Slime's section, and what makes it run."""

FILES_IGNORE = "warning: accepted, but without effect: files are served as they are written"
PRESETS = "warning: accepted, but without effect: every preset has the kinds that are served, ServiceEntry and Sidecar"
UNUSED = "warning: accepted, but without effect: Slime never reads it"

_B: Tree = {"matchLabels": {"app": "b"}}
_MOCK: Tree = {"MockServiceEntryName": "all", "MockServiceName": "all.example"}
_NAMING: Tree = {"Sep": "-", "Items": [{"Kind": "$", "Value": "service"}, {"Kind": "static", "Value": "x"}]}
_RELABEL: Tree = {"Items": [{"Key": "app", "TargetKey": "copy"}]}

NAMES = {
    "nacos": ("DEFAULT_GROUP@@Orders", "orders.nacos", "orders.nacos.svc.cluster.local"),
    "eureka": ("Orders", "orders.eureka", "orders.eureka.svc.cluster.local"),
    "zookeeper": ("a.B", "a.B", "a.B"),
}
"""Of each source: the service as selectors know it, the entry's name, its host."""


def common_cases(kind: str) -> dict[str, Case]:
    """Return the cases of the keys that every registry has."""
    service, name, host = NAMES[kind]
    resource_ns: Tree = {} if kind == "zookeeper" else {"NsHost": False}
    return {
        "Enabled": Case({"Enabled": False}, "options"),
        "WaitTime": Case({"WaitTime": "7s"}, "options"),
        "RefreshPeriod": Case({"RefreshPeriod": "7s"}, "options"),
        "GatewayModel": Case({"GatewayModel": True}, kind),
        "LabelPatch": Case({"LabelPatch": False}, kind),
        "GenericProtocol": Case({"GenericProtocol": True}, kind),
        "SvcProtocol": Case({"SvcProtocol": "redis"}, kind),
        "SvcPort": Case({"SvcPort": 81}, kind),
        "InstancePortAsSvcPort": Case({"InstancePortAsSvcPort": False}, kind, {"SvcPort": 81}),
        "DefaultServiceNs": Case({"DefaultServiceNs": "shop"}, kind),
        "ResourceNs": Case({"ResourceNs": "shop"}, kind, resource_ns),
        "EndpointSelectors": Case({"EndpointSelectors": [_B]}, kind),
        "ServicedEndpointSelectors": Case({"ServicedEndpointSelectors": {service: [_B]}}, kind),
        "EmptyEpSelectorsExcludeAll": Case({"EmptyEpSelectorsExcludeAll": True}, kind),
        "AlwaysUseSourceScopedEpSelectors": Case(
            {"AlwaysUseSourceScopedEpSelectors": True},
            kind,
            {
                "EndpointSelectors": [{"matchLabels": {"app": "a"}}],
                "ServicedEndpointSelectors": {service: [{"matchExpressions": [{"key": "app", "operator": "Exists"}]}]},
            },
        ),
        "MockServiceEntryName": Case(_MOCK, kind),
        "MockServiceName": Case({"MockServiceName": "other.example"}, kind, _MOCK),
        "MockServiceMergeInstancePort": Case({"MockServiceMergeInstancePort": True}, kind, _MOCK),
        "MockServiceMergeServicePort": Case({"MockServiceMergeServicePort": True}, kind, _MOCK),
        "ServiceNaming": Case({"ServiceNaming": _NAMING}, kind),
        "ServiceHostAliases": Case({"ServiceHostAliases": [{"Host": host, "Aliases": ["x.example"]}]}, kind),
        "ServiceAdditionalMetas": Case({"ServiceAdditionalMetas": {name: {"Annotations": {"a": "b"}}}}, kind),
        "InstanceMetaRelabel": Case({"InstanceMetaRelabel": _RELABEL}, kind),
        "EnableEmptyProtection": Case({"EnableEmptyProtection": True}, "guard"),
    }


FILES_CASES: dict[str, Case] = {
    **{
        key: case._replace(part=FILES_IGNORE, base={})
        for key, case in common_cases("nacos").items()
        if key not in ("MockServiceEntryName", "MockServiceName", "LabelPatch", "InstancePortAsSvcPort")
    },
    "MockServiceEntryName": Case({"MockServiceEntryName": "all"}, FILES_IGNORE),
    "MockServiceName": Case({"MockServiceName": "a.example"}, FILES_IGNORE),
    "LabelPatch": Case({"LabelPatch": True}, FILES_IGNORE),
    "InstancePortAsSvcPort": Case({"InstancePortAsSvcPort": True}, FILES_IGNORE),
    "Enabled": Case({"Enabled": False}, "options"),
    "ResourceNs": Case({"ResourceNs": "shop"}, "options"),
    "EnableEmptyProtection": Case({"EnableEmptyProtection": True}, "guard"),
}
"""Slime uses the first alone; ours uses the last two as well."""

_SHARED_OWN: dict[str, Case] = {
    "K8SDomainSuffix": Case({"K8SDomainSuffix": False}, ""),
    "NsHost": Case({"NsHost": False}, ""),
    "EnableProjectCode": Case({"EnableProjectCode": True}, ""),
    "RegistryID": Case({"RegistryID": "east"}, ""),
}

OWN_CASES: dict[str, dict[str, Case]] = {
    "NacosSource": {
        **{key: case._replace(part="nacos") for key, case in _SHARED_OWN.items()},
        "Address": Case({"Address": ["http://other:8848"]}, "options"),
        "Namespace": Case({"Namespace": "prod"}, "options"),
        "Group": Case({"Group": "BATCH"}, "options"),
        "Username": Case({"Username": "reader"}, "options"),
        "Password": Case({"Password": "secret"}, "options", {"Username": "reader"}),
        "AllNamespaces": Case({"AllNamespaces": True}, "options"),
        "NamespaceGroups": Case({"NamespaceGroups": ["prod:A,B", "test"]}, "options"),
        "Mode": Case({"Mode": "watching"}, "options"),
        "NsfNacos": Case({"NsfNacos": True}, "nacos"),
        "MetaKeyGroup": Case({"MetaKeyGroup": "group"}, "nacos"),
        "MetaKeyNamespace": Case({"MetaKeyNamespace": "namespace"}, "nacos"),
        "DomSuffix": Case({"DomSuffix": "nsf"}, "nacos"),
        "Servers": Case({"Servers": [{"Address": ["http://other:8848"]}]}, "options"),
        "NameWithNs": Case({"NameWithNs": True}, UNUSED),
    },
    "EurekaSource": {
        **{key: case._replace(part="eureka") for key, case in _SHARED_OWN.items()},
        "Address": Case({"Address": ["http://other:8761/eureka"]}, "options"),
        "NsfEureka": Case({"NsfEureka": True}, "eureka"),
        "AppSuffix": Case({"AppSuffix": "nsf"}, "eureka"),
        "Servers": Case({"Servers": [{"Address": ["http://other:8761/eureka"]}]}, "options"),
    },
    "ZookeeperSource": {
        "Address": Case({"Address": ["other:2181"]}, "options"),
        "IgnoreLabel": Case({"IgnoreLabel": ["area"]}, "zookeeper"),
        "ConnectionTimeout": Case({"ConnectionTimeout": "7s"}, "options"),
        "RegistryRootNode": Case({"RegistryRootNode": "/other"}, "options"),
        "ApplicationRegisterRootNode": Case({"ApplicationRegisterRootNode": "/apps"}, "options"),
        "Mode": Case({"Mode": "polling"}, "options"),
        "WatchingWorkerCount": Case({"WatchingWorkerCount": 3}, "options"),
        "WatchingResyncCron": Case({"WatchingResyncCron": "@every 5m"}, "options"),
        "WatchingDebounce": Case({"WatchingDebounce": {"TriggerCount": 2}}, "options"),
        "EnableConfiguratorMeta": Case({"EnableConfiguratorMeta": True}, "options"),
        "EnableDubboSidecar": Case({"EnableDubboSidecar": False}, "sidecars"),
        "TrimDubboRemoveDepInterval": Case({"TrimDubboRemoveDepInterval": "1h"}, "sidecars"),
        "DubboWorkloadAppLabel": Case({"DubboWorkloadAppLabel": "service"}, "sidecars"),
        "SelfConsume": Case({"SelfConsume": True}, "sidecars"),
        "SingleAppService": Case({"SingleAppService": True}, "zookeeper"),
        "MethodLBServiceSelectors": Case(
            {"MethodLBServiceSelectors": [{"matchLabels": {"registry": "zookeeper"}}]}, "zookeeper"
        ),
        "HostSuffix": Case({"HostSuffix": ".dubbo"}, "zookeeper"),
        "ConsumerPath": Case({"ConsumerPath": "-"}, "sidecars"),
    },
    "K8SSource": {
        "EnableConfigFile": Case({"EnableConfigFile": False}, "options"),
        "ConfigPath": Case({"ConfigPath": "/other"}, "options"),
        "WatchConfigFiles": Case({"WatchConfigFiles": True}, "options"),
        "ExcludedResourceKinds": Case({"ExcludedResourceKinds": ["Sidecar"]}, "options"),
        "Collections": Case({"Collections": ["istio"]}, PRESETS),
        "WatchedNamespaces": Case({"WatchedNamespaces": "shop"}, UNUSED),
    },
}

SERVER_CASES: dict[str, dict[str, Case]] = {
    "NacosSource": {
        key: OWN_CASES["NacosSource"][key]
        for key in (
            *("RegistryID", "Address", "Namespace", "Group", "Username", "Password", "AllNamespaces"),
            "NamespaceGroups",
        )
    },
    "EurekaSource": {key: OWN_CASES["EurekaSource"][key] for key in ("RegistryID", "Address")},
}
"""The same keys inside `Servers[]`."""

_DEBOUNCE: Tree = {"TriggerCount": 2, "DebounceDuration": "1s", "Delay": "1s", "MaxDelay": "9s"}
_LABELS: Tree = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]}


def _debounce(**change: Any) -> Case:
    return Case({"WatchingDebounce": {**_DEBOUNCE, **change}}, "options", {"WatchingDebounce": _DEBOUNCE})


def _selector(selector: Tree, base: Tree) -> Case:
    return Case({"EndpointSelectors": [selector]}, "eureka", {"EndpointSelectors": [base]})


def _expression(**change: Any) -> Case:
    expression = {**_LABELS["matchExpressions"][0], **change}
    return _selector({"matchExpressions": [expression]}, _LABELS)


def _naming(change: Tree) -> Case:
    return Case({"ServiceNaming": {**_NAMING, **change}}, "nacos", {"ServiceNaming": _NAMING})


def _relabel(change: Tree, base: Tree) -> Case:
    return Case(
        {"InstanceMetaRelabel": {"Items": [{**base, **change}]}}, "nacos", {"InstanceMetaRelabel": {"Items": [base]}}
    )


_COPY: Tree = {"Key": "app", "TargetKey": "copy"}
_ALIAS: Tree = {"Host": NAMES["nacos"][2], "Aliases": ["x.example"]}

OBJECT_CASES: dict[str, Case] = {
    "WatchingDebounce.TriggerCount": _debounce(TriggerCount=3),
    "WatchingDebounce.DebounceDuration": _debounce(DebounceDuration="2s"),
    "WatchingDebounce.Delay": _debounce(Delay="2s"),
    "WatchingDebounce.MaxDelay": _debounce(MaxDelay="8s"),
    "MethodLBServiceSelectors[].Invert": Case(
        {"MethodLBServiceSelectors": [{"matchLabels": {"registry": "zookeeper"}, "Invert": True}]},
        "zookeeper",
        {"MethodLBServiceSelectors": [{"matchLabels": {"registry": "zookeeper"}}]},
    ),
    "MethodLBServiceSelectors[].matchLabels": Case(
        {"MethodLBServiceSelectors": [{"matchLabels": {"registry": "other"}}]},
        "zookeeper",
        {"MethodLBServiceSelectors": [{"matchLabels": {"registry": "zookeeper"}}]},
    ),
    "MethodLBServiceSelectors[].matchExpressions": Case(
        {"MethodLBServiceSelectors": [{"matchExpressions": [{"key": "registry", "operator": "DoesNotExist"}]}]},
        "zookeeper",
        {"MethodLBServiceSelectors": [{"matchExpressions": [{"key": "registry", "operator": "Exists"}]}]},
    ),
    "EndpointSelectors[].matchLabels": _selector(_B, {"matchLabels": {"app": "a"}}),
    "EndpointSelectors[].matchExpressions": _selector(
        {"matchExpressions": [{"key": "color", "operator": "Exists"}]}, _LABELS
    ),
    "EndpointSelectors[].ExcludeIPRanges": _selector({**_LABELS, "ExcludeIPRanges": {"IPs": ["10.0.0.1"]}}, _LABELS),
    "matchExpressions[].key": _expression(key="color"),
    "matchExpressions[].operator": _expression(operator="NotIn"),
    "matchExpressions[].values": _expression(values=["b"]),
    "ExcludeIPRanges.IPs": _selector({**_B, "ExcludeIPRanges": {"IPs": ["10.0.0.2"]}}, _B),
    "ExcludeIPRanges.CIDRs": _selector({**_B, "ExcludeIPRanges": {"CIDRs": ["10.0.0.0/16"]}}, _B),
    "ServiceNaming.Sep": _naming({"Sep": "."}),
    "ServiceNaming.Items": _naming({"Items": [{"Kind": "static", "Value": "y"}]}),
    "ServiceNaming.Items[].Kind": _naming({"Items": [_NAMING["Items"][0], {"Kind": "meta", "Value": "x"}]}),
    "ServiceNaming.Items[].Value": _naming({"Items": [_NAMING["Items"][0], {"Kind": "static", "Value": "z"}]}),
    "InstanceMetaRelabel.Items": Case(
        {"InstanceMetaRelabel": {"Items": [_COPY]}}, "nacos", {"InstanceMetaRelabel": {"Items": []}}
    ),
    "InstanceMetaRelabel.Items[].Key": _relabel({"Key": "color"}, _COPY),
    "InstanceMetaRelabel.Items[].TargetKey": _relabel({"TargetKey": "other"}, _COPY),
    "InstanceMetaRelabel.Items[].Overwrite": _relabel({"Overwrite": True}, {"Key": "zone", "TargetKey": "app"}),
    "InstanceMetaRelabel.Items[].CreatedWithValue": _relabel({"CreatedWithValue": "none"}, _COPY),
    "InstanceMetaRelabel.Items[].ValuesMapping": _relabel({"ValuesMapping": {"a": "z"}}, _COPY),
    "ServiceHostAliases[].Host": Case(
        {"ServiceHostAliases": [_ALIAS]}, "nacos", {"ServiceHostAliases": [{**_ALIAS, "Host": "other"}]}
    ),
    "ServiceHostAliases[].Aliases": Case(
        {"ServiceHostAliases": [{**_ALIAS, "Aliases": ["y.example"]}]}, "nacos", {"ServiceHostAliases": [_ALIAS]}
    ),
    "ServiceAdditionalMetas{}.Annotations": Case(
        {"ServiceAdditionalMetas": {NAMES["nacos"][1]: {"Annotations": {"a": "b"}}}}, "nacos"
    ),
    "ServiceAdditionalMetas{}.Labels": Case(
        {"ServiceAdditionalMetas": {NAMES["nacos"][1]: {"Labels": {"team": "b"}}}}, "nacos"
    ),
}
"""The insides of objects, in the section where `part` says."""

_INC = "warning: without effect: the dialect needs a listener of its own, see enable_inc_push of mcp.listeners"
_LISTENER: Tree = {"Mcp": {"listeners": [{"server_url": "xds://0.0.0.0:16020", "enable_inc_push": True}]}}

TOP_CASES: dict[str, Case] = {
    "HTTPServerAddr": Case({"HTTPServerAddr": ":9090"}, "http"),
    "RegistryStartDelay": Case({"RegistryStartDelay": "7s"}, "options"),
    "ResyncPeriod": Case({"ResyncPeriod": "1m"}, "clusters"),
    "ExcludedResourceKinds": Case({"ExcludedResourceKinds": ["Sidecar"]}, "options"),
    "Snapshots": Case({"Snapshots": ["istio"]}, PRESETS),
    "MeshConfigFile": Case({"MeshConfigFile": "x"}, UNUSED),
    "EnableGRPCTracing": Case(
        {"EnableGRPCTracing": True},
        "warning: accepted, but without effect: it traces the inside of Slime's gRPC library",
    ),
    "WatchedNamespaces": Case({"WatchedNamespaces": "x"}, UNUSED),
    "EnableServiceDiscovery": Case({"EnableServiceDiscovery": True}, UNUSED),
    "Business": Case({"Business": {"RegionLabels": ["r"]}}, UNUSED + "; use conversion.locality_labels"),
    "Revision": Case({"Revision": "canary"}, UNUSED + "; use conversion.istio_revision"),
    "RevCrds": Case({"RevCrds": "x"}, "warning: accepted, but without effect: Slime does not support it"),
    "Mcp.ServerUrl": Case({"Mcp": {"ServerUrl": "xds://127.0.0.1:16011"}}, "ads"),
    "Mcp.EnableAnnoResVer": Case({"Mcp": {"EnableAnnoResVer": False}}, "item"),
    "Mcp.EnableIncPush": Case({"Mcp": {"EnableIncPush": True}}, _INC),
    "Mcp.CleanZombieInterval": Case({"Mcp": {**_LISTENER["Mcp"], "CleanZombieInterval": "1m"}}, "ads", _LISTENER),
    "K8S.ClusterID": Case({"K8S": {"ClusterID": "east"}}, "clusters"),
    "K8S.ClusterRegistriesNamespace": Case({"K8S": {"ClusterRegistriesNamespace": "mesh"}}, "clusters"),
    "K8S.ApiServerUrlForDeploy": Case({"K8S": {"ApiServerUrlForDeploy": "https://api"}}, "clusters"),
    "K8S.KubeConfig": Case({"K8S": {"KubeConfig": "/config"}}, "clusters"),
    "K8S.ApiServerUrl": Case({"K8S": {"ApiServerUrl": "https://api"}}, UNUSED),
}

MISC_CASES: dict[str, Case] = {
    "global.misc.aux-addr": Case({"aux-addr": ":9091"}, "http"),
    "global.misc.pathRedirect": Case({"pathRedirect": "/a->/meshregistry/xdsCache"}, "http"),
}

_CLIENTS = "warning: without effect: it limits clients, in Slime too; a limit for requests is mcp.max_request_bytes"

VARIABLE_CASES: dict[str, Case] = {
    "LOCALITY_LABELS": Case({"LOCALITY_LABELS": "area"}, "nacos"),
    "ENDPOINT_RELABEL_ITEMS": Case({"ENDPOINT_RELABEL_ITEMS": "app=copy"}, "nacos"),
    "MESH_REG_ISTIO_REVISION": Case({"MESH_REG_ISTIO_REVISION": "canary"}, "nacos"),
    "REGISTRY_ID_META_KEY": Case({"REGISTRY_ID_META_KEY": "rid"}, "nacos", {"NacosSource": {"RegistryID": "east"}}),
    "SKIP_VALIDATE_LABEL_VALUE": Case({"SKIP_VALIDATE_LABEL_VALUE": "true"}, "nacos"),
    "SE_LABEL_SELECTOR_KEYS": Case({"SE_LABEL_SELECTOR_KEYS": "$host:h"}, "nacos"),
    "NACOS_CLIENT_HEADERS": Case({"NACOS_CLIENT_HEADERS": "a=b"}, "options"),
    "CLUSTER_ID": Case({"CLUSTER_ID": "east"}, "clusters"),
    "POD_NAMESPACE": Case({"POD_NAMESPACE": "mesh"}, "clusters"),
    "POD_NAME": Case({"POD_NAME": "m-0"}, "ads"),
    "STRICT_ISTIO_REV": Case({"STRICT_ISTIO_REV": "true"}, "ads"),
    "EXTRA_REV_MAP": Case({"EXTRA_REV_MAP": "a:b"}, "ads"),
    "XDS_SEND_TIMEOUT": Case({"XDS_SEND_TIMEOUT": "7s"}, "ads"),
    "FORCE_UPDATE_JITTER_DURATION": Case({"FORCE_UPDATE_JITTER_DURATION": "7s"}, "options"),
    "ZK_RESYNC_WATCH_PERIOD": Case({"ZK_RESYNC_WATCH_PERIOD": "7s"}, "options"),
    "SENT_NONCE_RECORD_NUM": Case(
        {"SENT_NONCE_RECORD_NUM": "4"}, "warning: without effect: nonces are compared as the xDS protocol says"
    ),
    "MCP_XDS_GRPC_MAXRECVMSGSIZE": Case({"MCP_XDS_GRPC_MAXRECVMSGSIZE": "1"}, _CLIENTS),
    "MCP_XDS_GPRC_MAXRECVMSGSIZE": Case({"MCP_XDS_GPRC_MAXRECVMSGSIZE": "1"}, _CLIENTS),
    "MCP_INC_PUSH": Case({"MCP_INC_PUSH": "true"}, "warning: without effect: nothing in Slime's server reads it"),
    "MCP_HTTP_URL": Case(
        {"MCP_HTTP_URL": "x"},
        "warning: without effect: Slime's long-poll server, which always answers that nothing has changed, "
        "is not served",
    ),
}
