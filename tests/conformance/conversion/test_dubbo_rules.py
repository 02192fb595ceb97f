"""Every rule of Dubbo conversion against a hand-written example: URLs in, ServiceEntries, Sidecars and rejects out.

The files under `data/` are written from the text of the rules and are never regenerated from our output.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.call_model import CallModel
from meshregistry.model.claim import Claim
from meshregistry.model.dubbo import DubboConverter
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.instance import ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.sidecar import Sidecar, SidecarPolicy, build_sidecar
from meshregistry.model.validation import Validated
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.calls import list_calls
from meshregistry.sources.zookeeper.dubbo.consumers import read_consumers
from meshregistry.sources.zookeeper.dubbo.interface import InterfaceReading, read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from meshregistry.sources.zookeeper.dubbo.rules import read_overrides
from meshregistry.sources.zookeeper.dubbo.url import decode
from tests.conformance.conversion import test_conversion_rules as shared
from tests.support.dubbo_names import encode
from tests.support.istiod_verdict import list_faults

Tree = dict[str, Any]
Urls = dict[str, list[str]]


class Example(msgspec.Struct, forbid_unknown_fields=True):
    """What goes in and what must come out; `rejects` are resource, reason and subject."""

    title: str
    profiles: list[Profile]
    interfaces: Urls
    entries: list[Tree] = []
    policy: Tree = {}
    dubbo: Tree = {}
    ignored: tuple[str, ...] = ("pid", "timestamp", "dubbo")
    overrides: Urls = {}
    consumers: Urls = {}
    self_consume: bool = False
    sidecar_policy: Tree = {}
    sidecars: list[Tree] = []
    rejects: list[list[str]] = []


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """One rule with the place it comes from."""

    rule: str
    source: str
    examples: list[Example]


def _cases(pattern: str) -> list[Any]:
    return [
        pytest.param(example, profile, id=f"{path.stem}: {example.title} [{profile}]")
        for path in sorted(Path(shared.DATA).glob(pattern))
        for example in msgspec.convert(yaml.safe_load(path.read_text()), Rule).examples
        for profile in example.profiles
    ]


def _read(example: Example, step: int) -> dict[str, InterfaceReading]:
    reader = ProviderReader(example.ignored)
    return {
        interface: finish(
            read_interface(
                reader,
                interface,
                [encode(url) for url in example.interfaces[interface][::step]],
                read_overrides(interface, map(encode, example.overrides.get(interface, ()))).rules,
            )
        )
        for interface in list(example.interfaces)[::step]
    }


def _policy(example: Example, profile: Profile) -> ConversionPolicy:
    tree = {"source": "zookeeper", "vip_range": "", **shared.PROFILES[profile], **example.policy}
    return msgspec.convert({**tree, "dubbo": msgspec.convert(example.dubbo, DubboPolicy)}, ConversionPolicy)


def _convert(example: Example, profile: Profile, step: int) -> tuple[list[Tree], list[list[str]]]:
    """Convert the example; `step` -1 feeds everything in the opposite order."""
    policy = _policy(example, profile)
    cache = ConversionCache()
    conversions = [
        convert_service(ServiceKey(dubbo_scope("", interface), name), instances, policy, cache)
        for interface, reading in _read(example, step).items()
        for name, instances in reading.services.items()
    ]
    return shared.merge_all(conversions, cache)


def _make_sidecars(example: Example, profile: Profile, step: int) -> list[Tree]:
    policy = msgspec.convert({"profile": profile, **example.sidecar_policy}, SidecarPolicy)
    conversion = _policy(example, profile)
    converter = DubboConverter(conversion, conversion.dubbo or DubboPolicy(), 100)
    model = CallModel(0.0, self_consume=example.self_consume)
    for interface, reading in _read(example, step).items():
        consumers = finish(read_consumers(map(encode, example.consumers.get(interface, ()))))
        scope = dubbo_scope("", interface)
        model.replace(interface, list_calls(scope, reading.services, consumers, converter), 0.0)
    built = [build_sidecar(name, model.dependencies(name) or (), policy) for name in model.known_applications()]
    return sorted((_sidecar_tree(each.sidecar) for each in built if each.sidecar), key=lambda tree: str(tree["name"]))


def _sidecar_tree(sidecar: Sidecar) -> Tree:
    (listener,) = sidecar.egress
    tree = {"name": sidecar.resource_name, "selector": dict(sidecar.workload_labels), "hosts": list(listener.hosts)}
    return {**tree, "protocol": listener.protocol} if listener.protocol else tree


@pytest.mark.parametrize(("example", "profile"), _cases("dubbo-[0-9]*.yaml"))
@pytest.mark.parametrize("step", [1, -1], ids=["in order", "backwards"])
def test_registered_urls_become_exactly_the_written_entries(example: Example, profile: Profile, step: int) -> None:
    """Entries and rejects are as the rule says, and nothing else, for any order of arrival."""
    entries, rejects = _convert(example, profile, step)
    assert example.entries == entries
    assert sorted(example.rejects) == sorted(rejects)


@pytest.mark.parametrize(("example", "profile"), _cases("dubbo-sidecars.yaml"))
@pytest.mark.parametrize("step", [1, -1], ids=["in order", "backwards"])
def test_consumers_become_exactly_the_written_sidecars(example: Example, profile: Profile, step: int) -> None:
    assert example.sidecars == _make_sidecars(example, profile, step)


def _convert_captured(profile: Profile) -> dict[str, Validated]:
    """Everything that Dubbo 2.7.23 and 3.3.6 registered in a real ZooKeeper, as one world."""
    captured = msgspec.json.decode((shared.DATA / "captured-providers.json").read_bytes(), type=Urls)
    policy = ConversionPolicy(source="zookeeper", profile=profile, dubbo=DubboPolicy())
    reader, cache = ProviderReader(("pid", "timestamp", "dubbo")), ConversionCache()
    claims: dict[str, list[Claim]] = {}
    for node, names in captured.items():
        interface = decode(node)
        for name, instances in finish(read_interface(reader, interface, names)).services.items():
            key = ServiceKey(dubbo_scope("", interface), name)
            for claim in convert_service(key, instances, policy, cache).claims:
                claims.setdefault(claim.resource_name, []).append(claim)
    return {name: merge_claims(each, cache) for name, each in claims.items()}


def test_what_real_applications_register_is_accepted_by_istiod() -> None:
    """All providers of UserService have weight 0."""
    world = _convert_captured(Profile.ISTIO)
    assert {
        "dubbo/1-0-0.g1.lab.api.greetservice.dubbo",
        "dubbo/1-0-0.lab.api.orderservice.dubbo",
        "dubbo/2-0-0.lab.api.greetservice.dubbo",
        "dubbo/g2.lab.api.greetservice.dubbo",
        "dubbo/lab.api.greetservice.dubbo",
        "dubbo/lab.api.outer-innerservice.dubbo",
        "dubbo/tri.1-0-0.lab.api.orderservice.dubbo",
        "dubbo/tri.g2.lab.api.greetservice.dubbo",
        "dubbo/tri.lab.api.greetservice.dubbo",
    } == world.keys()
    assert [] == [
        fault for each in world.values() for fault in (list_faults(each.entry) if each.entry else ["held back"])
    ]
    assert [] == [reject for each in world.values() for reject in each.rejects]


def test_what_real_applications_register_has_slime_names() -> None:
    assert {
        "dubbo/lab.api.GreetService",
        "dubbo/lab.api.GreetService::2.0.0",
        "dubbo/lab.api.GreetService:g1:1.0.0",
        "dubbo/lab.api.GreetService:g2",
        "dubbo/lab.api.OrderService::1.0.0",
        "dubbo/lab.api.Outer$InnerService",
        "dubbo/lab.api.UserService:users:1.0.0",
    } == _convert_captured(Profile.SLIME).keys()
