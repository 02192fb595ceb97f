"""Requests and how their answers are read. Pure; paths are the server's, with the chroot."""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

from meshregistry.sources.zookeeper.session.errors import MalformedAnswer
from meshregistry.sources.zookeeper.session.jute import pack_buffer, pack_text, pack_texts, read_buffer, read_texts
from meshregistry.sources.zookeeper.session.records import Node
from meshregistry.sources.zookeeper.session.watches import WatchSet

T_co = TypeVar("T_co", covariant=True)

_STAT = struct.Struct(">qqqqiiiqiiq")
_CONTAINER_OWNER = -(1 << 63)
_TTL_OWNERS = 0xFF


class Op(IntEnum):
    """Request types by ZooKeeper's numbers."""

    EXISTS = 3
    GET_DATA = 4
    GET_CHILDREN = 8
    SYNC = 9
    AUTH = 100
    SET_WATCHES = 101
    SASL = 102
    SET_WATCHES_2 = 105
    ADD_WATCH = 106
    CLOSE = -11


PERSISTENT, RECURSIVE = 0, 1
"""Modes of ADD_WATCH."""


class Request(NamedTuple, Generic[T_co]):
    """One request, without its header."""

    op: Op
    path: str
    body: bytes
    decode: Callable[[bytes], T_co]
    watch: bool = False
    """Whether a good answer means that a one-shot watch is armed."""

    recursive: bool = False
    xid: int | None = None
    """Fixed by the protocol for some requests; None means the next free one."""


def get_children(path: str, *, watch: bool) -> Request[tuple[str, ...]]:
    """Ask for the names of a node's children, in no order."""
    return Request(Op.GET_CHILDREN, path, _path_and_flag(path, flag=watch), read_texts, watch)


def get_data(path: str, *, watch: bool) -> Request[Node]:
    """Ask for a node's data and state."""
    return Request(Op.GET_DATA, path, _path_and_flag(path, flag=watch), read_node, watch)


def exists(path: str, *, watch: bool) -> Request[bool]:
    """Ask whether there is a node; its watch is armed in both cases."""
    return Request(Op.EXISTS, path, _path_and_flag(path, flag=watch), lambda _body: True, watch)


def sync(path: str) -> Request[None]:
    """Ask the server to catch up with its leader."""
    return Request(Op.SYNC, path, pack_text(path), _nothing)


def add_watch(path: str, *, recursive: bool) -> Request[None]:
    """Ask for a watch that stays (ZooKeeper 3.6 and later)."""
    body = pack_text(path) + struct.pack(">i", RECURSIVE if recursive else PERSISTENT)
    return Request(Op.ADD_WATCH, path, body, _nothing, recursive=recursive)


def set_watches(last_zxid: int, watches: WatchSet) -> Request[None]:
    """Ask for watches that another connection had; those that would have fired since `last_zxid` fire at once."""
    one_shot = struct.pack(">q", last_zxid) + b"".join(
        pack_texts(paths) for paths in (watches.data, watches.exist, watches.child)
    )
    if not watches.persistent and not watches.recursive:
        return Request(Op.SET_WATCHES, "", one_shot, _nothing, xid=-8)
    body = one_shot + pack_texts(watches.persistent) + pack_texts(watches.recursive)
    return Request(Op.SET_WATCHES_2, "", body, _nothing, xid=-8)


def digest_auth(user: str, password: str) -> Request[None]:
    """Show an identity of the scheme `digest`. A wrong password is accepted; reads tell."""
    body = struct.pack(">i", 0) + pack_text("digest") + pack_buffer(f"{user}:{password}".encode())
    return Request(Op.AUTH, "", body, _nothing, xid=-4)


def sasl(token: bytes) -> Request[bytes]:
    """Take one step of SASL; the answer is the server's token."""
    return Request(Op.SASL, "", pack_buffer(token), lambda body: read_buffer(body, 0)[0])


def close() -> Request[None]:
    """End the session."""
    return Request(Op.CLOSE, "", b"", _nothing)


def read_node(body: bytes) -> Node:
    """Return the node of a GET_DATA answer; raises MalformedAnswer."""
    data, at = read_buffer(body, 0)
    if at + _STAT.size > len(body):
        raise MalformedAnswer(f"{len(body)} bytes, too short for a node's state")
    czxid, mzxid, ctime, mtime, version, _cversion, _aversion, owner, _length, children, pzxid = _STAT.unpack_from(
        body, at
    )
    return Node(data, czxid, mzxid, pzxid, ctime, mtime, version, _is_ephemeral(owner), children)


def _is_ephemeral(owner: int) -> bool:
    return owner not in (0, _CONTAINER_OWNER) and (owner >> 56) & 0xFF != _TTL_OWNERS


def _path_and_flag(path: str, *, flag: bool) -> bytes:
    return pack_text(path) + (b"\1" if flag else b"\0")


def _nothing(_body: bytes) -> None:
    return None
