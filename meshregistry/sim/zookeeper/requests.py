"""Answers to requests: synchronous functions of the state, the asker and the bytes."""

from collections.abc import Callable, Mapping

from meshregistry.sim.zookeeper import jute
from meshregistry.sim.zookeeper.access import authenticate, check, encode_acl
from meshregistry.sim.zookeeper.asker import Asker
from meshregistry.sim.zookeeper.codes import Code, Event, Opcode, Perm, Refused, Version
from meshregistry.sim.zookeeper.state import State
from meshregistry.sim.zookeeper.tree import Change, Node
from meshregistry.sim.zookeeper.watches import Kind, Mode, WatchTable
from meshregistry.sim.zookeeper.writes import STEPS, change, change_many

Answer = Callable[[State, Asker, jute.Reader], bytes]


def answer(state: State, asker: Asker, opcode: int, reader: jute.Reader) -> bytes:
    """The body of the reply; raises Refused, with UNIMPLEMENTED for an opcode that this version does not know."""
    try:
        if opcode in STEPS and opcode != Opcode.CHECK:
            return change(state, asker, reader, STEPS[opcode])
        handler = _ANSWERS.get(opcode)
        if handler is None or (state.rules.version is Version.V3_5 and opcode in _SINCE_3_6):
            raise Refused(Code.UNIMPLEMENTED)
        return handler(state, asker, reader)
    except jute.Malformed as error:
        raise Refused(Code.MARSHALLING_ERROR) from error
    except ValueError as error:
        raise Refused(Code.BAD_ARGUMENTS) from error


def _exists(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    path, watch = reader.string(), reader.boolean()
    node = state.tree.find(path)
    if node is not None and state.rules.version is Version.V3_9:
        check(node.acl, Perm.READ, asker.identities)
    if watch:
        state.watches.data.add(path, asker, Mode.ONCE)
    if node is None:
        raise Refused(Code.NO_NODE)
    return node.stat()


def _get_data(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    node = _read(state, asker, reader, state.watches.data)
    return jute.buffer(node.data) + node.stat()


def _get_acl(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    node = state.tree.get(reader.string())
    check(node.acl, Perm.READ | Perm.ADMIN, asker.identities)
    return encode_acl(node.acl) + node.stat()


def _get_children(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    return jute.vector(map(jute.string, _read(state, asker, reader, state.watches.children).children))


def _get_children2(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    node = _read(state, asker, reader, state.watches.children)
    return jute.vector(map(jute.string, node.children)) + node.stat()


def _read(state: State, asker: Asker, reader: jute.Reader, table: WatchTable) -> Node:
    path, watch = reader.string(), reader.boolean()
    node = state.tree.get(path)
    check(node.acl, Perm.READ, asker.identities)
    if watch:
        table.add(path, asker, Mode.ONCE)
    return node


def _sync(_state: State, _asker: Asker, reader: jute.Reader) -> bytes:
    return jute.string(reader.string())


def _ping(_state: State, _asker: Asker, _reader: jute.Reader) -> bytes:
    return b""


def _auth(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    reader.int32()
    identity = authenticate(reader.string(), reader.string(), state.super_digest)
    if identity not in asker.identities:
        asker.identities.append(identity)
    return b""


def _set_watches(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    """Arm again what a client watched; whatever it missed is told at once instead (DataTree.setWatches)."""
    since = reader.int64()
    find, watches = state.tree.find, state.watches

    def arm(table: WatchTable, path: str, missed: Event | None) -> None:
        if missed is None:
            table.add(path, asker, Mode.ONCE)
        else:
            node = find(path)
            asker.notify(Change(missed, path, node.acl if node else None), state.tree.zxid)

    for path in reader.vector(reader.string):
        node = find(path)
        changed = Event.DATA_CHANGED if node and node.mzxid > since else None
        arm(watches.data, path, changed if node else Event.DELETED)
    for path in reader.vector(reader.string):
        arm(watches.data, path, Event.CREATED if find(path) else None)
    for path in reader.vector(reader.string):
        node = find(path)
        changed = Event.CHILDREN_CHANGED if node and node.pzxid > since else None
        arm(watches.children, path, changed if node else Event.DELETED)
    return b""


def _set_watches2(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    """As before, and lasting watches: what those missed is never told."""
    _set_watches(state, asker, reader)
    for mode in (Mode.PERSISTENT, Mode.RECURSIVE):
        for path in reader.vector(reader.string):
            state.watches.add(path, asker, mode)
    return b""


def _add_watch(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    path, mode = reader.string(), reader.int32()
    if mode not in (Mode.PERSISTENT, Mode.RECURSIVE):
        raise Refused(Code.BAD_ARGUMENTS)
    state.watches.add(path, asker, Mode(mode))
    return jute.int32(Code.OK)


def _remove_watches(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    path = reader.string()
    state.watches.remove(path, asker, Kind(reader.int32()))
    return b""


_SINCE_3_6 = (Opcode.ADD_WATCH, Opcode.SET_WATCHES2)
_ANSWERS: Mapping[int, Answer] = {
    Opcode.EXISTS: _exists,
    Opcode.GET_DATA: _get_data,
    Opcode.GET_ACL: _get_acl,
    Opcode.GET_CHILDREN: _get_children,
    Opcode.GET_CHILDREN2: _get_children2,
    Opcode.SYNC: _sync,
    Opcode.PING: _ping,
    Opcode.MULTI: change_many,
    Opcode.AUTH: _auth,
    Opcode.SET_WATCHES: _set_watches,
    Opcode.SET_WATCHES2: _set_watches2,
    Opcode.ADD_WATCH: _add_watch,
    Opcode.REMOVE_WATCHES: _remove_watches,
}
"""Opcode → answer; CLOSE_SESSION is the connection's part."""
