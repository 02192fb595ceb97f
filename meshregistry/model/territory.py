"""Which hosts and namespaces a source may claim: a registrant must not take another team's host.

Everybody who may register an instance chooses its service name, and with `k8sNs` metadata its namespace. The lists of
the settings say how far that goes.
"""

import re
from fnmatch import translate
from functools import lru_cache

import msgspec

from meshregistry.model.claim import Claim, Conversion
from meshregistry.model.policy import Territory
from meshregistry.model.rejects import Reject, RejectNotes, print_subject
from meshregistry.model.sidecar import Sidecar

_POLICIES = 64


def confine(conversion: Conversion, territory: Territory) -> Conversion:
    """Return the conversion without what lies outside the territory; each thing left out is a reject.

    A claim on a foreign namespace or first host goes as a whole, a foreign further host (an alias) goes alone; what a
    person wrote goes as a whole, as it is served as it stands or not at all.
    """
    claims: list[Claim] = []
    rejects = list(conversion.rejects)
    for claim in conversion.claims:
        notes = RejectNotes(claim.resource_name)
        kept = _confine_claim(claim, territory, notes)
        if kept is not None:
            claims.append(kept)
        rejects += notes.list_rejects()
    return Conversion(tuple(claims), tuple(rejects))


def deny_sidecar(sidecar: Sidecar, source: str, territory: Territory) -> Reject | None:
    """Return why a source may not have this Sidecar, None if it may; the hosts that a Sidecar names are no claims."""
    if not territory.namespaces or sidecar.namespace in territory.namespaces:
        return None
    name, namespace = print_subject(sidecar.resource_name), print_subject(sidecar.namespace)
    return Reject(name, "namespace_denied", namespace, f"Sidecars of {source} may not be in this namespace; left out")


def _confine_claim(claim: Claim, territory: Territory, notes: RejectNotes) -> Claim | None:
    if territory.namespaces and claim.namespace not in territory.namespaces:
        notes.add("namespace_denied", claim.namespace, f"{claim.key} may not claim this namespace; left out")
        return None
    if not territory.hosts:
        return claim
    matches = _compile(territory.hosts).match
    first, *further = claim.hosts
    if claim.written is not None:
        first = next((host for host in claim.hosts if not matches(host)), first)
    if not matches(first):
        notes.add("host_denied", first, f"{claim.key} may not claim this host; left out")
        return None
    allowed = [host for host in further if matches(host)]
    for host in sorted(set(further) - set(allowed)):
        notes.add("host_denied", host, f"{claim.key} may not claim this further host; left out")
    return claim if len(allowed) == len(further) else msgspec.structs.replace(claim, hosts=(first, *allowed))


@lru_cache(_POLICIES)
def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns), re.IGNORECASE)
