"""Gets an `xdsCache` page from a running service or from a file."""

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from meshregistry.comparison.page import PageError

_COMPLETE_HEADER = "X-Meshregistry-Complete"
_CHUNK_BYTES = 1 << 20
_PAGE = "/meshregistry/xdsCache"
_USERINFO_MASK = "***@"


@dataclass(frozen=True, slots=True)
class PagePlace:
    """Where a page is, and how long and long it may be."""

    target: str
    """A URL (`http://host:8081`, or with the page's path), or a file."""

    token: str = field(default="", repr=False)
    """Bearer token; "" sends none. It goes to this address only: redirects are not followed."""

    timeout_s: float = 60.0
    """For the whole answer."""

    max_bytes: int = 1 << 30


async def fetch_page(place: PagePlace) -> bytes:
    """Return the page's bytes. Raises PageError naming the place and what is wrong. Cancelling is safe."""
    try:
        if place.target.lower().startswith(("http://", "https://")):
            return await _ask(place)
        return await asyncio.to_thread(_read_file, place)
    except PageError as error:
        raise PageError(f"{shown_target(place.target)}: {error}") from error
    except TimeoutError as error:
        raise PageError(f"{shown_target(place.target)}: no complete answer within {place.timeout_s:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise PageError(f"{shown_target(place.target)}: {_reason(error)}") from error


def page_url(target: str) -> str:
    """Return the URL of the page: a target without a path means the module's page on the usual port."""
    parts = urlsplit(target)
    path = parts.path if parts.path.strip("/") else _PAGE
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def shown_target(target: str) -> str:
    """Return a target without credentials."""
    scheme, found, rest = target.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{found}{_USERINFO_MASK}{place}" if found and at and "/" not in user else target


async def _ask(place: PagePlace) -> bytes:
    headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}
    timeout = aiohttp.ClientTimeout(total=place.timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session,
        session.get(page_url(place.target), allow_redirects=False) as answer,
    ):
        _judge(answer.status, answer.headers)
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > place.max_bytes:
                raise PageError(f"longer than {place.max_bytes} bytes")
        return bytes(body)


def _judge(status: int, headers: Mapping[str, str]) -> None:
    if status == 404:
        raise PageError("404: no such page; Slime has it only once all its sources are ready")
    if status == 401:
        raise PageError("401: a token is needed")
    if status != 200:
        raise PageError(f"answered {status}")
    if headers.get(_COMPLETE_HEADER) == "false":
        raise PageError("has not read all its sources yet")


def _read_file(place: PagePlace) -> bytes:
    path = Path(place.target)
    # Without blocking: a pipe that nobody writes to would be waited for, for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PageError("not a file")
        body = file.read(place.max_bytes + 1)
    if len(body) > place.max_bytes:
        raise PageError(f"longer than {place.max_bytes} bytes")
    return body


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.InvalidURL):
        return "not a usable URL"  # its own text holds the whole of it, with a password
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
