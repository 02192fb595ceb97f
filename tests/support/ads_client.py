"""An independent ADS client on grpcio: bytes in, bytes out, 256 MB messages allowed."""

import asyncio
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio

_METHODS = {"sotw": "StreamAggregatedResources", "delta": "DeltaAggregatedResources"}
_SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
_OPTIONS = [("grpc.max_receive_message_length", 256 * 1024 * 1024), ("grpc.use_local_subchannel_pool", 1)]
TIMEOUT_S = 20.0


class AdsClient:
    """One connection with one stream; a context manager that opens and closes both."""

    def __init__(self, port: int, dialect: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        target = f"127.0.0.1:{port}"
        options = [*_OPTIONS, ("grpc.ssl_target_name_override", "localhost")] if credentials else _OPTIONS
        self._channel: Any = (
            aio.secure_channel(target, credentials, options) if credentials else aio.insecure_channel(target, options)
        )
        self._call: Any = None
        self._method = _SERVICE + _METHODS[dialect]

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    def open(self) -> None:
        """Open a new stream on the connection; the previous one is left to itself."""
        self._call = self._channel.stream_stream(self._method)()

    async def send(self, data: bytes) -> None:
        """Send one request."""
        await self._call.write(data)

    async def receive(self) -> bytes:
        """Return the next response.

        Raises:
            EOFError: the server has ended the stream with OK.
            grpc.aio.AioRpcError: it has ended it otherwise.
        """
        async with asyncio.timeout(TIMEOUT_S):
            data = await self._call.read()
        if data is aio.EOF:
            raise EOFError
        assert isinstance(data, bytes)
        return data

    async def end(self) -> None:
        """End our side of the stream."""
        await self._call.done_writing()

    def cancel(self) -> None:
        """Reset the stream."""
        self._call.cancel()

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Return how the server ended the stream, once it has."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self._call.code(), await self._call.details()
