"""What Kubernetes knows of the pods behind endpoints (Slime's LabelPatch, pkg/util/validation.go)."""

from collections.abc import Mapping

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Pairs, sort_pairs
from meshregistry.model.locality import LOCALITY_LABEL, Locality, find_locality, list_locality_keys
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import WorkloadEntry


class PodLabels(msgspec.Struct, frozen=True):
    """The labels of the pod that has an address, and those of its node."""

    labels: Pairs
    node: Pairs = ()


class PodsChanged(msgspec.Struct, frozen=True):
    """Addresses whose pod, or what is known of it, has changed; None is an address that no pod has any more."""

    pods: Mapping[str, PodLabels | None]


def patch_claim(claim: Claim, pods: Mapping[str, PodLabels]) -> Claim:
    """Return a claim with the labels of pods over those of its endpoints, where its policy wants them."""
    if not claim.policy.label_patch or not pods:
        return claim
    known = [pods.get(endpoint.address) for endpoint in claim.endpoints]
    if not any(known):
        return claim
    endpoints = tuple(
        _patch(endpoint, pod, claim.policy) if pod else endpoint
        for endpoint, pod in zip(claim.endpoints, known, strict=True)
    )
    return msgspec.structs.replace(claim, endpoints=endpoints)


def _patch(endpoint: WorkloadEntry, pod: PodLabels, policy: ConversionPolicy) -> WorkloadEntry:
    labels = {**dict(endpoint.labels), **dict(pod.labels)}
    locality = _locate(endpoint, labels, pod, policy)
    if locality.label:
        labels[LOCALITY_LABEL] = locality.label
    path = locality.path or endpoint.locality
    return msgspec.structs.replace(endpoint, labels=sort_pairs(labels), locality=path)


def _locate(endpoint: WorkloadEntry, labels: dict[str, str], pod: PodLabels, policy: ConversionPolicy) -> Locality:
    """Return where the endpoint runs: by its own labels, then by its pod's, then by its node's."""
    if endpoint.locality and LOCALITY_LABEL not in dict(pod.labels):
        return Locality("", "")
    return find_locality(
        {**dict(pod.node), **labels}, list_locality_keys(policy), policy.profile, policy.default_region
    )
