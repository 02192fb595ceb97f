"""The istiod model on the network: one stream at a time, ACK by ACK, reconnecting for ever.

Source: istiod ``pkg/adsc/adsc.go`` (Run, handleRecv, reconnect, ack) and ``pkg/backoff/backoff.go``.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from meshregistry.watch.codec import Codec, IstiodCodec
from meshregistry.watch.effects import ServiceEntryController
from meshregistry.watch.families import ISTIOD_124, Family
from meshregistry.watch.fields import DecodeError
from meshregistry.watch.model import IstiodModel
from meshregistry.watch.observations import Observation, ResponseApplied, StreamLost, StreamOpened
from meshregistry.watch.resources import Node, Request
from meshregistry.watch.transport import AdsStream, Connection, DialOptions, StreamEnded

FIRST_RETRY_S = 0.5
RETRY_FACTOR = 1.5
RETRY_JITTER = 0.5
MAX_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Conduct:
    """Ways to behave that stock istiod does not have, for tests of the server; the default is istiod's conduct."""

    never_ack: bool = False
    nack: str = ""
    """A message: every response is refused with it, though the model applies them all the same."""
    ack_delay_s: float = 0.0
    stop_reading: bool = False
    """Read nothing after the first requests."""
    foreign_nonce: str = ""
    """A nonce for every ACK instead of the response's."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """One client: where it connects, which istiod it is, how it behaves."""

    dial: DialOptions
    family: Family = ISTIOD_124
    node: Node = field(default_factory=Node)
    conduct: Conduct = field(default_factory=Conduct)


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests replace: the codec, every pause (seconds) and the source of the back-off's jitter (0 to 1)."""

    codec: Codec = field(default_factory=IstiodCodec)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


class Backoff:
    """istiod's reconnect pauses: 0.5 s growing by half to 60 s, each ±50 %."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._interval_s = FIRST_RETRY_S

    def next_s(self) -> float:
        """The next pause in seconds; the one after it is longer."""
        interval_s = self._interval_s
        self._interval_s = min(interval_s * RETRY_FACTOR, MAX_RETRY_S)
        return interval_s * (1 - RETRY_JITTER + 2 * RETRY_JITTER * self._jitter())

    def reset(self) -> None:
        """Start again from the first pause; istiod does so as soon as a stream could be opened."""
        self._interval_s = FIRST_RETRY_S


def answer(ack: Request | None, conduct: Conduct) -> Request | None:
    """The request that a client of this conduct sends instead of the ACK; None: nothing."""
    if ack is None or conduct.never_ack:
        return None
    if conduct.foreign_nonce:
        ack = replace(ack, response_nonce=conduct.foreign_nonce)
    return replace(ack, error=conduct.nack, version_info="") if conduct.nack else ack


class IstiodClient:
    """Runs one IstiodModel against a server. It owns the model and the controller; read them between its steps."""

    def __init__(
        self,
        options: ClientOptions,
        observe: Callable[[Observation], None] = lambda observation: None,
        seams: Seams | None = None,
    ) -> None:
        self.model = IstiodModel(options.family, options.node)
        self.controller = ServiceEntryController(options.family)
        self._options = options
        self._observe = observe
        self._seams = seams or Seams()
        self._progress = asyncio.Event()

    async def run(self) -> NoReturn:
        """Connect, follow the stream, reconnect; never returns. Cancelling is safe and closes the connection."""
        connection = Connection(self._options.dial)
        backoff = Backoff(self._seams.jitter)
        try:
            while True:
                reason = await self._follow_stream(connection, backoff)
                retry_s = backoff.next_s()
                self._observe(StreamLost(reason, retry_s))
                await self._seams.sleep(retry_s)
        finally:
            connection.close()

    async def wait_until(self, condition: Callable[[IstiodModel], bool]) -> None:
        """Return once the model satisfies the condition, checked after every response. Cancelling is safe."""
        while not condition(self.model):
            await self._progress.wait()

    async def _follow_stream(self, connection: Connection, backoff: Backoff) -> str:
        """One stream from its opening to its end; returns why it ended.

        It runs in a task of its own: grpclib reports a lost stream by cancelling the task that uses it, and a
        cancellation from outside that comes at the same moment would be lost with it.
        """
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self._use_stream(connection, backoff))
        except ExceptionGroup as failure:
            raise failure.exceptions[0] from failure
        return task.result()

    async def _use_stream(self, connection: Connection, backoff: Backoff) -> str:
        try:
            async with connection.stream() as stream:
                backoff.reset()
                self._observe(StreamOpened(len(self._options.family.types)))
                await self._converse(stream)
        except (StreamEnded, DecodeError) as error:
            return str(error)

    async def _converse(self, stream: AdsStream) -> NoReturn:
        for request in self.model.initial_requests():
            await stream.send(self._seams.codec.encode_request(request))
        if self._options.conduct.stop_reading:
            await asyncio.Event().wait()
        while True:
            data = await stream.receive()
            reply = answer(self._apply(data), self._options.conduct)
            if reply is not None:
                if self._options.conduct.ack_delay_s:
                    await self._seams.sleep(self._options.conduct.ack_delay_s)
                await stream.send(self._seams.codec.encode_request(reply))

    def _apply(self, data: bytes) -> Request | None:
        handled = self.model.handle(self._seams.codec.decode_response(data))
        effects = tuple(self.controller.apply(event) for event in handled.events)
        self._observe(ResponseApplied(handled, effects, self.model.missing_types))
        self._progress.set()
        self._progress = asyncio.Event()
        return handled.ack
