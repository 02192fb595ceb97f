"""What becomes of one instance: the real conversion, asked about a single instance. For humans with a question."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from meshregistry.model.assembly import ConversionCache, choose_dubbo, convert_service
from meshregistry.model.claim import Conversion
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.intake import gather_metadata, inject_place
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.relabel import Rewrite, list_rewrites, relabel
from meshregistry.model.selection import Selection

CONVERTED = "converted"
_SOME_PORT = 80


class Fate(msgspec.Struct, frozen=True):
    """What the conversion makes of one instance."""

    outcome: str
    """`converted`, or why it is left out: `disabled`, `unhealthy`, `weight`, `selector`, or the reason of a reject."""

    detail: str
    resources: tuple[str, ...] = ()
    """The resources it becomes an endpoint of."""

    relabelled: tuple[Rewrite, ...] = ()
    """What the configuration's relabelling changed before anything was selected or named, and of its labels after."""

    places: frozenset[tuple[str, int]] = frozenset()
    """Address and port of what it becomes; as an endpoint of several ports it is told by one of them."""


def tell_fate(key: ServiceKey, instance: Instance, policy: ConversionPolicy, cache: ConversionCache) -> Fate:
    """Return what becomes of an instance of a service by itself; what others do to it is for the merge to say."""
    conversion = convert_service(key, (instance,), policy, cache)
    rewrites = trace_relabelling(key, instance, policy)
    filled = [claim for claim in conversion.claims if claim.endpoints]
    notes = "; ".join(f"{reject.reason}: {reject.subject} {reject.detail}" for reject in conversion.rejects)
    if not filled:
        return msgspec.structs.replace(_tell_loss(instance, policy, conversion, notes), relabelled=rewrites)
    endpoints = [endpoint for claim in filled for endpoint in claim.endpoints]
    places = {(each.address, each.ports[0][1] if each.ports else 0) for each in endpoints}
    return Fate(
        CONVERTED,
        notes,
        tuple(claim.resource_name for claim in filled),
        rewrites + _trace_labels(dict(endpoints[0].labels), policy, {each.key for each in rewrites}),
        frozenset({*places, (instance.address, instance.port)}),
    )


def take_everything(policy: ConversionPolicy) -> ConversionPolicy:
    """Return a policy that gives services the same names, whoever they are."""
    return msgspec.structs.replace(policy, territory=None, selection=Selection())


def list_names(
    key: ServiceKey, instances: Iterable[Instance], policy: ConversionPolicy, cache: ConversionCache
) -> set[str]:
    """Return the hosts and resources that a service would have if each of its instances could be used."""
    usable = [
        msgspec.structs.replace(each, port=_SOME_PORT, enabled=True, healthy=True, weight=1.0, port_enabled=True)
        for each in instances
    ]
    claims = convert_service(key, usable, policy, cache).claims
    return {name for claim in claims for name in (claim.resource_name, *claim.hosts)}


def trace_relabelling(key: ServiceKey, instance: Instance, policy: ConversionPolicy) -> tuple[Rewrite, ...]:
    """Return what the relabelling of instances changes of the metadata, sorted by key."""
    if not policy.relabel:
        return ()
    injected = () if choose_dubbo(key, policy) else inject_place(key.scope, policy)
    before = gather_metadata(instance, injected, policy)
    after = dict(before)
    relabel(after, policy.relabel)
    return list_rewrites(before, after)


def _trace_labels(labels: Mapping[str, str], policy: ConversionPolicy, known: AbstractSet[str]) -> tuple[Rewrite, ...]:
    """Return the labels that are copies of others (`endpoint_relabel_items`)."""
    items = [(source, target) for source, target in policy.endpoint_relabel_items if source in labels]
    return tuple(
        Rewrite(target, None, labels[target])
        for source, target in sorted(items)
        if target not in known and labels.get(target) == labels[source]
    )


def _tell_loss(instance: Instance, policy: ConversionPolicy, conversion: Conversion, notes: str) -> Fate:
    if not instance.enabled:
        return Fate("disabled", "its registry says that it takes no traffic")
    if not instance.healthy and policy.drop_unhealthy:
        return Fate("unhealthy", "its registry's health check fails")
    if conversion.rejects:
        return Fate(conversion.rejects[0].reason, notes)
    if policy.profile is Profile.ISTIO and instance.weight <= 0:
        return Fate("weight", "its weight is 0")
    return Fate("selector", "no selector of the configuration takes it, or its metadata sets the weight to 0")
