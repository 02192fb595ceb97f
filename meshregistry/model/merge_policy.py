"""How the claims of several sources on one host are merged, as records.

The order of the sources decides what an entry has once (host, location, metadata, the protocol of a shared port
number); the sharing decides whose endpoints are served.
"""

from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

DEFAULT_ORDER = ("files", "eureka", "nacos", "zookeeper")
"""What people wrote comes first."""


class Sharing(StrEnum):
    """What becomes of the claims of several sources on one host."""

    UNION = "union"
    """The endpoints of all of them."""

    PREFER = "prefer"
    """The claims of the first source that claims the host, alone."""

    FAILOVER = "failover"
    """The claims of the first source that has endpoints for the host, alone."""


class MergeRule(msgspec.Struct, frozen=True):
    """How the hosts of some patterns are merged; `*` in a pattern stands for any text."""

    hosts: tuple[str, ...] = ("*",)
    sharing: Sharing = Sharing.UNION
    order: tuple[str, ...] = DEFAULT_ORDER
    """Source kinds; those that are not named come after, in the default order."""


class MergePolicy(msgspec.Struct, frozen=True):
    """The rules; the first that matches a host counts, else the default."""

    default: MergeRule = MergeRule()
    rules: tuple[MergeRule, ...] = ()

    def find(self, host: str) -> MergeRule:
        """Return the rule of a host."""
        for rule in self.rules:
            if any(fnmatchcase(host, pattern) for pattern in rule.hosts):
                return rule
        return self.default
