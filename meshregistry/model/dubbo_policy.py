"""How Dubbo services become ServiceEntries: what Slime's ZooKeeper source can be told beyond the common settings."""

import msgspec

from meshregistry.model.instance import Pairs
from meshregistry.model.selection import LabelRequirement


class MethodSelector(msgspec.Struct, frozen=True):
    """Chooses services for load balancing by method by the labels of their entry."""

    match_labels: Pairs = ()
    match_expressions: tuple[LabelRequirement, ...] = ()
    invert: bool = False
    """Whether it excludes what it matches."""

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether the labels satisfy all of it."""
        return all(labels.get(key) == value for key, value in self.match_labels) and all(
            requirement.accepts(labels) for requirement in self.match_expressions
        )


class DubboPolicy(msgspec.Struct, frozen=True):
    """The settings of Dubbo conversion; names and defaults are Slime's."""

    svc_protocol: str = "DUBBO"
    generic_protocol: bool = False
    svc_port: int = 0
    instance_port_as_svc_port: bool = True
    resource_ns: str = "dubbo"
    host_suffix: str = ""
    """Appended to the host; "" is `.dubbo` in the istio profile."""

    single_app_service: bool = False
    method_lb_selectors: tuple[MethodSelector, ...] = ()


def is_method_lb_enabled(selectors: tuple[MethodSelector, ...], labels: dict[str, str]) -> bool:
    """Whether a service with these entry labels is balanced by method.

    Selectors that include decide alone where there are any; otherwise everything but the excluded is enabled, and
    without selectors nothing is (Slime pkg/source/zookeeper/conversion.go).
    """
    including = [each for each in selectors if not each.invert]
    if including:
        return any(each.matches(labels) for each in including)
    return bool(selectors) and not any(each.matches(labels) for each in selectors)
