"""What becomes of one instance: the real conversion, asked about a single instance. For humans with a question."""

import msgspec

from meshregistry.model.assembly import ConversionCache, convert_service
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile

CONVERTED = "converted"


class Fate(msgspec.Struct, frozen=True):
    """What the conversion makes of one instance."""

    outcome: str
    """`converted`, or why it is left out: `disabled`, `unhealthy`, `weight`, `selector`, or the reason of a reject."""

    detail: str
    resources: tuple[str, ...] = ()
    """The resources it becomes an endpoint of."""

    places: frozenset[tuple[str, int]] = frozenset()
    """Address and port of what it becomes; as an endpoint of several ports it is told by one of them."""


def tell_fate(key: ServiceKey, instance: Instance, policy: ConversionPolicy, cache: ConversionCache) -> Fate:
    """Return what becomes of an instance of a service by itself; what others do to it is for the merge to say."""
    conversion = convert_service(key, (instance,), policy, cache)
    filled = [claim for claim in conversion.claims if claim.endpoints]
    resources = tuple(claim.resource_name for claim in filled)
    notes = "; ".join(f"{reject.reason}: {reject.subject} {reject.detail}" for reject in conversion.rejects)
    if resources:
        endpoints = [endpoint for claim in filled for endpoint in claim.endpoints]
        places = frozenset((each.address, each.ports[0][1] if each.ports else 0) for each in endpoints)
        return Fate(CONVERTED, notes, resources, places | {(instance.address, instance.port)})
    if not instance.enabled:
        return Fate("disabled", "its registry says that it takes no traffic")
    if not instance.healthy and policy.drop_unhealthy:
        return Fate("unhealthy", "its registry's health check fails")
    if conversion.rejects:
        return Fate(conversion.rejects[0].reason, notes)
    if policy.profile is Profile.ISTIO and instance.weight <= 0:
        return Fate("weight", "its weight is 0")
    return Fate("selector", "no selector of the configuration takes it, or its metadata sets the weight to 0")
