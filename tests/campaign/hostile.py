"""What a hostile client says on the ADS port and on the HTTP port: each attack is one connection, or some of them."""

import asyncio
import contextlib
import os
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence

from h2.exceptions import H2Error

from meshregistry.watch.codec import IstiodCodec
from meshregistry.watch.resources import Node, Request
from tests.support.h2_client import H2Client

Attack = Callable[[int], Awaitable[None]]
"""Attacks a port on loopback. It may end with an OSError: to be cut off is what it is for."""

_TIMEOUT_S = 20.0
_PATIENCE_S = 3.0
"""Longer than the time-outs of the HTTP port are in the campaign."""

_SILENT = 200
"""More than the HTTP port holds connections in the campaign."""

_UNREAD_BYTES = 4096
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_TYPE = "networking.istio.io/v1/ServiceEntry"
_PAGES = ("/meshregistry/xdsCache", "/metrics", "/meshregistry/why?host=", "/meshregistry/journal?limit=")


async def attack(act: Attack, port: int) -> None:
    """Carry out an attack; that it is cut off or takes too long is its own affair."""
    with contextlib.suppress(OSError, TimeoutError, EOFError, H2Error):
        async with asyncio.timeout(_TIMEOUT_S):
            await act(port)


async def say(port: int, *pieces: bytes, pause_s: float = 0.0) -> None:
    """Say something and listen for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while await reader.read(65536):
                    pass
    finally:
        writer.transport.abort()


async def say_noise(port: int) -> None:
    """Random bytes, and the beginnings of other protocols."""
    openings = (os.urandom(500), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200), b"\x00" * 1000)
    await asyncio.gather(*(say(port, opening) for opening in openings))


async def send_broken_frames(port: int) -> None:
    """A good preface, then frames that are not, or that say too much of themselves."""
    settings = bytes(3) + b"\x04" + bytes(5)
    frames = [
        os.urandom(200),
        b"\xff\xff\xff\x00\x00" + bytes(4) + bytes(200),
        settings * 20_000,
        (b"\x00\x00\x08\x06\x00" + bytes(4) + bytes(8)) * 20_000,
        b"\x00\x00\x04\x08\x00" + bytes(4) + b"\x7f\xff\xff\xff" * 2,
        b"\x00\x40\x00\x01\x00\x00\x00\x00\x01" + os.urandom(16_384),
        (b"\x00\x40\x00\x09\x00\x00\x00\x00\x01" + bytes(16_384)) * 50,
    ]
    await asyncio.gather(*(say(port, _PREFACE, settings, frame) for frame in frames))


async def stay_silent(port: int) -> None:
    """Many connections that say nothing, or half a greeting."""
    greetings = ([_PREFACE[:10]] if number % 2 else [] for number in range(_SILENT))
    await asyncio.gather(*(say(port, *greeting) for greeting in greetings))


async def reset_rapidly(port: int) -> None:
    """Open streams and reset them at once, thousands of times."""
    headers = bytes.fromhex("83864104785f5f785f")
    settings = bytes(3) + b"\x04" + bytes(5)
    frames = bytearray()
    for stream in range(1, 4001, 2):
        number = struct.pack(">I", stream)
        frames += struct.pack(">I", len(headers))[1:] + b"\x01\x04" + number + headers
        frames += b"\x00\x00\x04\x03\x00" + number + bytes(4)
    await say(port, _PREFACE, settings, bytes(frames))


async def send_wrong_messages(port: int) -> None:
    """gRPC messages that are too long, cut, compressed, of random bytes, or nested without an end."""
    nested = b""
    for _ in range(3000):
        nested = b"\x2a" + _varint(len(nested)) + nested
    async with H2Client(port) as client:
        for raw in (b"\x00\xff\xff\xff\xff" + bytes(100), b"\x01\x00\x00\x00\x04abcd", b"\x00\x00\x00\x10\x00abc"):
            await client.send_raw(await client.open(), raw)
        for message in (os.urandom(300), b"\x12" + _varint(len(nested)) + nested, b""):
            await client.send(await client.open(), message)
        stream = await client.open("DeltaAggregatedResources")
        await client.send(stream, os.urandom(200))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await client.read_until("Never")


async def ask_wrongly(port: int) -> None:
    """Well-formed requests that make no sense: types and nonces of nobody, thousands of types, refusals of nothing."""
    dice = random.Random(port)
    encode = IstiodCodec().encode_request
    async with H2Client(port) as client:
        stream = await client.open()
        await client.send(stream, encode(Request(_TYPE, response_nonce="never", version_info="x", node=Node())))
        for number in range(300):
            type_url = f"type.example/{number}" if dice.random() < 0.5 else _TYPE
            error = "no" * 5000 if dice.random() < 0.3 else ""
            await client.send(stream, encode(Request(type_url, response_nonce="x" * 3000, error=error, node=None)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await client.read_until("Never")


async def send_wrong_heads(port: int) -> None:
    """Requests of HTTP/1.1 with heads that are too long, cut, doubled or of control characters."""
    heads = (
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00\x01\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /meshregistry/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + bytes(100_000),
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
        b"DELETE /meshregistry/xdsCache HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    await asyncio.gather(*(say(port, head) for head in heads))


async def ask_for_nonsense(port: int) -> None:
    """Pages with parameters that nobody means."""
    junk = ("9" * 400, "-1", "%00", "%ff%fe", "a" * 4000, "%0d%0aX:%20y", "..%2f..%2f", "' OR 1=1", "{}", "NaN")
    pages = [
        f"{page}{'&' if '?' in page else '?'}{name}={value}" for page in _PAGES for value in junk for name in _NAMES
    ]
    requests = [f"GET {page.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for page in pages]
    await asyncio.gather(*(say(port, *requests[start::8]) for start in range(8)))


_NAMES = ("limit", "host", "ver", "ns", "format")


async def begin_slowly(port: int) -> None:
    """Many connections that send their head a byte at a time."""
    head = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
    await asyncio.gather(*(say(port, *(bytes([byte]) for byte in head), pause_s=0.1) for _ in range(60)))


async def ask_and_never_read(port: int) -> None:
    """Ask for pages many times and read nothing; some are streamed, some are one piece."""
    await asyncio.gather(*(_ask_unread(port, page) for page in _PAGES[:2]))


async def _ask_unread(port: int, page: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNREAD_BYTES)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, f"GET {page} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 500)
        await asyncio.sleep(_PATIENCE_S)


ADS_ATTACKS: Sequence[Attack] = (
    say_noise,
    send_broken_frames,
    stay_silent,
    reset_rapidly,
    send_wrong_messages,
    ask_wrongly,
    send_wrong_heads,
)
HTTP_ATTACKS: Sequence[Attack] = (
    say_noise,
    stay_silent,
    send_wrong_heads,
    ask_for_nonsense,
    begin_slowly,
    ask_and_never_read,
)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
