"""Who has an address: running pods of their own network, the youngest of them, the local cluster first."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from meshregistry.kubernetes.book import ClusterBook, PodBook, PodKey
from meshregistry.kubernetes.objects import Node, Pod
from meshregistry.model.pods import PodLabels
from tests.support.kubernetes_api import node, pod


def a_pod(*arguments: Any, **fields: Any) -> Pod:
    return msgspec.convert(pod(*arguments, **fields), Pod)


def a_node(*arguments: Any, **fields: Any) -> Node:
    return msgspec.convert(node(*arguments, **fields), Node)


def book_of(*pods: Pod) -> PodBook:
    book = PodBook()
    book.note(book.cluster("Kubernetes").replace_pods(pods))
    return book


def shown(clusters: Iterable[tuple[str, Iterable[tuple[str, object]]]]) -> dict[str, dict[str, object]]:
    return {name: dict(members) for name, members in clusters}


def test_a_pod_is_found_by_its_address_with_its_labels_and_its_nodes() -> None:
    book = book_of(a_pod("a", "10.0.0.1", app="orders"))
    book.cluster("Kubernetes").replace_nodes([a_node("n1", topology_kubernetes_io__zone="z1")])

    assert PodLabels((("app", "orders"),), (("topology.kubernetes.io/zone", "z1"),)) == book.find("10.0.0.1")
    assert None is book.find("10.0.0.2")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": {"phase": "Succeeded", "podIP": "10.0.0.1"}},
        {"status": {"phase": "Pending"}},
        {"spec": {"nodeName": "n1", "hostNetwork": True}},
        {"status": {"phase": "Running"}},
    ],
)
def test_a_pod_without_an_address_of_its_own_is_nobody(changes: dict[str, Any]) -> None:
    book = book_of(msgspec.convert({**pod("a", "10.0.0.1"), **changes}, Pod))

    assert None is book.find("10.0.0.1")


def test_both_families_of_a_pod_are_its_addresses() -> None:
    both = pod("a", "10.0.0.1", app="a")
    both["status"]["podIPs"].append({"ip": "fd00::1"})

    assert {"10.0.0.1", "fd00::1"} == set(book_of(msgspec.convert(both, Pod)).cluster("Kubernetes").addresses())


def test_the_youngest_pod_has_the_address_and_the_end_of_an_older_one_changes_nothing() -> None:
    old = a_pod("old", "10.0.0.1", created="2024-01-01T00:00:00Z", app="old")
    new = a_pod("new", "10.0.0.1", created="2024-02-01T00:00:00Z", app="new")
    for order in ((old, new), (new, old)):
        book = book_of(*order)
        assert PodLabels((("app", "new"),)) == book.find("10.0.0.1")
        book.cluster("Kubernetes").remove_pod(PodKey("shop", "old"))
        assert PodLabels((("app", "new"),)) == book.find("10.0.0.1")
        book.cluster("Kubernetes").remove_pod(PodKey("shop", "new"))
        assert None is book.find("10.0.0.1")


def test_the_local_cluster_is_asked_first() -> None:
    book = book_of(a_pod("a", "10.0.0.1", app="local"))
    book.cluster("remote").replace_pods([a_pod("b", "10.0.0.1", app="remote"), a_pod("c", "10.0.0.2", app="remote")])

    assert PodLabels((("app", "local"),)) == book.find("10.0.0.1")
    assert PodLabels((("app", "remote"),)) == book.find("10.0.0.2")
    book.drop_cluster("remote")
    assert None is book.find("10.0.0.2")


def test_changes_are_told_once_by_address() -> None:
    book = book_of(a_pod("a", "10.0.0.1", app="a"), a_pod("b", "10.0.0.2"))
    change = book.take_changes()

    assert change is not None
    assert {"10.0.0.1", "10.0.0.2"} == set(change.pods)
    assert None is book.take_changes()

    book.note(book.cluster("Kubernetes").put_pod(a_pod("a", "10.0.0.3", app="a")))
    moved = book.take_changes()
    assert moved is not None
    assert {"10.0.0.1": None, "10.0.0.3": PodLabels((("app", "a"),))} == moved.pods


def test_a_changed_node_concerns_the_addresses_of_its_pods_only_when_its_labels_change() -> None:
    cluster = ClusterBook()
    cluster.replace_pods([a_pod("a", "10.0.0.1"), a_pod("b", "10.0.0.2", node="n2")])

    assert {"10.0.0.1"} == cluster.put_node(a_node("n1", zone="a").metadata)
    again = msgspec.structs.replace(a_node("n1", zone="a").metadata, resource_version="99")
    assert set() == cluster.put_node(again)
    assert {"10.0.0.1"} == cluster.put_node(a_node("n1", zone="b").metadata)
    assert {"10.0.0.1"} == cluster.replace_nodes([])


def test_the_pages_have_slimes_shapes() -> None:
    book = book_of(a_pod("a", "10.0.0.1", app="a"))
    book.cluster("Kubernetes").replace_nodes([a_node("n1", zone="a")])

    assert {
        "Kubernetes": {
            "10.0.0.1": {
                "Meta": {
                    "name": "a",
                    "namespace": "shop",
                    "uid": "uid-a",
                    "creationTimestamp": "2024-01-01T00:00:00Z",
                    "labels": {"app": "a"},
                },
                "NodeName": "n1",
            }
        }
    } == shown(book.pods())
    assert {"Kubernetes": {"n1": {"name": "n1", "labels": {"zone": "a"}}}} == shown(book.nodes())
