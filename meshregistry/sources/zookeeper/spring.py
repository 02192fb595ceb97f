"""Spring Cloud ZooKeeper: applications under `/services` as plain services.

Rules: Spring Cloud ZooKeeper's ZookeeperServiceInstance and its status filter: an `instance_status` other than `UP`
takes the instance out.
"""

from collections.abc import Iterable
from typing import NamedTuple

from meshregistry.model.grammar import is_fqdn, is_ip
from meshregistry.model.instance import Instance, Scope, sort_pairs
from meshregistry.sources.zookeeper.curator import CuratorNode

SPRING_NAMESPACE = "services"
"""`Scope.namespace` of Spring Cloud applications."""

_STATUS = "instance_status"


class ApplicationReading(NamedTuple):
    """The instances of one application in canonical order, and how many records were dropped, by reason."""

    instances: tuple[Instance, ...]
    bad: dict[str, int]


def spring_scope(registry: str) -> Scope:
    """Return the scope of all Spring Cloud applications: the tree under the discovery root, listed as a whole."""
    return Scope("zookeeper", registry, SPRING_NAMESPACE, "")


def name_application(path: str) -> str:
    """Return the service name of an application from its path below the root; `a/b` becomes `a.b`."""
    return path.strip("/").replace("/", ".")


def read_application(nodes: Iterable[CuratorNode]) -> ApplicationReading:
    """Return the instances of one application from its nodes; Dubbo's nodes are left out.

    Instances that are not `UP` stay, disabled. Reasons for dropping: `address`, `port`.
    """
    instances = []
    bad: dict[str, int] = {}
    for node in nodes:
        if node.is_dubbo:
            continue
        reason = _judge(node)
        if reason:
            bad[reason] = bad.get(reason, 0) + 1
        else:
            instances.append(_instance(node))
    return ApplicationReading(tuple(sorted(instances)), bad)


def _judge(node: CuratorNode) -> str:
    if not (is_ip(node.address) or is_fqdn(node.address)):
        return "address"
    is_port = 1 <= (node.port or node.ssl_port) <= 65535 and 0 <= node.ssl_port <= 65535
    return "" if is_port else "port"


def _instance(node: CuratorNode) -> Instance:
    return Instance(
        node.address,
        node.port or node.ssl_port,
        enabled=node.is_enabled and node.metadata.get(_STATUS, "").upper() in ("", "UP"),
        metadata=sort_pairs(dict(node.metadata)),
        port_enabled=bool(node.port),
        secure_port=node.ssl_port,
    )
