"""A gRPC server on loopback whose messages are the bytes that a test says."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from grpclib._typing import IServable
from grpclib.server import Server

from meshregistry.grpc.messages import BytesCodec


@asynccontextmanager
async def serving(service: IServable, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Serve at an address for as long as the block lasts; yields the port."""
    server = Server([service], codec=BytesCodec())
    with socket.socket() as listener:
        listener.bind((host, port))
        listener.listen()
        await server.start(sock=listener)
        try:
            yield listener.getsockname()[1]
        finally:
            server.close()
