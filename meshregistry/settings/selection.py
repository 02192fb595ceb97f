"""Settings that choose, rename and enrich instances: selectors, relabelling, naming, aliases, extra metadata."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from meshregistry.settings.fields import Cidr, Ip, Section, setting


class LabelRequirement(Section):
    """One expression of a Kubernetes label selector."""

    key: str = setting("", "The label key.", slime="key")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = setting(
        "Exists", "What must hold for the label's value.", slime="operator"
    )
    values: tuple[str, ...] = setting((), "The values for In and NotIn; empty otherwise.", slime="values")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.key:
            raise ValueError("an expression needs a key")
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            raise ValueError("In and NotIn need values, Exists and DoesNotExist have none")
        return self


class LabelSelector(Section):
    """A Kubernetes label selector: everything in it must hold."""

    match_labels: Mapping[str, str] = setting({}, "Labels that must have these values.", slime="matchLabels")
    match_expressions: tuple[LabelRequirement, ...] = setting(
        (), "Expressions that must hold.", slime="matchExpressions"
    )


class IpRanges(Section):
    """Addresses, one by one and as ranges."""

    ips: tuple[Ip, ...] = setting((), "Single addresses.", slime="IPs")
    cidrs: tuple[Cidr, ...] = setting((), "Ranges.", slime="CIDRs")


class EndpointSelector(LabelSelector):
    """Accepts an instance by its metadata and its address; both parts must hold."""

    exclude_ip_ranges: IpRanges = setting(
        IpRanges(),
        "Instances with these addresses are left out; as in Slime not for Nacos in profile slime.",
        slime="ExcludeIPRanges",
    )


class ServiceSelector(LabelSelector):
    """Accepts a service by its labels."""

    invert: bool = setting(False, "Whether the selector rejects what it matches.", slime="Invert")


class NamingItem(Section):
    """One part of a computed service name."""

    kind: Literal["$", "meta", "static"] = setting(
        "static", "Where the part comes from: the instance, its metadata, or the literal value.", slime="Kind"
    )
    value: str = setting(
        "", "service, ip or port for `$`; the metadata key for meta; the text for static.", slime="Value"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.kind == "$" and self.value not in ("service", "ip", "port"):
            raise ValueError("kind `$` takes the value service, ip or port")
        return self


class ServiceNameConverter(Section):
    """Recomputes the service an instance belongs to by joining parts."""

    sep: str = setting("", "Text between the parts.", slime="Sep")
    items: tuple[NamingItem, ...] = setting((), "The parts, in order.", slime="Items")


class RelabelItem(Section):
    """One step over an instance's metadata; each step sees the result of the step before."""

    key: str = setting("", "The metadata key to read.", slime="Key")
    target_key: str = setting("", "The metadata key to write.", slime="TargetKey")
    overwrite: bool = setting(False, "Whether an existing target is overwritten.", slime="Overwrite")
    created_with_value: str = setting(
        "", "The value to use when the key is missing; empty = skip the step.", slime="CreatedWithValue"
    )
    values_mapping: Mapping[str, str] = setting(
        {}, "Replaces values on the way; others pass unchanged.", slime="ValuesMapping"
    )


class InstanceMetaRelabel(Section):
    """Derives metadata keys from others."""

    items: tuple[RelabelItem, ...] = setting((), "The steps, in order.", slime="Items")


class ServiceHostAlias(Section):
    """Further hosts for the service of one host."""

    host: str = setting("", "The host as it is generated.", slime="Host")
    aliases: tuple[str, ...] = setting((), "The hosts to add.", slime="Aliases")


class AdditionalMeta(Section):
    """Metadata added to one ServiceEntry."""

    annotations: Mapping[str, str] = setting({}, "Annotations to add.", slime="Annotations")
    labels: Mapping[str, str] = setting({}, "Labels to add.", slime="Labels")
