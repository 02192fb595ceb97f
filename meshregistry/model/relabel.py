"""Steps over the metadata of instances, and names computed from it.

Rules: Slime pkg/source/source.go (relabelling) and pkg/source/nacos/source.go (service names).
"""

from collections.abc import Callable, Mapping, MutableMapping
from enum import StrEnum

import msgspec

from meshregistry.model.instance import Instance, Pairs

Metadata = MutableMapping[str, str]


class RelabelStep(msgspec.Struct, frozen=True):
    """Writes the value of `key` to `target_key`; the original key is kept."""

    key: str
    target_key: str
    overwrite: bool = False
    """Whether a value that is there already gives way."""

    created_with_value: str = ""
    """The value to take when the key is missing; "" skips the step then."""

    values_mapping: Pairs = ()
    """Replaces values on the way; others pass unchanged."""


def relabel(metadata: Metadata, steps: tuple[RelabelStep, ...]) -> None:
    """Apply the steps in order, each on the output of the one before."""
    for step in steps:
        value = metadata.get(step.key, step.created_with_value or None)
        if not step.key or not step.target_key or value is None:
            continue
        if step.overwrite or step.target_key not in metadata:
            metadata[step.target_key] = dict(step.values_mapping).get(value, value)


class Rewrite(msgspec.Struct, frozen=True):
    """One key that relabelling has changed."""

    key: str
    before: str | None
    """None where there was none."""

    after: str


def list_rewrites(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Rewrite, ...]:
    """Return the keys whose value is another one, or new, sorted."""
    return tuple(Rewrite(key, before.get(key), after[key]) for key in sorted(after) if before.get(key) != after[key])


class PartKind(StrEnum):
    """Where a part of a computed name comes from."""

    INSTANCE = "$"
    METADATA = "meta"
    STATIC = "static"


class NamePart(msgspec.Struct, frozen=True):
    """One part: `service`, `ip` or `port` of the instance, the value of a metadata key, or the text itself."""

    kind: PartKind
    value: str


class ServiceNaming(msgspec.Struct, frozen=True):
    """How the service of an instance is named anew: the parts, joined."""

    parts: tuple[NamePart, ...]
    separator: str = ""


Namer = Callable[[str, Instance, Metadata], str]
"""Names the service of an instance, given the registry's name of it and the metadata."""


def build_namer(naming: ServiceNaming) -> Namer:
    """Return the function that computes names; a missing metadata key is an empty part."""
    parts = [_build_part(part) for part in naming.parts]
    return lambda service, instance, metadata: naming.separator.join(
        [part(service, instance, metadata) for part in parts]
    )


def _build_part(part: NamePart) -> Namer:
    if part.kind is PartKind.STATIC:
        return lambda _service, _instance, _metadata: part.value
    if part.kind is PartKind.METADATA:
        return lambda _service, _instance, metadata: metadata.get(part.value, "")
    if part.value == "ip":
        return lambda _service, instance, _metadata: instance.address
    if part.value == "port":
        return lambda _service, instance, _metadata: str(instance.port)
    return lambda service, _instance, _metadata: service
