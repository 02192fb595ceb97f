"""Nodes and transactions."""

import pytest

from meshregistry.sim.zookeeper.codes import Code, Refused
from meshregistry.sim.zookeeper.tree import Tree


def test_a_transaction_that_fails_leaves_no_trace() -> None:
    tree = Tree()
    with tree.transaction(1) as setup:
        setup.create("/a", b"1")
        setup.create("/a/b", owner=7)
    before = {path: _stat(tree, path) for path in ("/", "/a", "/a/b")}

    with pytest.raises(Refused) as refused, tree.transaction(2) as transaction:  # noqa: PT012 - the block is the case
        transaction.set_data("/a", b"2")
        transaction.delete("/a/b")
        transaction.create("/a/c", owner=8)
        transaction.set_acl("/a", ())
        transaction.create("/a/c/d")

    assert Code.NO_CHILDREN_FOR_EPHEMERALS == refused.value.code
    assert before == {path: _stat(tree, path) for path in before}
    assert (b"1", ["/a/b"], []) == (tree.get("/a").data, tree.owned_by(7), tree.owned_by(8))
    assert (None, 2) == (tree.find("/a/c"), tree.zxid)


@pytest.mark.parametrize(("wanted", "present"), [(0, 1), (2, 1)])
def test_another_version_is_refused(wanted: int, present: int) -> None:
    tree = Tree()
    with tree.transaction(1) as setup:
        setup.create("/a")
        for _ in range(present):
            setup.set_data("/a", b"")

    with pytest.raises(Refused) as refused, tree.transaction(2) as transaction:
        transaction.delete("/a", wanted)

    assert Code.BAD_VERSION == refused.value.code


def _stat(tree: Tree, path: str) -> bytes:
    return tree.get(path).stat()
