"""The ADS service: one session per stream, a reader and a writer around the machine.

The reader never waits for the writer, so requests are read while outbound data is blocked. A session ends alone:
its errors become its status, and nobody else notices.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from secrets import token_hex
from typing import Any, Final

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from meshregistry.errors import AdsProtocolError
from meshregistry.model.service_entry import ISTIO_KINDS, Kind
from meshregistry.store.snapshot import Change
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.admission import Admission
from meshregistry.xds.clients import Clients, ConnectedStream
from meshregistry.xds.delta import DeltaType
from meshregistry.xds.door import Refused
from meshregistry.xds.encode import BodyCache, Message, encode
from meshregistry.xds.incremental import IncrementalType, Journal
from meshregistry.xds.options import AdsOptions, LimitExceeded
from meshregistry.xds.pacer import Pacer
from meshregistry.xds.peers import PeerShelf
from meshregistry.xds.protocol import AdsStream, NewType, Push, Receipt, Verdict
from meshregistry.xds.requests import Request, read_delta, read_sotw
from meshregistry.xds.sotw import SotwType
from meshregistry.xds.tombstones import Forgotten
from meshregistry.xds.transport import ByteStream, abort, receive, send
from meshregistry.xds.type_state import TypeState
from meshregistry.xds.views import NOTHING, Catalog, View
from meshregistry.xds.visibility import Visibility

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What makes a stream SotW or delta."""

    name: str
    read: Callable[[bytes], Request]
    new_type: NewType


SOTW: Final = Dialect("sotw", read_sotw, SotwType)
DELTA: Final = Dialect("delta", read_delta, DeltaType)


def incremental(journal: Journal, marker: str) -> Dialect:
    """Return Slime's private dialect, for clients with this node metadata key."""
    return Dialect("incremental", partial(read_sotw, marker=marker), partial(IncrementalType, journal))


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions share."""

    options: AdsOptions
    catalog: Catalog
    clients: Clients
    metrics: Metrics
    journal: Journal | None = None
    """Of an incremental listener."""

    peers: PeerShelf | None = None
    """What is offered to other replicas; None: nothing."""

    bodies: BodyCache = field(default_factory=BodyCache)
    pacer: Pacer = field(default_factory=Pacer)

    def look(self, kind: Kind | None, visibility: Visibility) -> View | None:
        """Return what a client sees of a kind now; None while it is held."""
        if kind is None or kind in ISTIO_KINDS:
            return self.catalog.look(kind, visibility)
        return NOTHING if self.peers is None else self.peers.look(kind)


class AdsServicer:
    """Serves ADS streams; owns the sessions. Told of commits and of the drain by the server."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._sessions: set[Session] = set()
        self._numbers = count(1)
        self._admission = Admission(shared.options.limits)
        self._draining = False

    def __mapping__(self) -> dict[str, Handler]:
        """Return the methods, by path, for grpclib."""
        if self._shared.journal is not None:
            dialect = incremental(self._shared.journal, self._shared.options.incremental_marker)
            return {f"/{SERVICE}/StreamAggregatedResources": _handle(partial(self._serve, dialect))}
        return {
            f"/{SERVICE}/StreamAggregatedResources": _handle(partial(self._serve, SOTW)),
            f"/{SERVICE}/DeltaAggregatedResources": _handle(partial(self._serve, DELTA)),
        }

    def note_change(self, change: Change) -> None:
        """Pass a commit to every stream; quick, never raises."""
        for session in self._sessions:
            session.note_change(change)

    def types(self) -> Iterator[TypeState]:
        """Return all types of all streams."""
        return chain.from_iterable(session.types() for session in self._sessions)

    def drain(self) -> None:
        """End every stream with UNAVAILABLE, after the response it is sending, and refuse new ones."""
        self._draining = True
        for session in self._sessions:
            session.drain()

    async def _serve(self, dialect: Dialect, stream: ByteStream) -> None:
        self._admit()
        stream_id = f"{next(self._numbers)}-{token_hex(4)}"
        session = Session(stream, dialect, self._shared, self._admission, stream_id)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)

    def _admit(self) -> None:
        if self._draining:
            raise GRPCError(Status.UNAVAILABLE, "server is shutting down")
        try:
            self._admission.admit(len(self._sessions))
        except Refused as refused:
            self._shared.metrics.bad_requests.labels(refused.reason).inc()
            raise


class Session:
    """One stream being served; owns its machine."""

    def __init__(
        self, stream: ByteStream, dialect: Dialect, shared: Shared, admission: Admission, stream_id: str
    ) -> None:
        self._stream = stream
        self._dialect = dialect
        self._shared = shared
        self._admission = admission
        self._machine = AdsStream(dialect.new_type, shared.options, shared.look, shared.catalog.cursor, stream_id)
        self._row = ConnectedStream(stream_id, _format_peer(stream), dialect.name, self._machine)
        self._wake = asyncio.Event()
        self._draining = False
        self._is_served = False

    def note_change(self, change: Change) -> None:
        """Pass a commit to the machine and wake the writer if it may have something to send."""
        if self._machine.note_change(change, time.monotonic()):
            self._wake.set()

    def types(self) -> Iterable[TypeState]:
        """Return the types asked for."""
        return self._machine.types.values()

    def drain(self) -> None:
        """Let the writer end the stream as soon as it is between two responses."""
        self._draining = True
        self._wake.set()

    async def run(self) -> None:
        """Serve until the client ends the stream.

        Raises:
            GRPCError: how the stream ends otherwise. Never inside an exception group, which grpclib does not read.
        Cancelling is safe; it is what a reset by the client does.
        """
        gauge = self._shared.metrics.streams.labels(self._dialect.name)
        gauge.inc()
        self._shared.clients.add(self._row)
        try:
            # A hundred clients that connect at once are accepted in one iteration of the loop: that is enough for it.
            await self._shared.pacer.turn()
            await self._stream.send_initial_metadata()
            await self._converse()
        finally:
            self._shared.clients.remove(self._row.stream_id)
            # grpclib's objects refer to each other and wait for the garbage collector: what is large goes now.
            self._machine.types.clear()
            gauge.dec()
            _log.info("ads.disconnected dialect=%s stream=%s", self._dialect.name, self._row.stream_id)

    async def _converse(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                await self._read()
                writer.cancel()
        except BaseExceptionGroup as errors:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # The client reset the stream while it was ending: grpclib expects its cancellation to get through.
                raise asyncio.CancelledError from errors
            raise _pick(errors) from None

    async def _read(self) -> None:
        while (data := await self._receive()) is not None:
            self._take(data)
            self._wake.set()
            # Buffered requests are handed out without waiting: a flood must not keep the loop from others.
            await self._shared.pacer.turn()

    def _take(self, data: bytes) -> None:
        introduced = bool(self._machine.types)
        try:
            request = self._dialect.read(data)
            receipt = self._machine.receive(request, time.monotonic())
        except AdsProtocolError as error:
            raise self._refuse(error) from error
        if not introduced:
            self._log_connected()
        self._observe(request, receipt)

    async def _receive(self) -> bytes | None:
        try:
            return await receive(self._stream, self._shared.options.limits.max_request_bytes)
        except GRPCError as error:
            self._note_refusal(error.message or "", limited=error.status is Status.RESOURCE_EXHAUSTED)
            raise

    async def _write(self) -> None:
        while True:
            self._wake.clear()
            await self._shared.pacer.turn()
            if not self._is_served and self._machine.types:
                await self._await_token()
            while (push := self._next_push()) is not None:
                await self._send(push)
                await self._shared.pacer.turn()
            wake_up = self._machine.next_wake_up()
            await self._rest(None if wake_up is None else max(wake_up - time.monotonic(), 0.0))

    async def _await_token(self) -> None:
        """Wait for a token, which a stream needs once it has asked for something; what ends before gives it back."""
        begins_at = time.monotonic() + self._admission.reserve(time.monotonic())
        try:
            while not self._draining and (wait_s := begins_at - time.monotonic()) > 0:
                self._wake.clear()
                await self._rest(wait_s)
            self._is_served = True
        finally:
            if not self._is_served:
                self._admission.give_back()

    def _next_push(self) -> Push | None:
        if self._draining:
            raise GRPCError(Status.UNAVAILABLE, "server is shutting down")
        try:
            return self._machine.next_push(time.monotonic())
        except Forgotten as error:
            _log.warning("ads.outdated node=%r peer=%s error=%r", self._node_id, self._row.peer, str(error))
            raise GRPCError(Status.ABORTED, "reconnect for the full state") from error

    async def _rest(self, seconds: float | None) -> None:
        """Wait for the clock or for something new, the drain included."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _send(self, push: Push) -> None:
        message = await self._build(push)
        try:
            await send(self._stream, message, self._shared.options.send_timeout_s, self._shared.pacer)
        except TimeoutError:
            abort(self._stream)
            self._shared.metrics.bad_requests.labels("stalled").inc()
            _log.warning("ads.stalled node=%r peer=%s type=%r", self._node_id, self._row.peer, push.type_url[:200])
            raise GRPCError(Status.RESOURCE_EXHAUSTED, "client does not read") from None
        # Nothing ran since the last byte, so the ACK cannot have been read yet.
        self._machine.note_sent(push, message.size, message.body.stubs, time.monotonic())
        labels = (self._dialect.name, push.state.kind or "other")
        self._shared.metrics.pushes.labels(*labels).inc()
        self._shared.metrics.push_bytes.labels(*labels).inc(message.size)

    async def _build(self, push: Push) -> Message:
        for message in encode(push, self._shared.bodies, self._shared.options.control_plane):
            if message is not None:
                return message
            await self._shared.pacer.turn()
        raise AssertionError("the encoder ended without a message")

    def _observe(self, request: Request, receipt: Receipt) -> None:
        metrics, labels = self._shared.metrics, (self._dialect.name, receipt.state.kind or "other")
        if receipt.verdict is Verdict.STALE:
            metrics.stale_nonces.labels(self._dialect.name).inc()
        if receipt.ack_s is not None:
            metrics.ack_time.labels(*labels).observe(receipt.ack_s)
        if receipt.convergence_s is not None:
            metrics.convergence_time.labels(labels[1]).observe(receipt.convergence_s)
        # A NACK that is repeated refuses nothing new.
        if request.error is not None and receipt.ack_s is not None:
            metrics.nacks.labels(*labels).inc()
            _log.warning(
                "ads.nack node=%r type=%r code=%d message=%r",
                self._node_id,
                request.type_url[:200],
                request.error.code,
                request.error.message[:500],
            )

    def _refuse(self, error: AdsProtocolError) -> GRPCError:
        limited = isinstance(error, LimitExceeded)
        self._note_refusal(str(error), limited=limited)
        return GRPCError(Status.RESOURCE_EXHAUSTED if limited else Status.INVALID_ARGUMENT, str(error)[:500])

    def _note_refusal(self, why: str, *, limited: bool) -> None:
        self._shared.metrics.bad_requests.labels("limit" if limited else "protocol").inc()
        _log.warning("ads.refused node=%r peer=%s error=%r", self._node_id, self._row.peer, why[:500])

    def _log_connected(self) -> None:
        _log.info(
            "ads.connected dialect=%s stream=%s node=%r revision=%r peer=%s",
            self._dialect.name,
            self._row.stream_id,
            self._node_id,
            self._machine.node.revision[:200],
            self._row.peer,
        )
        if not self._machine.is_welcome:
            marker = self._shared.options.incremental_marker
            _log.warning("ads.unmarked node=%r peer=%s marker=%s answer=none", self._node_id, self._row.peer, marker)

    @property
    def _node_id(self) -> str:
        return self._machine.node.id[:200]


def _handle(serve: Callable[[ByteStream], Coroutine[Any, Any, None]]) -> Handler:
    return Handler(serve, Cardinality.STREAM_STREAM, bytes, bytes)


def _pick(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that ends the stream: the first status if there is one, else the first error."""
    leaves = errors.exceptions
    return next((error for error in leaves if isinstance(error, GRPCError)), leaves[0])


def _format_peer(stream: ByteStream) -> str:
    address = stream.peer.addr()
    return f"{address[0]}:{address[1]}" if address else ""
