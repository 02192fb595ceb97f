"""One connection to one server: bytes in and out, silence noticed, an end that everybody is told of at once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from meshregistry.errors import SourceError
from meshregistry.sources.polling import Clock
from meshregistry.sources.zookeeper.session import liveness
from meshregistry.sources.zookeeper.session.errors import ConnectionLoss, NoNodeError
from meshregistry.sources.zookeeper.session.exchange import Answer, Exchange
from meshregistry.sources.zookeeper.session.frames import FrameReader, framed
from meshregistry.sources.zookeeper.session.liveness import Limits, Traffic
from meshregistry.sources.zookeeper.session.meters import Meters
from meshregistry.sources.zookeeper.session.records import WatchEvent
from meshregistry.sources.zookeeper.session.requests import Request

T = TypeVar("T")


class Waiter(Protocol):
    """Takes the value of an answer or a SourceError; never raises one, which nobody may be there to take."""

    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...


class Batch:
    """Waits for the answers to several requests, which come in the order of the requests."""

    def __init__(self, count: int, ready: "asyncio.Future[list[Any]]") -> None:
        self.ready = ready
        self._count = count
        self._answers: list[Any] = []

    def done(self) -> bool:
        """Whether nobody waits any more."""
        return self.ready.done()

    def set_result(self, result: Any, /) -> None:
        """Take the next answer."""
        self._answers.append(result)
        if len(self._answers) == self._count:
            self.ready.set_result(self._answers)


class Link(asyncio.Protocol):
    """Owner of a transport, of the bytes not yet written, and of the requests under way on it.

    `fire` is called with each watch event. `lost` resolves when the connection has ended; `end` tells why.
    Instants are of `clock`, timers are the loop's.
    """

    def __init__(
        self,
        server: str,
        exchange: Exchange[Waiter],
        frames: FrameReader,
        meters: Meters,
        fire: Callable[[WatchEvent], None],
        clock: Clock,
    ) -> None:
        self.server = server
        self.end: ConnectionLoss | None = None
        self.on_end: Callable[[ConnectionLoss], None] = _ignore
        self._exchange = exchange
        self._frames = frames
        self._meters = meters
        self._fire = fire
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._welcome: asyncio.Future[bytes | ConnectionLoss] | None = None
        self._transport: asyncio.Transport | None = None
        self._unwritten: list[bytes] = []
        self._sent_at = self._received_at = clock.now()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> bool:
        """Whether the connection is of no further use."""
        return self.end is not None

    @property
    def last_zxid(self) -> int:
        """The newest transaction that an answer has shown."""
        return self._exchange.last_zxid

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return len(self._exchange)

    async def greet(self, greeting: bytes) -> bytes:
        """Send the first frame's body and return the server's. Raises ConnectionLoss; cancelling it is safe."""
        self._check()
        self._welcome = self._loop.create_future()
        self._write(framed(greeting))
        answer = await self._welcome
        if isinstance(answer, ConnectionLoss):
            raise answer
        return answer

    async def ask(self, request: Request[T]) -> T:
        """Return the answer to a request. Raises SourceError.

        Cancelling it is safe: the answer is read when it comes, and armed watches are known.
        """
        self._check()
        waiter = self._loop.create_future()
        self._write(self._exchange.send(request, waiter, self._clock.now()))
        answer = await waiter
        if isinstance(answer, SourceError):
            raise answer
        value: T = answer
        return value

    async def ask_all(self, requests: Sequence[Request[T]]) -> list[T | SourceError]:
        """Return the answers to at least one request in their order, errors as values among them.

        Raises ConnectionLoss if the connection has ended before. Cancelling it is safe, as in `ask`.
        """
        self._check()
        batch = Batch(len(requests), self._loop.create_future())
        now = self._clock.now()
        for request in requests:
            self._write(self._exchange.send(request, batch, now))
        return await batch.ready

    def keep_alive(self, limits: Limits) -> None:
        """Ping the server from now on and give it up when it is silent."""
        self._look_later(limits)

    def abort(self, reason: str) -> None:
        """End the connection now, whatever is under way."""
        self._finish(reason)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._sent_at = self._received_at = self._clock.now()
        if self.ended:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes: answers to their waiters, events to the listener; garbage ends the connection."""
        self._received_at = self._clock.now()
        if self.ended:
            return
        try:
            for frame in self._frames.feed(data):
                self._take(frame)
        except SourceError as error:
            self.abort(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        what = f"connection lost: {exc}" if exc else "closed by the server"
        self._finish(f"{what} within a frame" if self._frames.within_frame else what)

    def _take(self, frame: bytes) -> None:
        if self._welcome is not None:
            welcome, self._welcome = self._welcome, None
            if not welcome.done():
                welcome.set_result(frame)
            return
        outcome = self._exchange.receive(frame)
        if isinstance(outcome, Answer):
            pending, value, error = outcome
            self._meters.answered(pending.request.op, self._received_at - pending.sent_at, failed=_is_failure(error))
            if not pending.waiter.done():
                pending.waiter.set_result(value if error is None else error)
        elif isinstance(outcome, WatchEvent):
            self._fire(outcome)

    def _write(self, data: bytes) -> None:
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(data)

    def _flush(self) -> None:
        data, self._unwritten = b"".join(self._unwritten), []
        if self._transport is not None and self.end is None:
            self._sent_at = self._clock.now()
            self._transport.write(data)

    def _look_later(self, limits: Limits) -> None:
        delay = liveness.next_look(limits, self._traffic(), self._clock.now())
        self._timer = self._loop.call_later(delay, self._look, limits, self._clock.now() + delay)

    def _look(self, limits: Limits, due: float) -> None:
        now, traffic = self._clock.now(), self._traffic()
        # When this process itself stood still, what the server sent meanwhile must be read before it is judged.
        was_late = now - due > limits.session_timeout_s / 10
        fault = "" if was_late else liveness.fault(limits, traffic, now)
        if fault:
            self.abort(fault)
            return
        if liveness.is_ping_due(limits, traffic, now):
            self._write(self._exchange.ping())
            self._sent_at = now
        self._meters.publish()
        self._look_later(limits)

    def _traffic(self) -> Traffic:
        return Traffic(self._sent_at, self._received_at, self._exchange.oldest_sent_at)

    def _check(self) -> None:
        if self.end is not None:
            raise self._loss()

    def _loss(self) -> ConnectionLoss:
        return ConnectionLoss(str(self.end))

    def _finish(self, reason: str) -> None:
        if self.end is not None:
            return
        self.end = ConnectionLoss(f"{self.server}: {reason}")
        if self._timer is not None:
            self._timer.cancel()
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_result(self._loss())
        for pending in self._exchange.abandon():
            if not pending.waiter.done():
                pending.waiter.set_result(self._loss())
        if not self.lost.done():
            self.lost.set_result(None)
        self.on_end(self.end)


def _ignore(_end: ConnectionLoss) -> None:
    return None


def _is_failure(error: SourceError | None) -> bool:
    return error is not None and not isinstance(error, NoNodeError)
