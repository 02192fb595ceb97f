"""The first frames of a connection: who we are, and what the server makes of it. Pure."""

import struct
from enum import Enum, auto
from typing import NamedTuple

from meshregistry.sources.zookeeper.session.errors import MalformedAnswer, ProtocolFault
from meshregistry.sources.zookeeper.session.jute import pack_buffer, read_buffer

_REQUEST = struct.Struct(">iqiq")
_REPLY = struct.Struct(">iiq")
_HEADER = struct.Struct(">iqi")
_PASSWORD_BYTES = 16
_LONGEST_REPLY = 1024
_NOT_READ_ONLY = -119


class Ticket(NamedTuple):
    """What a server needs to give us our session back; the default asks for a new one."""

    session_id: int = 0
    password: bytes = bytes(_PASSWORD_BYTES)
    last_zxid: int = 0


class Verdict(Enum):
    """What a server makes of a ticket."""

    ACCEPTED = auto()
    EXPIRED = auto()
    READ_ONLY = auto()
    """The server has lost its quorum and serves old data: go elsewhere."""


class Welcome(NamedTuple):
    """The server's first frame."""

    verdict: Verdict
    timeout_s: float = 0.0
    session_id: int = 0
    password: bytes = b""


def pack_greeting(ticket: Ticket, session_timeout_s: float) -> bytes:
    """Return the frame body that asks for a session, never a read-only one."""
    head = _REQUEST.pack(0, ticket.last_zxid, round(session_timeout_s * 1000), ticket.session_id)
    return head + pack_buffer(ticket.password) + b"\0"


def read_welcome(frame: bytes) -> Welcome:
    """Return what the server's first frame says; raises ProtocolFault if that is no ZooKeeper's.

    A read-only server answers with a mere reply header (16 bytes), as it refuses clients that want to write.
    """
    if len(frame) == _HEADER.size:
        return _read_refusal(frame)
    if not _REPLY.size + 4 <= len(frame) <= _LONGEST_REPLY:
        raise ProtocolFault(f"a greeting of {len(frame)} bytes: not a ZooKeeper?")
    _protocol, timeout_ms, session_id = _REPLY.unpack_from(frame)
    try:
        password, end = read_buffer(frame, _REPLY.size)
    except MalformedAnswer as error:
        raise ProtocolFault(f"a greeting with a bad password: {error}") from error
    if timeout_ms <= 0 or session_id == 0:
        return Welcome(Verdict.EXPIRED)
    if frame[end : end + 1] == b"\1":
        return Welcome(Verdict.READ_ONLY)
    return Welcome(Verdict.ACCEPTED, timeout_ms / 1000, session_id, password)


def _read_refusal(frame: bytes) -> Welcome:
    _xid, _zxid, code = _HEADER.unpack(frame)
    if code == _NOT_READ_ONLY:
        return Welcome(Verdict.READ_ONLY)
    raise ProtocolFault(f"a greeting of 16 bytes with error {code}")
