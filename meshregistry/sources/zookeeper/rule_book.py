"""The rule nodes of one registry, by whom they are for. Pure."""

from collections.abc import Mapping

from meshregistry.sources.zookeeper.dubbo.rule_nodes import RuleKey, read_rule_key, read_rule_node
from meshregistry.sources.zookeeper.dubbo.rules import RuleSet


class RuleBook:
    """Owner of the rules that nodes under `config/dubbo` state."""

    def __init__(self) -> None:
        self._rules: dict[RuleKey, RuleSet] = {}
        self._shared: tuple[RuleSet, ...] = ()
        self._own: dict[str, tuple[RuleSet, ...]] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def replace(self, bodies: Mapping[str, bytes]) -> frozenset[str] | None:
        """Take all rule nodes, name to data; return the interfaces whose rules changed, None for all of them."""
        keys = {key: body for name, body in sorted(bodies.items()) if (key := read_rule_key(name)) is not None}
        rules = {key: read_rule_node(key, body) for key, body in sorted(keys.items(), key=_order)}
        changed = {key for key in rules.keys() | self._rules.keys() if rules.get(key) != self._rules.get(key)}
        self._rules = rules
        self._shared = tuple(rules[key] for key in rules if key.service is None)
        self._own = {}
        for key, each in rules.items():
            if key.service is not None:
                interface = key.service.interface
                self._own[interface] = (*self._own.get(interface, ()), each)
        services = [key.service for key in changed]
        return None if None in services else frozenset(each.interface for each in services if each is not None)

    def rules(self, interface: str) -> tuple[RuleSet, ...]:
        """Return the rules of an interface in the order in which they apply: applications', then its own."""
        return (*self._shared, *self._own.get(interface, ()))

    def ignored(self) -> dict[str, int]:
        """Return how many rules are not applied, by reason."""
        counts: dict[str, int] = {}
        for each in self._rules.values():
            for reason, count in each.ignored.items():
                counts[reason] = counts.get(reason, 0) + count
        return counts


def _order(item: tuple[RuleKey, bytes]) -> tuple[str, str]:
    return str(item[0].service or ""), item[0].application
