"""An independent ADS client on grpcio: bytes in, bytes out, 256 MB messages allowed.

grpcio's blocking API with a thread per stream: its asyncio API binds itself to the first event loop it meets, and
every test here has a loop of its own.
"""

import asyncio
import queue
import threading
from types import TracebackType
from typing import Any, Self

import grpc

_METHODS = {"sotw": "StreamAggregatedResources", "delta": "DeltaAggregatedResources"}
_SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
_OPTIONS = [("grpc.max_receive_message_length", 256 * 1024 * 1024), ("grpc.use_local_subchannel_pool", 1)]
TIMEOUT_S = 20.0


class AdsClient:
    """One connection with one stream; a context manager that opens and closes both."""

    def __init__(self, port: int, dialect: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        target = f"127.0.0.1:{port}"
        options = [*_OPTIONS, ("grpc.ssl_target_name_override", "localhost")]
        self.channel: Any = (
            grpc.secure_channel(target, credentials, options)
            if credentials
            else grpc.insecure_channel(target, _OPTIONS)
        )
        self._method = _SERVICE + _METHODS[dialect]
        self._threads: list[threading.Thread] = []
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.put(None)
        await asyncio.to_thread(self.channel.close)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def open(self) -> None:
        """Open a new stream on the connection; the previous one is left to itself."""
        self._requests.put(None)
        self._requests = queue.SimpleQueue()
        self._responses: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._call: Any = self.channel.stream_stream(self._method)(iter(self._requests.get, None))
        arguments = (asyncio.get_running_loop(), self._call, self._responses)
        self._threads.append(threading.Thread(target=_read, args=arguments, daemon=True))
        self._threads[-1].start()

    async def send(self, data: bytes) -> None:
        """Send one request."""
        self._requests.put(data)

    async def receive(self) -> bytes:
        """Return the next response.

        Raises:
            EOFError: the server has ended the stream.
        """
        async with asyncio.timeout(TIMEOUT_S):
            data = await self._responses.get()
        if data is None:
            raise EOFError(*self._outcome())
        return data

    async def end(self) -> None:
        """End our side of the stream."""
        self._requests.put(None)

    def cancel(self) -> None:
        """Reset the stream."""
        self._call.cancel()
        self._requests.put(None)

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Return how the server ended the stream, once it has; responses before it are thrown away."""
        async with asyncio.timeout(TIMEOUT_S):
            while await self._responses.get() is not None:
                pass
        return self._outcome()

    def _outcome(self) -> tuple[grpc.StatusCode, str]:
        return self._call.code(), self._call.details()


def _read(loop: asyncio.AbstractEventLoop, call: Any, responses: asyncio.Queue[bytes | None]) -> None:
    try:
        for data in call:
            loop.call_soon_threadsafe(responses.put_nowait, data)
    except grpc.RpcError:
        pass
    loop.call_soon_threadsafe(responses.put_nowait, None)
