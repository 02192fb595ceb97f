"""Requests and answers of one connection: numbers, order, errors, watches. Pure: bytes in, what they mean out."""

import struct
from collections import deque
from typing import Any, Generic, NamedTuple, TypeVar

from meshregistry.errors import SourceError
from meshregistry.sources.zookeeper.session.errors import (
    NO_NODE,
    ConnectionLoss,
    MalformedAnswer,
    ProtocolFault,
    error_of,
    is_outdated,
)
from meshregistry.sources.zookeeper.session.jute import read_int, read_text
from meshregistry.sources.zookeeper.session.records import WatchEvent, WatchKind
from meshregistry.sources.zookeeper.session.requests import Op, Request
from meshregistry.sources.zookeeper.session.watches import Watches

W = TypeVar("W")

_HEADER = struct.Struct(">iqi")
_REQUEST_HEAD = struct.Struct(">iii")
_XID_EVENT, _XID_PING = -1, -2
_LAST_XID = 2**31 - 1
_STATE_EVENT = -1
_EXPIRED_STATES = frozenset({-112})
_PING = struct.pack(">iii", 8, _XID_PING, 11)


class Pending(NamedTuple, Generic[W]):
    """A request without its answer."""

    xid: int
    request: Request[Any]
    waiter: W
    sent_at: float


class Answer(NamedTuple, Generic[W]):
    """An answer for a waiter: a value, or an error."""

    pending: Pending[W]
    value: object
    error: SourceError | None


class Pong(NamedTuple):
    """The server answered a ping."""


class Ignored(NamedTuple):
    """A frame without a consequence."""


PONG, IGNORED = Pong(), Ignored()

Outcome = Answer[W] | WatchEvent | Pong | Ignored


class Exchange(Generic[W]):
    """Owner of the requests under way on one connection, in the order of their answers, and of the xid counter.

    It writes down in `watches` what gets armed and used up, at the instant the server's word arrives, whether or not
    anybody still waits for it. `W` is whatever the caller wants back with an answer.
    """

    def __init__(self, watches: Watches, *, first_xid: int = 1) -> None:
        self._watches = watches
        self._next_xid = first_xid
        self._pending: deque[Pending[W]] = deque()
        self.last_zxid = 0
        """The newest transaction an answer has shown; pings and events do not count, as their siblings may be lost."""

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def oldest_sent_at(self) -> float | None:
        """When the request that has waited longest was sent."""
        return self._pending[0].sent_at if self._pending else None

    def send(self, request: Request[Any], waiter: W, now: float) -> bytes:
        """Note a request as sent and return its frame."""
        xid = request.xid
        if xid is None:
            xid = self._next_xid
            self._next_xid = xid + 1 if xid < _LAST_XID else 1
        self._pending.append(Pending(xid, request, waiter, now))
        return _REQUEST_HEAD.pack(len(request.body) + 8, xid, request.op) + request.body

    def ping(self) -> bytes:
        """Return a ping's frame."""
        return _PING

    def receive(self, frame: bytes) -> Outcome[W]:
        """Return what a frame means.

        Raises:
            ProtocolFault: it is no answer, or not to the request whose turn it is.
            ConnectionLoss: the server says that the session has ended or moved.
        """
        if len(frame) < _HEADER.size:
            raise ProtocolFault(f"an answer of {len(frame)} bytes")
        xid, zxid, code = _HEADER.unpack_from(frame)
        if xid == _XID_PING:
            return PONG
        if xid == _XID_EVENT:
            return self._event(frame)
        return self._answer(xid, zxid, code, frame)

    def abandon(self) -> list[Pending[W]]:
        """Return the requests that will get no answer, and forget them."""
        abandoned = list(self._pending)
        self._pending.clear()
        return abandoned

    def _answer(self, xid: int, zxid: int, code: int, frame: bytes) -> Answer[W]:
        if not self._pending or self._pending[0].xid != xid:
            expected = self._pending[0].xid if self._pending else "none"
            raise ProtocolFault(f"an answer to request {xid}, expected {expected}")
        if is_outdated(code):
            raise error_of(code, self._pending[0].request.path)
        pending = self._pending.popleft()
        if zxid > self.last_zxid:
            self.last_zxid = zxid
        self._arm(pending.request, code)
        return _decoded(pending, code, frame)

    def _arm(self, request: Request[Any], code: int) -> None:
        watches, path = self._watches, request.path
        if request.op is Op.ADD_WATCH and code == 0:
            (watches.recursive if request.recursive else watches.persistent).add(path)
        elif request.watch and request.op is Op.EXISTS and code == NO_NODE:
            watches.exist.add(path)
        elif request.watch and code == 0:
            (watches.child if request.op is Op.GET_CHILDREN else watches.data).add(path)

    def _event(self, frame: bytes) -> WatchEvent | Ignored:
        try:
            number, state = read_int(frame, _HEADER.size), read_int(frame, _HEADER.size + 4)
            path, _end = read_text(frame, _HEADER.size + 8)
        except MalformedAnswer as error:
            raise ProtocolFault(f"a bad watch event: {error}") from error
        if number == _STATE_EVENT:
            if state in _EXPIRED_STATES:
                raise ConnectionLoss("the server says that the session has expired")
            return IGNORED
        try:
            kind = WatchKind(number)
        except ValueError:
            return IGNORED
        self._watches.fired(kind, path)
        return WatchEvent(kind, path)


def _decoded(pending: Pending[W], code: int, frame: bytes) -> Answer[W]:
    request = pending.request
    if code == NO_NODE and request.op is Op.EXISTS:
        return Answer(pending, False, None)
    if code != 0:
        return Answer(pending, None, error_of(code, request.path))
    try:
        return Answer(pending, request.decode(frame[_HEADER.size :]), None)
    except MalformedAnswer as error:
        return Answer(pending, None, MalformedAnswer(f"{request.path}: {error}"))
