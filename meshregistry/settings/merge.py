"""Settings of the merge of hosts that several sources claim."""

from typing import Annotated, Literal

from pydantic import Field

from meshregistry.settings.fields import LOWERED, Section, setting

Sharing = Annotated[Literal["union", "prefer", "failover"], LOWERED]
SourceKind = Annotated[Literal["files", "eureka", "nacos", "zookeeper"], LOWERED]
_ORDER = ("files", "eureka", "nacos", "zookeeper")


class HostMerge(Section):
    """How some hosts are merged."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = setting(
        ("*",), "The hosts: names or patterns in which * stands for any text; the first rule that matches counts."
    )
    policy: Sharing = setting("union", "As merge.policy, for these hosts.")
    order: tuple[SourceKind, ...] = setting((), "As merge.order, for these hosts; empty = as there.")


class Merge(Section):
    """What is served of a host that several sources claim."""

    policy: Sharing = setting(
        "union",
        "union = the endpoints of all; prefer = those of the first source that claims the host; failover = those of "
        "the first source that has endpoints for it.",
    )
    order: tuple[SourceKind, ...] = setting(
        _ORDER,
        "The order of the sources: the first supplies what an entry has once, such as its name, metadata and "
        "location; a source that is not named comes after.",
    )
    hosts: tuple[HostMerge, ...] = setting((), "Rules for single hosts.")
