"""Send a long answer in slices, so that neither the event loop nor the memory pays for its size."""

import asyncio
import logging
from collections.abc import Generator, Iterator, Mapping
from typing import TypeVar

from aiohttp import hdrs, web

T = TypeVar("T")

_log = logging.getLogger(__name__)

TURNS = web.AppKey("turns", asyncio.Lock)
"""Held while a slice is made: many answers at once share the part of the event loop's time that one would take."""


async def send_slices(
    request: web.Request, slices: Iterator[bytes], headers: Mapping[str, str], send_timeout_s: float
) -> web.StreamResponse:
    """Send the slices as one chunked answer, letting other tasks run after each; answers of one application take turns.

    An empty slice is a step of work that has nothing to send yet.

    A client that reads nothing for `send_timeout_s` seconds is cut off, and so is one whose answer fails half-way:
    a truncated body must not look complete. Whatever fails before the first slice raises. Cancelling cuts off.
    """
    part = await _take(request, slices)
    response = web.StreamResponse(headers=headers)
    try:
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        while part is not None:
            await _send(response, part, send_timeout_s)
            part = await _take(request, slices)
    except ConnectionError:
        return response
    except BaseException as error:
        _cut_off(request)
        if not isinstance(error, TimeoutError):
            raise
        _log.warning("http.reader_too_slow path=%s timeout_s=%s", request.rel_url.raw_path, send_timeout_s)
    return response


async def _take(request: web.Request, slices: Iterator[bytes]) -> bytes | None:
    """Make the next slice, its steps alone in their turns of the event loop; None after the last."""
    part: bytes | None = b""
    while part == b"":
        async with request.app[TURNS]:
            part = next(slices, None)
            await asyncio.sleep(0)
    return part


async def _send(response: web.StreamResponse, part: bytes, send_timeout_s: float) -> None:
    async with asyncio.timeout(send_timeout_s):
        await response.write(part)


def _cut_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def step_through(steps: Generator[None, None, T]) -> Generator[bytes, None, T]:
    """Do work in steps, each of them an empty slice; returns its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield b""
