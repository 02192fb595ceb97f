"""Who has which address: the pods and nodes of all clusters. Pure.

Rules: Slime pkg/util/cache. Of several pods with one address the youngest counts; a cluster that cannot be read keeps
what is known of it. Different on purpose: clusters are asked in a fixed order, the local one first, and changed labels
are told at once.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from meshregistry.kubernetes.objects import Meta, Node, Pod
from meshregistry.model.instance import Pairs, sort_pairs
from meshregistry.model.pods import PodLabels, PodsChanged


class PodKey(NamedTuple):
    """A pod of a cluster."""

    namespace: str
    name: str


class ClusterBook:
    """The pods and nodes of one cluster; every change returns the addresses that it concerns."""

    def __init__(self) -> None:
        self.pods: dict[PodKey, Pod] = {}
        self.nodes: dict[str, Meta] = {}
        self._by_address: dict[str, dict[PodKey, Pod]] = {}

    def replace_pods(self, pods: Iterable[Pod]) -> set[str]:
        """Make these all pods."""
        wanted = {_key(pod): pod for pod in pods}
        changed: set[str] = set()
        for key in self.pods.keys() - wanted.keys():
            changed |= self.remove_pod(key)
        for pod in wanted.values():
            changed |= self.put_pod(pod)
        return changed

    def put_pod(self, pod: Pod) -> set[str]:
        """Add a pod, or take what it has become."""
        key = _key(pod)
        before = self.pods.get(key)
        if before == pod:
            return set()
        changed = self.remove_pod(key) if before else set()
        self.pods[key] = pod
        for address in pod.list_addresses():
            self._by_address.setdefault(address, {})[key] = pod
            changed.add(address)
        return changed

    def remove_pod(self, key: PodKey) -> set[str]:
        """Forget a pod."""
        pod = self.pods.pop(key, None)
        addresses = pod.list_addresses() if pod else frozenset()
        for address in addresses:
            holders = self._by_address[address]
            del holders[key]
            if not holders:
                del self._by_address[address]
        return set(addresses)

    def replace_nodes(self, nodes: Iterable[Node]) -> set[str]:
        """Make these all nodes."""
        wanted = {node.metadata.name: node.metadata for node in nodes}
        changed: set[str] = set()
        for name in self.nodes.keys() - wanted.keys():
            changed |= self.remove_node(name)
        for meta in wanted.values():
            changed |= self.put_node(meta)
        return changed

    def put_node(self, meta: Meta) -> set[str]:
        """Add a node, or take what it has become."""
        before = self.nodes.get(meta.name)
        self.nodes[meta.name] = meta
        # A node's status, and with it its version, changes all the time.
        return set() if before and before.labels == meta.labels else self._addresses_on(meta.name)

    def remove_node(self, name: str) -> set[str]:
        """Forget a node."""
        return self._addresses_on(name) if self.nodes.pop(name, None) else set()

    def addresses(self) -> set[str]:
        """Return every address that a pod has."""
        return set(self._by_address)

    def find(self, address: str) -> Pod | None:
        """Return the youngest pod that has an address."""
        holders = self._by_address.get(address)
        return max(holders.values(), key=_age_order) if holders else None

    def node_labels(self, name: str) -> Pairs:
        """Return the labels of a node, none of one that is not known."""
        meta = self.nodes.get(name)
        return sort_pairs(dict(meta.labels or {})) if meta else ()

    def list_winners(self) -> Iterator[tuple[str, Pod]]:
        """Yield every address with its pod; without those that go meanwhile."""
        for address in sorted(self._by_address):
            if (pod := self.find(address)) is not None:
                yield address, pod

    def _addresses_on(self, node: str) -> set[str]:
        pods = (pod for pod in self.pods.values() if pod.spec.node_name == node)
        return {address for pod in pods for address in pod.list_addresses()}


class PodBook:
    """All clusters, the local one first. Owner of what is changed and not yet told."""

    def __init__(self) -> None:
        self.clusters: dict[str, ClusterBook] = {}
        self._changed: set[str] = set()

    def cluster(self, name: str) -> ClusterBook:
        """Return the book of a cluster, a new one for one that has none."""
        return self.clusters.setdefault(name, ClusterBook())

    def drop_cluster(self, name: str) -> None:
        """Forget a cluster that is configured no longer."""
        book = self.clusters.pop(name, None)
        self._changed |= book.addresses() if book else set()

    def note(self, addresses: set[str]) -> None:
        """Remember addresses that a cluster's change concerns."""
        self._changed |= addresses

    def take_changes(self) -> PodsChanged | None:
        """Return what has changed since the last call."""
        if not self._changed:
            return None
        changed, self._changed = self._changed, set()
        return PodsChanged({address: self.find(address) for address in changed})

    def find(self, address: str) -> PodLabels | None:
        """Return what is known of the pod that has an address."""
        for cluster in self.clusters.values():
            pod = cluster.find(address)
            if pod is not None:
                labels = sort_pairs(dict(pod.metadata.labels or {}))
                return PodLabels(labels, cluster.node_labels(pod.spec.node_name))
        return None

    def pods(self) -> Iterator[tuple[str, Iterator[tuple[str, object]]]]:
        """Yield each cluster and its addresses with the pod's metadata and node, as Slime's `/pc` shows them."""
        for name, cluster in tuple(self.clusters.items()):
            yield name, ((address, _show_pod(pod)) for address, pod in cluster.list_winners())

    def nodes(self) -> Iterator[tuple[str, Iterator[tuple[str, object]]]]:
        """Yield each cluster and its nodes with their metadata, as Slime's `/nc` shows them."""
        for name, cluster in tuple(self.clusters.items()):
            yield name, ((node, _shown(meta)) for node, meta in sorted(cluster.nodes.items()))


def _key(pod: Pod) -> PodKey:
    return PodKey(pod.metadata.namespace, pod.metadata.name)


def _age_order(pod: Pod) -> tuple[str, str]:
    return (pod.metadata.creation_timestamp or "", pod.metadata.uid)


def _show_pod(pod: Pod) -> object:
    return {"Meta": _shown(pod.metadata), "NodeName": pod.spec.node_name}


def _shown(meta: Meta) -> object:
    return msgspec.to_builtins(meta)
