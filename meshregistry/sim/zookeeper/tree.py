"""The nodes and the transactions that change them."""

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from meshregistry.sim.zookeeper.access import OPEN, AclEntry
from meshregistry.sim.zookeeper.codes import Code, Event, Refused

_STAT = struct.Struct(">qqqqiiiqiiq")
_ANY_VERSION = -1


@dataclass(slots=True)
class Node:
    """One node; `created_children` counts creations only: sequence numbers come from it."""

    data: bytes
    acl: tuple[AclEntry, ...]
    owner: int
    czxid: int
    ctime_ms: int
    mzxid: int = 0
    mtime_ms: int = 0
    pzxid: int = 0
    version: int = 0
    acl_version: int = 0
    created_children: int = 0
    children: dict[str, None] = field(default_factory=dict)

    def stat(self) -> bytes:
        """The Stat record."""
        count = len(self.children)
        versions = (self.version, 2 * self.created_children - count, self.acl_version)
        times = (self.czxid, self.mzxid, self.ctime_ms, self.mtime_ms)
        return _STAT.pack(*times, *versions, self.owner, len(self.data), count, self.pzxid)


class Change(NamedTuple):
    """What happened to a node, and who may hear of it (None: everybody)."""

    event: Event
    path: str
    acl: tuple[AclEntry, ...] | None


class Tree:
    """Owner of all nodes and of the transaction counter."""

    def __init__(self, first_zxid: int = 0) -> None:
        self.zxid = first_zxid
        self._nodes: dict[str, Node] = {"": Node(b"", OPEN, 0, 0, 0)}
        self._owned: dict[int, dict[str, None]] = {}
        with self.transaction(0) as setup:
            for path in ("/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
                setup.create(path)

    def __len__(self) -> int:
        return len(self._nodes)

    def find(self, path: str) -> Node | None:
        """The node, None if there is none."""
        return self._nodes.get("" if path == "/" else path)

    def get(self, path: str) -> Node:
        """The node; raises Refused."""
        node = self.find(path)
        if node is None:
            raise Refused(Code.NO_NODE)
        return node

    def owned_by(self, session: int) -> list[str]:
        """The ephemeral nodes of a session."""
        return list(self._owned.get(session, ()))

    @contextmanager
    def transaction(self, now_ms: int) -> Iterator["Transaction"]:
        """Change what the block changes, or nothing at all if it raises."""
        transaction = Transaction(self._nodes, self._owned, self.zxid + 1, now_ms)
        try:
            yield transaction
        except BaseException:
            transaction.undo()
            raise
        self.zxid = transaction.zxid


class Transaction:
    """Changes that belong together under one number; every method raises Refused."""

    def __init__(self, nodes: dict[str, Node], owned: dict[int, dict[str, None]], zxid: int, now_ms: int) -> None:
        self.zxid = zxid
        self.changes: list[Change] = []
        self._nodes = nodes
        self._owned = owned
        self._now_ms = now_ms
        self._undo: list[Callable[[], object]] = []

    def create(self, path: str, data: bytes = b"", acl: tuple[AclEntry, ...] = OPEN, owner: int = 0) -> Node:
        """Add a node below an existing one."""
        parent_path, _, name = path.rpartition("/")
        parent = self._node(parent_path)
        if parent.owner:
            raise Refused(Code.NO_CHILDREN_FOR_EPHEMERALS)
        if path in self._nodes:
            raise Refused(Code.NODE_EXISTS)
        node = Node(data, acl, owner, self.zxid, self._now_ms, self.zxid, self._now_ms, self.zxid)
        self._restore(parent, "pzxid", "created_children")
        self._link(path, node, parent, name)
        self._undo.append(lambda: self._unlink(path, node, parent, name))
        parent.created_children += 1
        parent.pzxid = self.zxid
        self._tell(Event.CREATED, path, node, parent_path, parent)
        return node

    def delete(self, path: str, version: int = _ANY_VERSION) -> None:
        """Remove a node that has no children."""
        node = self._node(path)
        parent_path, _, name = path.rpartition("/")
        _check_version(version, node.version)
        if node.children:
            raise Refused(Code.NOT_EMPTY)
        parent = self._node(parent_path)
        self._restore(parent, "pzxid")
        self._unlink(path, node, parent, name)
        self._undo.append(lambda: self._link(path, node, parent, name))
        parent.pzxid = self.zxid
        self._tell(Event.DELETED, path, node, parent_path, parent)

    def set_data(self, path: str, data: bytes, version: int = _ANY_VERSION) -> Node:
        """Replace the data."""
        node = self._node("" if path == "/" else path)
        _check_version(version, node.version)
        self._restore(node, "data", "version", "mzxid", "mtime_ms")
        node.data, node.version, node.mzxid, node.mtime_ms = data, node.version + 1, self.zxid, self._now_ms
        self.changes.append(Change(Event.DATA_CHANGED, path, node.acl))
        return node

    def set_acl(self, path: str, acl: tuple[AclEntry, ...], version: int = _ANY_VERSION) -> Node:
        """Replace the ACL; nobody is told."""
        node = self._node("" if path == "/" else path)
        _check_version(version, node.acl_version)
        self._restore(node, "acl", "acl_version")
        node.acl, node.acl_version = acl, node.acl_version + 1
        return node

    def check(self, path: str, version: int) -> None:
        """Require a version."""
        _check_version(version, self._node("" if path == "/" else path).version)

    def undo(self) -> None:
        """Take everything back."""
        while self._undo:
            self._undo.pop()()

    def _node(self, key: str) -> Node:
        node = self._nodes.get(key)
        if node is None:
            raise Refused(Code.NO_NODE)
        return node

    def _link(self, path: str, node: Node, parent: Node, name: str) -> None:
        self._nodes[path] = node
        parent.children[name] = None
        if node.owner:
            self._owned.setdefault(node.owner, {})[path] = None

    def _unlink(self, path: str, node: Node, parent: Node, name: str) -> None:
        del self._nodes[path], parent.children[name]
        if node.owner:
            del self._owned[node.owner][path]
            if not self._owned[node.owner]:
                del self._owned[node.owner]

    def _restore(self, node: Node, *names: str) -> None:
        before = [(name, getattr(node, name)) for name in names]

        def put_back() -> None:
            for name, value in before:
                setattr(node, name, value)

        self._undo.append(put_back)

    def _tell(self, event: Event, path: str, node: Node, parent_path: str, parent: Node) -> None:
        self.changes.append(Change(event, path, node.acl))
        self.changes.append(Change(Event.CHILDREN_CHANGED, parent_path or "/", parent.acl))


def paths_above(path: str) -> Iterable[str]:
    """The path itself and every one above it, the root last."""
    while path not in ("", "/"):
        yield path
        path = path.rpartition("/")[0]
    yield "/"


def _check_version(wanted: int, present: int) -> None:
    if wanted not in (_ANY_VERSION, present):
        raise Refused(Code.BAD_VERSION)
