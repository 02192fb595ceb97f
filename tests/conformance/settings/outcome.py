"""What comes out for a settings text: everything the settings decide, made with the rooms themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from meshregistry.http.spec_json import config_item
from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.call_model import CallModel
from meshregistry.model.claim import Claim
from meshregistry.model.dubbo import DubboConverter
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.instance import Instance, Scope, ServiceKey, sort_pairs
from meshregistry.model.pods import PodLabels, patch_claim
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.sidecar import build_sidecar
from meshregistry.settings.load import load_settings
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.calls import list_calls
from meshregistry.sources.zookeeper.dubbo.consumers import read_consumers
from meshregistry.sources.zookeeper.dubbo.interface import InterfaceReading, read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from meshregistry.sources.zookeeper.options import ZooKeeperOptions
from meshregistry.sources.zookeeper.spring import spring_scope
from meshregistry.wiring import ads_listeners, cluster_options, http_options, source_options, source_rules, wants_pods
from tests.support.dubbo_names import encode
from tests.support.http_pages import ENCODER, ORDERS

PODS = {"10.0.0.1": PodLabels((("pod", "orders-0"),))}

INSTANCES = (
    Instance("10.0.0.1", 8080, metadata=sort_pairs({"app": "a", "projectCode": "p", "area": "west", "zone": "z"})),
    Instance("10.0.0.2", 8081, metadata=(("app", "b"), ("note", "not a label value!"))),
    Instance("10.1.0.3", 8080, metadata=(("color", "red"),)),
)
PROVIDERS = (
    "dubbo://10.0.0.1:20880/a.B?application=shop&app=a&methods=x,y&pid=1&timestamp=2&dubbo=2.0.2&area=west",
    "dubbo://10.0.0.2:20881/a.B?application=shop&app=b&methods=x",
    "dubbo://10.1.0.3:20880/a.B?application=shop&color=red",
)
CONSUMERS = ("consumer://10.0.0.9/a.B?application=web",)
_CREATED = "2100-01-01T00:00:00Z"


def outcome(text: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return every part by its name."""
    loaded = load_settings(text, environ)
    settings = loaded.settings
    options, rules = source_options(settings), source_rules(settings)
    policies = {kind: each.conversion for kind, each in rules.items()}
    readings = _read(options["zookeeper"]) if "zookeeper" in options else None
    item = config_item(ENCODER.encode(ORDERS), "type", _CREATED, with_version=settings.mcp.enable_anno_res_ver)
    return {
        "warnings": loaded.warnings,
        "options": options,
        "guard": {kind: each.guard for kind, each in rules.items()},
        "nacos": _entries(policies.get("nacos"), _services(options, "nacos", "public", "DEFAULT_GROUP")),
        "eureka": _entries(policies.get("eureka"), _services(options, "eureka", "", "")),
        "zookeeper": _entries(policies.get("zookeeper"), _zookeeper_services(readings)),
        "sidecars": _sidecars(options.get("zookeeper"), readings),
        "ads": ads_listeners(settings.mcp),
        "http": http_options(settings),
        "clusters": (cluster_options(settings), wants_pods(settings)),
        "item": item,
    }


def wrapped(legacy: Mapping[str, Any], misc: Mapping[str, str] | None = None) -> str:
    """Return a module configuration of Slime's with these keys."""
    module: dict[str, Any] = {"name": "meshregistry", "kind": "meshregistry", "general": {"LEGACY": legacy}}
    return yaml.safe_dump({**module, "global": {"misc": dict(misc or {})}}, sort_keys=False)


_Services = Iterable[tuple[ServiceKey, tuple[Instance, ...]]]


def _services(options: Mapping[str, Any], kind: str, namespace: str, group: str) -> _Services:
    for server in options[kind].servers if kind in options else ():
        yield ServiceKey(Scope(kind, server.registry_id, namespace, group), "Orders"), INSTANCES


def _zookeeper_services(readings: InterfaceReading | None) -> _Services:
    for name, instances in readings.services.items() if readings else ():
        yield ServiceKey(dubbo_scope("", "a.B"), name), instances
    if readings:
        yield ServiceKey(spring_scope(""), "Orders"), INSTANCES


def _read(options: Any) -> InterfaceReading:
    assert isinstance(options, ZooKeeperOptions)
    reader = ProviderReader(tuple(options.ignored_params))
    return finish(read_interface(reader, "a.B", [encode(url) for url in PROVIDERS]))


def _entries(policy: ConversionPolicy | None, services: _Services) -> list[Any]:
    """Convert, patch with what is known of pods, merge; as the reducer does."""
    if policy is None:
        return []
    cache = ConversionCache()
    claims: dict[str, list[Claim]] = {}
    for key, instances in services:
        for claim in convert_service(key, instances, policy, cache).claims:
            claims.setdefault(claim.resource_name, []).append(patch_claim(claim, PODS))
    return [merge_claims(each, cache).entry for _, each in sorted(claims.items())]


def _sidecars(options: Any, reading: InterfaceReading | None) -> list[Any]:
    if not isinstance(options, ZooKeeperOptions) or options.sidecars is None or reading is None:
        return []
    sidecars = options.sidecars
    model = CallModel(sidecars.remove_after_s, self_consume=sidecars.self_consume)
    consumers = finish(read_consumers(map(encode, CONSUMERS)))
    naming = sidecars.conversion
    converter = DubboConverter(naming, naming.dubbo or DubboPolicy(), 100)
    model.replace("a.B", list_calls(dubbo_scope("", "a.B"), reading.services, consumers, converter), 0.0)
    built = [
        build_sidecar(name, model.dependencies(name) or (), sidecars.policy) for name in model.known_applications()
    ]
    model.replace("a.B", (), 1.0)
    return [built, model.next_expiry]
