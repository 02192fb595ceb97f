"""Where an endpoint runs, from its labels.

Rules: Slime pkg/util/locality.go. Slime derives the locality from the dotted label again, which splits a region
whose name holds a dot; only the slime profile repeats that.
"""

from collections.abc import Mapping
from typing import NamedTuple

from meshregistry.model.policy import ConversionPolicy, Profile

LOCALITY_LABEL = "istio-locality"
SUBZONE_LABEL = "topology.istio.io/subzone"
_BUILT_IN_LABELS = (
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    (SUBZONE_LABEL,),
)

LocalityKeys = tuple[tuple[str, ...], ...]
"""Label keys of region, zone and subzone; the first one with a value counts."""


class Locality(NamedTuple):
    """An endpoint's locality in its two spellings."""

    label: str
    """`region.zone.subzone` as the value of `istio-locality`, or ""."""

    path: str
    """`region/zone/subzone`, or ""."""


_NOWHERE = Locality("", "")


def list_locality_keys(policy: ConversionPolicy) -> LocalityKeys:
    """Return the label keys a policy looks at: its own first."""
    own = zip(policy.locality_labels, _BUILT_IN_LABELS, strict=True)
    return tuple((custom, *built_in) if custom else built_in for custom, built_in in own)


def find_locality(
    labels: Mapping[str, str], keys: LocalityKeys, profile: Profile, default_region: str = ""
) -> Locality:
    """Return the locality that filtered labels state; a locality without a region is none.

    `default_region` is the region where the labels name a zone alone.
    """
    stated = labels.get(LOCALITY_LABEL)
    parts = _split(stated) if stated else _look_up(labels, keys, default_region)
    if not parts[0]:
        return _NOWHERE
    present = [part for part in parts if part]
    label = ".".join(present)
    if profile is Profile.SLIME:
        return Locality(label, "/".join([part for part in _split(label) if part]))
    return Locality(label.replace("/", "."), "/".join(present))


def _look_up(labels: Mapping[str, str], keys: LocalityKeys, default_region: str) -> tuple[str, ...]:
    region, zone, subzone = (_first_value(labels, each) for each in keys)
    return (region or (default_region if zone else ""), zone, subzone)


def _split(value: str) -> tuple[str, ...]:
    path = value if "/" in value else value.replace(".", "/")
    return tuple(path.split("/", 2))


def _first_value(labels: Mapping[str, str], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = labels.get(key)
        if value:
            return value
    return ""
