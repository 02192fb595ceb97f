"""What speaks in a registry's place: answers that never end, and random bytes."""

import asyncio
import os

_HTTP2 = b"PRI * HTTP/2"
_FILLER = b" " * 65536
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"
_SETTINGS_FRAME = bytes(3) + b"\x04" + bytes(5)
_PING_FRAME = b"\x00\x00\x08\x06\x00" + bytes(4) + bytes(8)
_ENDLESS_FRAME = (1 << 25).to_bytes(4, "big")
"""A frame of ZooKeeper's of 32 MB, which is within its client's limit and longer than anybody waits."""

_PIECE_PAUSE_S = 0.01


async def answer_endlessly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in the protocol of the question: JSON without an end, PING after PING, or one long frame."""
    question = await reader.read(65536)
    if question.startswith(_HTTP2):
        await _send_for_ever(writer, _SETTINGS_FRAME, _PING_FRAME)
    elif question.startswith((b"GET", b"POST", b"PUT")):
        await _send_for_ever(writer, _JSON, _FILLER)
    else:
        await _send_for_ever(writer, _ENDLESS_FRAME, _FILLER)


async def answer_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with random bytes and close."""
    await reader.read(65536)
    writer.write(os.urandom(300))
    await writer.drain()


async def _send_for_ever(writer: asyncio.StreamWriter, first: bytes, then: bytes) -> None:
    writer.write(first)
    while True:
        writer.write(then)
        await writer.drain()
        await asyncio.sleep(_PIECE_PAUSE_S)
