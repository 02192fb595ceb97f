"""The gRPC health service (grpc.health.v1): SERVING once the snapshot is complete, until the drain.

Written out by hand: grpclib's own imports google's protobuf runtime for two bytes of answer.
"""

import asyncio
from collections.abc import Callable
from enum import IntEnum

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from meshregistry.errors import AdsProtocolError
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.protobuf import number
from meshregistry.xds.options import Limits
from meshregistry.xds.requests import read_health_service
from meshregistry.xds.transport import ByteStream, receive

_MAX_REQUEST_BYTES = 1024


class Serving(IntEnum):
    """HealthCheckResponse.ServingStatus."""

    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class HealthServicer:
    """Answers Check and Watch for the server as a whole ("") and for the named services."""

    def __init__(
        self, services: frozenset[str], is_serving: Callable[[], bool], limits: Limits, metrics: Metrics
    ) -> None:
        self._services = services | {""}
        self._is_serving = is_serving
        self._limits = limits
        self._metrics = metrics
        self._checks = 0
        self._watchers: set[asyncio.Event] = set()
        self._draining = False

    def __mapping__(self) -> dict[str, Handler]:
        """Return the methods, by path, for grpclib."""
        return {
            "/grpc.health.v1.Health/Check": Handler(self._check, Cardinality.UNARY_UNARY, bytes, bytes),
            "/grpc.health.v1.Health/Watch": Handler(self._watch, Cardinality.UNARY_STREAM, bytes, bytes),
        }

    def note_change(self) -> None:
        """Let watchers look again."""
        for watcher in self._watchers:
            watcher.set()

    def drain(self) -> None:
        """Tell watchers NOT_SERVING and end their streams."""
        self._draining = True
        self.note_change()

    async def _check(self, stream: ByteStream) -> None:
        # Watches are counted apart: they must not keep out who asks once.
        self._limit(self._checks)
        self._checks += 1
        try:
            service = await self._read_service(stream)
        finally:
            self._checks -= 1
        status = self._status(service)
        if status is Serving.SERVICE_UNKNOWN:
            raise GRPCError(Status.NOT_FOUND, "unknown service")
        await stream.send_message(_encode(status))

    async def _watch(self, stream: ByteStream) -> None:
        self._limit(len(self._watchers))
        changed = asyncio.Event()
        self._watchers.add(changed)
        last: Serving | None = None
        try:
            service = await self._read_service(stream)
            await stream.send_initial_metadata()
            while True:
                changed.clear()
                if (status := self._status(service)) is not last:
                    last = status
                    await stream.send_message(_encode(status))
                if self._draining:
                    raise GRPCError(Status.UNAVAILABLE, "server is shutting down")
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    def _limit(self, calls: int) -> None:
        if calls >= self._limits.max_health_calls:
            self._metrics.bad_requests.labels("too_many_health_calls").inc()
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"{calls} such calls are open already")

    async def _read_service(self, stream: ByteStream) -> str:
        try:
            async with asyncio.timeout(self._limits.health_timeout_s):
                data = await receive(stream, _MAX_REQUEST_BYTES)
            return read_health_service(data or b"")
        except TimeoutError as error:
            raise GRPCError(Status.DEADLINE_EXCEEDED, "no request came") from error
        except AdsProtocolError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from error

    def _status(self, service: str) -> Serving:
        if service not in self._services:
            return Serving.SERVICE_UNKNOWN
        return Serving.SERVING if self._is_serving() else Serving.NOT_SERVING


def _encode(status: Serving) -> bytes:
    return number(b"\x08", status)
