"""The names in an instance that a Nacos server writes, as far as their order means anything."""

from collections.abc import Iterable

INSTANCE_FIELDS = (
    *("instanceId", "ip", "port", "weight", "healthy", "enabled", "ephemeral", "clusterName", "serviceName"),
    "metadata",
)
"""What has a field of its own in Nacos's class, in the order of its declaration."""

HEARTBEAT_FIELDS = frozenset({"instanceHeartBeatInterval", "instanceHeartBeatTimeOut", "ipDeleteTimeout"})
GENERATOR = "instanceIdGenerator"


def read_fields(record: Iterable[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the leading names of `record` in their order, and what follows them as a set.

    What only a getter gives comes last, in the order in which the JVM lists the class's methods: real 2.3.1
    wrote `instanceIdGenerator` first in one run and last in another.
    """
    names = list(record)
    rest = frozenset(names[len(INSTANCE_FIELDS) :])
    assert len(INSTANCE_FIELDS) + len(rest) == len(names), f"a name is there twice: {names}"
    return tuple(names[: len(INSTANCE_FIELDS)]), rest
