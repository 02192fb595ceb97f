"""One connection: frames in, frames out, and the faults that strike them."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from meshregistry.sim.zookeeper import jute
from meshregistry.sim.zookeeper.access import Identity, allows
from meshregistry.sim.zookeeper.codes import Code, Opcode, Perm, Refused, Version
from meshregistry.sim.zookeeper.faults import GARBAGE, Fault, FaultPlan
from meshregistry.sim.zookeeper.requests import answer
from meshregistry.sim.zookeeper.sessions import PASSWORD_BYTES, Session
from meshregistry.sim.zookeeper.state import State
from meshregistry.sim.zookeeper.tree import Change

MAX_REQUEST_BYTES = 1_048_575
"""The default of jute.maxbuffer; real servers close the connection that sends more."""

_LENGTH_BYTES = 4
_EVENT_XID, _PING_XID = -1, -2
_CONNECTED = 3
_READ_ONLY_HELLO = jute.int32(0) + jute.int64(0) + jute.int32(Code.NOT_READ_ONLY)
_HAS_PATH = {
    *(Opcode.CREATE, Opcode.CREATE2, Opcode.DELETE, Opcode.EXISTS, Opcode.GET_DATA, Opcode.SET_DATA, Opcode.GET_ACL),
    *(Opcode.SET_ACL, Opcode.GET_CHILDREN, Opcode.GET_CHILDREN2, Opcode.SYNC, Opcode.ADD_WATCH, Opcode.REMOVE_WATCHES),
}


class House(Protocol):
    """The server as its connections see it."""

    state: State
    faults: FaultPlan
    paused: bool
    connections: "set[Connection]"

    def schedule_expiry(self) -> None:
        """Look again when the next session may end."""


class Connection(asyncio.Protocol):
    """Answers one client, packet after packet; a client that does not read what it is sent is not read from."""

    def __init__(self, house: House) -> None:
        self.session = 0
        self.identities: list[Identity] = []
        self._house = house
        self._granted: Session | None = None
        self._received = bytearray()
        self._held: asyncio.TimerHandle | None = None
        self._muted = False
        self._full = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the client speaks first."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._house.connections.add(self)
        self._house.state.traffic.connections += 1
        address = transport.get_extra_info("peername")
        self.identities.append(Identity("ip", address[0] if address else ""))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its watches; the session lives on until its time is over."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Take what came and answer what is complete."""
        self._received += data
        self.work()

    def pause_writing(self) -> None:
        """The client does not read: answer nothing more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """The client reads again."""
        self._full = False
        self.work()

    def cut(self) -> None:
        """Close it without a word."""
        transport = self._transport
        self._leave()
        if transport is not None:
            transport.abort()

    def notify(self, change: Change, zxid: int) -> None:
        """Send an event, unless the client may not read the node."""
        if self._muted or not (change.acl is None or allows(change.acl, Perm.READ, self.identities)):
            return
        fault = self._house.faults.strike("event", path=change.path)
        body = jute.int32(change.event) + jute.int32(_CONNECTED) + jute.string(change.path)
        number = zxid if self._house.state.rules.version is Version.V3_9 else -1
        if fault is not None:
            self._misbehave(fault, _reply(_EVENT_XID, number, Code.OK, body))
            return
        self._house.state.traffic.events += 1
        self._send(_reply(_EVENT_XID, number, Code.OK, body))

    def work(self) -> None:
        """Answer the complete packets, one after the other, until something holds them back."""
        if self._muted:
            self._received.clear()
        while not (self._house.paused or self._held or self._full) and self._transport is not None:
            payload = self._next_frame()
            if payload is None:
                return
            if self._granted is None:
                self._perform(self._house.faults.strike("hello"), partial(self._greet, payload))
            else:
                self._request(self._granted, payload)

    def _next_frame(self) -> bytes | None:
        if len(self._received) < _LENGTH_BYTES:
            return None
        size = int.from_bytes(self._received[:_LENGTH_BYTES], signed=True)
        if not 0 <= size <= MAX_REQUEST_BYTES:
            self.cut()
            return None
        if len(self._received) < _LENGTH_BYTES + size:
            return None
        payload = bytes(self._received[_LENGTH_BYTES : _LENGTH_BYTES + size])
        del self._received[: _LENGTH_BYTES + size]
        return payload

    def _perform(self, fault: Fault | None, act: Callable[[], bytes]) -> None:
        """Answer, spoilt by the fault; a delay comes before anything is done."""
        if fault is None:
            self._send(act())
        elif fault.delay_s:
            loop = asyncio.get_running_loop()
            self._held = loop.call_later(fault.delay_s, self._continue, fault, act)
        else:
            self._misbehave(fault, act() if fault.action != "silence" else b"")

    def _continue(self, fault: Fault, act: Callable[[], bytes]) -> None:
        self._held = None
        if self._transport is not None:
            self._misbehave(fault, act() if fault.action != "silence" else b"")
            self.work()

    def _misbehave(self, fault: Fault, packet: bytes) -> None:
        match fault.action:
            case "close":
                self.cut()
            case "silence":
                self._muted = True
            case "drop":
                pass
            case "truncate":
                self._send(packet[: len(packet) // 2])
                self._close()
            case "garbage":
                self._send(GARBAGE)
            case "read_only":
                self._send(jute.frame(_READ_ONLY_HELLO))
                self._close()
            case _:
                self._send(packet)

    def _greet(self, payload: bytes) -> bytes:
        """Grant a session, continue one, or say that it has ended (ConnectResponse without a timeout)."""
        state, reader = self._house.state, jute.Reader(payload)
        try:
            reader.int32()
            seen, timeout_ms, number, password = reader.int64(), reader.int32(), reader.int64(), reader.buffer()
        except jute.Malformed:
            self.cut()
            return b""
        if seen > state.tree.zxid:
            self.cut()
            return b""
        if number:
            self._granted = state.sessions.resume(number, password, timeout_ms, self)
        else:
            self._granted = state.sessions.open(timeout_ms, self)
        if self._granted is None:
            self._send(_hello(0, 0, bytes(PASSWORD_BYTES)))
            self._close()
            return b""
        self.session = self._granted.number
        self._house.schedule_expiry()
        return _hello(self._granted.timeout_ms, self.session, self._granted.password)

    def _request(self, session: Session, payload: bytes) -> None:
        state, reader = self._house.state, jute.Reader(payload)
        try:
            xid, opcode = reader.int32(), reader.int32()
            path = jute.Reader(payload[8:]).string() if opcode in _HAS_PATH else ""
        except jute.Malformed:
            self.cut()
            return
        state.sessions.touch(session)
        state.traffic.requests[_name(opcode)] += 1
        fault = self._house.faults.strike("request", opcode, path)
        if fault is not None and fault.action == "error":
            self._perform(fault, lambda: _reply(xid, state.tree.zxid, fault.error))
        else:
            self._perform(fault, lambda: self._answer(xid, opcode, reader))

    def _answer(self, xid: int, opcode: int, reader: jute.Reader) -> bytes:
        state = self._house.state
        if opcode == Opcode.CLOSE_SESSION:
            return self._end_session(xid)
        try:
            body = answer(state, self, opcode, reader)
        except Refused as refused:
            if refused.code in (Code.UNIMPLEMENTED, Code.AUTH_FAILED):
                self._send(_reply(xid, state.tree.zxid, refused.code))
                self._close()
                return b""
            return _reply(xid, state.tree.zxid, refused.code)
        return _reply(_PING_XID if opcode == Opcode.PING else xid, state.tree.zxid, Code.OK, body)

    def _end_session(self, xid: int) -> bytes:
        state = self._house.state
        if self._granted is not None:
            self._granted.holder = None
        state.end_session(self.session)
        self._send(_reply(xid, state.tree.zxid, Code.OK))
        self._close()
        return b""

    def _send(self, packet: bytes) -> None:
        if packet and self._transport is not None:
            self._transport.write(packet)

    def _close(self) -> None:
        """Close it when all is sent."""
        transport = self._transport
        self._leave()
        if transport is not None:
            transport.close()

    def _leave(self) -> None:
        self._transport = None
        if self._held is not None:
            self._held.cancel()
            self._held = None
        self._house.state.watches.forget(self)
        self._house.connections.discard(self)
        if self._granted is not None and self._granted.holder is self:
            self._granted.holder = None


def _reply(xid: int, zxid: int, code: int, body: bytes = b"") -> bytes:
    return jute.frame(jute.int32(xid) + jute.int64(zxid) + jute.int32(code) + body)


def _hello(timeout_ms: int, session: int, password: bytes) -> bytes:
    start = jute.int32(0) + jute.int32(timeout_ms) + jute.int64(session)
    return jute.frame(start + jute.buffer(password) + jute.boolean(False))


def _name(opcode: int) -> str:
    try:
        return Opcode(opcode).name.lower()
    except ValueError:
        return str(opcode)
