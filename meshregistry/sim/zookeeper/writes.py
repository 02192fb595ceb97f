"""Requests that change nodes, alone or many in one transaction.

A step is read first and done later: a failed transaction answers for steps that were never done.
"""

from collections.abc import Callable

from meshregistry.sim.zookeeper import jute
from meshregistry.sim.zookeeper.access import check, grant, read_acl
from meshregistry.sim.zookeeper.asker import Asker
from meshregistry.sim.zookeeper.codes import Code, Opcode, Perm, Refused
from meshregistry.sim.zookeeper.state import State
from meshregistry.sim.zookeeper.tree import Node, Transaction

_EPHEMERAL, _SEQUENTIAL = 1, 2
_FLAGS = range(4)
_FAILED_STEP = jute.int32(-1) + jute.boolean(False)
_END = jute.int32(-1) + jute.boolean(True) + jute.int32(-1)

Step = Callable[[Transaction], bytes]
StepReader = Callable[[State, Asker, jute.Reader], Step]


def change(state: State, asker: Asker, reader: jute.Reader, read: StepReader) -> bytes:
    """Do one step; raises Refused, and Malformed for what is no request."""
    step = read(state, asker, reader)
    with state.change() as transaction:
        return step(transaction)


def change_many(state: State, asker: Asker, reader: jute.Reader) -> bytes:
    """Do all steps or none; which of them failed is in the reply, which itself never fails."""
    steps: list[tuple[int, Step]] = []
    while True:
        opcode, done, _ = reader.int32(), reader.boolean(), reader.int32()
        if done:
            break
        if opcode not in STEPS:
            raise Refused(Code.UNIMPLEMENTED)
        steps.append((opcode, STEPS[opcode](state, asker, reader)))
    results: list[bytes] = []
    try:
        with state.change() as transaction:
            for opcode, step in steps:
                body = step(transaction)
                results.append(jute.int32(opcode) + jute.boolean(False) + jute.int32(Code.OK) + body)
    except Refused as refused:
        return _failure(len(results), refused.code, len(steps))
    return b"".join(results) + _END


def _failure(done: int, code: Code, steps: int) -> bytes:
    codes = [Code.OK] * done + [code] + [Code.RUNTIME_INCONSISTENCY] * (steps - done - 1)
    return b"".join(_FAILED_STEP + jute.int32(each) * 2 for each in codes) + _END


def _create(state: State, asker: Asker, reader: jute.Reader) -> Step:
    create = _creation(state, asker, reader)
    return lambda transaction: jute.string(create(transaction)[0])


def _create2(state: State, asker: Asker, reader: jute.Reader) -> Step:
    create = _creation(state, asker, reader)

    def step(transaction: Transaction) -> bytes:
        path, node = create(transaction)
        return jute.string(path) + node.stat()

    return step


def _creation(state: State, asker: Asker, reader: jute.Reader) -> Callable[[Transaction], tuple[str, Node]]:
    asked, data, acl, flags = reader.string(), reader.buffer(), read_acl(reader), reader.int32()

    def create(transaction: Transaction) -> tuple[str, Node]:
        if flags not in _FLAGS:
            raise Refused(Code.UNIMPLEMENTED)
        parent = state.tree.get(asked.rpartition("/")[0])
        check(parent.acl, Perm.CREATE, asker.identities)
        path = f"{asked}{parent.created_children:010d}" if flags & _SEQUENTIAL else asked
        owner = asker.session if flags & _EPHEMERAL else 0
        return path, transaction.create(_new_path(path), data, grant(acl, asker.identities), owner)

    return create


def _delete(state: State, asker: Asker, reader: jute.Reader) -> Step:
    path, version = reader.string(), reader.int32()

    def step(transaction: Transaction) -> bytes:
        if path == "/":
            raise Refused(Code.BAD_ARGUMENTS)
        state.tree.get(path)
        check(state.tree.get(path.rpartition("/")[0]).acl, Perm.DELETE, asker.identities)
        transaction.delete(path, version)
        return b""

    return step


def _set_data(state: State, asker: Asker, reader: jute.Reader) -> Step:
    path, data, version = reader.string(), reader.buffer(), reader.int32()

    def step(transaction: Transaction) -> bytes:
        check(state.tree.get(path).acl, Perm.WRITE, asker.identities)
        return transaction.set_data(path, data, version).stat()

    return step


def _set_acl(state: State, asker: Asker, reader: jute.Reader) -> Step:
    path, acl, version = reader.string(), read_acl(reader), reader.int32()

    def step(transaction: Transaction) -> bytes:
        check(state.tree.get(path).acl, Perm.ADMIN, asker.identities)
        return transaction.set_acl(path, grant(acl, asker.identities), version).stat()

    return step


def _check(state: State, asker: Asker, reader: jute.Reader) -> Step:
    path, version = reader.string(), reader.int32()

    def step(transaction: Transaction) -> bytes:
        check(state.tree.get(path).acl, Perm.READ, asker.identities)
        transaction.check(path, version)
        return b""

    return step


def _new_path(path: str) -> str:
    if not path.startswith("/") or "//" in path or "\0" in path or path.endswith("/"):
        raise Refused(Code.BAD_ARGUMENTS)
    return path


STEPS: dict[int, StepReader] = {
    Opcode.CREATE: _create,
    Opcode.CREATE2: _create2,
    Opcode.DELETE: _delete,
    Opcode.SET_DATA: _set_data,
    Opcode.SET_ACL: _set_acl,
    Opcode.CHECK: _check,
}
"""What a transaction may hold; all but CHECK are requests of their own, too."""
