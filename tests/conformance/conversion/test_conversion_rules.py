"""Every conversion rule against a hand-written example: instances in, ServiceEntries and rejects out.

The files under `data/` are written from the text of the rules (Slime's conversion code; the table of the istio
profile in the architecture) and are never regenerated from our output.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.claim import Claim, Conversion
from meshregistry.model.instance import Instance, Scope, ServiceKey, sort_pairs
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Location, ServiceEntry, WorkloadEntry
from meshregistry.policies import conversion_policy
from meshregistry.settings.load import load_settings

DATA = Path(__file__).parent / "data"

Tree = dict[str, Any]

PROFILES: dict[Profile, Tree] = {
    Profile.ISTIO: {"profile": "istio"},
    Profile.SLIME: {"profile": "slime", "location": Location.MESH_EXTERNAL},
}
"""Profile → its policy, as the settings make it."""


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    """An instance of an example."""

    address: str = "10.0.0.1"
    port: int = 8080
    cluster: str = "DEFAULT"
    healthy: bool = True
    enabled: bool = True
    weight: float = 1.0
    metadata: dict[str, str] = {}
    port_enabled: bool = True
    secure_port: int = 0
    zone: str = ""
    aliases: tuple[str, ...] = ()


class Service(msgspec.Struct, forbid_unknown_fields=True):
    """A registry service of an example."""

    name: str
    instances: list[Registration]
    registry: str = ""
    namespace: str = "public"
    group: str = "DEFAULT_GROUP"

    def key(self, source: str) -> ServiceKey:
        """The service as the registry names it; only Nacos has namespaces and groups."""
        place = (self.namespace, self.group) if source == "nacos" else ("", "")
        return ServiceKey(Scope(source, self.registry, *place), self.name)


class Example(msgspec.Struct, forbid_unknown_fields=True):
    """What goes in and what must come out; `rejects` are resource, reason and subject.

    `settings` are the keys of the source's section as users write them; `policy` sets fields of the policy directly.
    """

    title: str
    profiles: list[Profile]
    services: list[Service]
    entries: list[Tree]
    policy: Tree = {}
    settings: Tree = {}
    source: str = "nacos"
    rejects: list[list[str]] = []


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """One rule with the place it comes from."""

    rule: str
    source: str
    examples: list[Example]


def _cases() -> list[Any]:
    return [
        pytest.param(example, profile, id=f"{path.stem}: {example.title} [{profile}]")
        for path in sorted(DATA.glob("[0-9]*.yaml"))
        for example in msgspec.convert(yaml.safe_load(path.read_text()), Rule).examples
        for profile in example.profiles
    ]


def _convert(example: Example, profile: Profile, step: int) -> tuple[list[Tree], list[list[str]]]:
    """Convert the example; `step` -1 feeds everything in the opposite order."""
    policy = _policy(example, profile)
    cache = ConversionCache()
    conversions = []
    for service in example.services[::step]:
        instances = [_instance(registration) for registration in service.instances[::step]]
        conversions.append(convert_service(service.key(example.source), instances, policy, cache))
    return merge_all(conversions, cache)


def merge_all(conversions: Iterable[Conversion], cache: ConversionCache) -> tuple[list[Tree], list[list[str]]]:
    """Return the entries of all services together, and what was refused on the way; both sorted."""
    claims: dict[str, list[Claim]] = {}
    rejects: list[Reject] = []
    for conversion in conversions:
        rejects += conversion.rejects
        for claim in conversion.claims:
            claims.setdefault(claim.resource_name, []).append(claim)
    entries = []
    for name in sorted(claims):
        merged = merge_claims(claims[name], cache)
        rejects += merged.rejects
        entries += [] if merged.entry is None else [_tree(merged.entry)]
    return entries, [[each.resource, each.reason, each.subject] for each in sorted(rejects)]


def _policy(example: Example, profile: Profile) -> ConversionPolicy:
    if not example.settings:
        return msgspec.convert({**PROFILES[profile], **example.policy}, ConversionPolicy)
    document = {"profile": str(profile), f"{example.source}_source": example.settings}
    return conversion_policy(load_settings(yaml.safe_dump(document), {}).settings, example.source)


def _instance(registration: Registration) -> Instance:
    fields = msgspec.structs.asdict(registration) | {"metadata": sort_pairs(registration.metadata)}
    return Instance(**fields)


def _tree(entry: ServiceEntry) -> Tree:
    """Return the entry as one would write it in YAML: unset fields left out."""
    tree: Tree = {
        "name": entry.resource_name,
        "labels": dict(entry.labels),
        "hosts": list(entry.hosts),
        "addresses": list(entry.addresses),
        "ports": [f"{port.number} {port.protocol} {port.name}" for port in entry.ports],
        "endpoints": [_endpoint_tree(endpoint) for endpoint in entry.endpoints],
        "resolution": entry.resolution.name,
        "location": "" if entry.location is Location.MESH_EXTERNAL else entry.location.name,
        "annotations": dict(entry.annotations),
        "exportTo": list(entry.export_to),
    }
    return {name: value for name, value in tree.items() if value}


def _endpoint_tree(endpoint: WorkloadEntry) -> Tree:
    tree = msgspec.structs.asdict(endpoint) | {"ports": dict(endpoint.ports), "labels": dict(endpoint.labels)}
    return {name: value for name, value in tree.items() if value}


@pytest.mark.parametrize(("example", "profile"), _cases())
@pytest.mark.parametrize("step", [1, -1], ids=["in order", "backwards"])
def test_registry_content_becomes_exactly_the_written_entries(example: Example, profile: Profile, step: int) -> None:
    """Entries and rejects are as the rule says, and nothing else, for any order of arrival."""
    entries, rejects = _convert(example, profile, step)
    assert example.entries == entries
    assert sorted(example.rejects) == sorted(rejects)
