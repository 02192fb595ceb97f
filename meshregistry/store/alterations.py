"""What differs between two forms of an entry beside which endpoints it has: for people, in a few words."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from meshregistry.model.service_entry import ServiceEntry, WorkloadEntry
from meshregistry.store.departures import Place

_OF_ENTRY: Final = {
    "hosts": "hosts",
    "ports": "ports",
    "resolution": "resolution",
    "location": "location",
    "addresses": "addresses",
    "export_to": "exportTo",
    "labels": "labels",
    "annotations": "annotations",
    "subject_alt_names": "subjectAltNames",
    "workload_selector": "workloadSelector",
}
_OF_ENDPOINTS: Final = {
    "ports": "ports",
    "labels": "labels",
    "locality": "locality",
    "weight": "weight",
    "network": "network",
    "service_account": "serviceAccount",
}
"""Field → its word, which is that of the ServiceEntry as YAML."""


def list_alterations(
    before: ServiceEntry,
    after: ServiceEntry,
    endpoints_before: Mapping[Place, WorkloadEntry],
    endpoints_after: Mapping[Place, WorkloadEntry],
) -> tuple[str, ...]:
    """Return what has changed: `ports` of the entry, `labels of 3 endpoints` of those that it had before.

    At most one for each field.
    """
    own = [word for field, word in _OF_ENTRY.items() if getattr(before, field) != getattr(after, field)]
    counts: Counter[str] = Counter()
    for place, endpoint in endpoints_after.items():
        known = endpoints_before.get(place)
        # Most are the same object, and all of one change usually differ in one field.
        if known is not None and known is not endpoint and known != endpoint:
            counts.update([field for field in _OF_ENDPOINTS if getattr(known, field) != getattr(endpoint, field)])
    return (*own, *(_count(word, counts[field]) for field, word in _OF_ENDPOINTS.items() if counts[field]))


def _count(word: str, count: int) -> str:
    return f"{word} of {count} endpoint{'' if count == 1 else 's'}"
