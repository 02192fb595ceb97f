"""Lists and watches objects of one cluster, as Kubernetes' API concepts describe it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
import msgspec

from meshregistry.errors import MeshRegistryError
from meshregistry.kubernetes.access import Access
from meshregistry.kubernetes.objects import Failure, ObjectList, WatchEvent

_PAGE = "500"
_LIST_S = 30.0
_WATCH_S = 300
"""After this the server ends a watch, and the next one begins where it stopped."""

_LATE_S = 30.0
_LONGEST_LINE = 4 << 20
_LONGEST_PAGE = 64 << 20
_MOST_OBJECTS = 1_000_000
_EXPIRED, _DENIED = 410, (401, 403)


class ClusterError(MeshRegistryError):
    """A cluster did not answer as it should; what is known of it stays."""


class Denied(ClusterError):
    """The cluster does not allow it: trying again soon is in vain."""


class Expired(ClusterError):
    """What a watch or a list goes on from is gone: list anew."""


class Listing(NamedTuple):
    """All objects of a path, and where a watch goes on."""

    items: list[msgspec.Raw]
    resource_version: str


class ClusterClient:
    """Asks one cluster; an async context manager that owns the connections."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        self._session = aiohttp.ClientSession(read_bufsize=_LONGEST_LINE // 2)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def list_all(self, path: str, query: Mapping[str, str]) -> Listing:
        """Return every object of a path, page by page. Raises ClusterError. Cancelling is safe."""
        items: list[msgspec.Raw] = []
        proceed, tokens = "", set[str]()
        while True:
            page = await self._get_page(path, {**query, "limit": _PAGE, **({"continue": proceed} if proceed else {})})
            items += page.items or ()
            proceed = page.metadata.proceed
            if not page.metadata.resource_version:
                raise ClusterError("an answer that is no list: it has no resourceVersion")
            if not proceed:
                return Listing(items, page.metadata.resource_version)
            if proceed in tokens or len(items) > _MOST_OBJECTS:
                raise ClusterError("a list without an end")
            tokens.add(proceed)

    async def watch(self, path: str, query: Mapping[str, str], since: str) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes until the server ends the watch. Raises ClusterError. Cancelling is safe."""
        asked = {
            **query,
            "watch": "1",
            "resourceVersion": since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
        }
        try:
            async with self._request(path, asked, _WATCH_S + _LATE_S) as answer:
                _judge(answer.status)
                async for line in answer.content:
                    if line.strip():
                        yield read_event(line)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ClusterError(_reason(error)) from error

    async def _get_page(self, path: str, query: Mapping[str, str]) -> ObjectList:
        try:
            async with self._request(path, query, _LIST_S) as answer:
                _judge(answer.status)
                return read_page(await _read_body(answer))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ClusterError(_reason(error)) from error

    def _request(self, path: str, query: Mapping[str, str], total_s: float) -> "aiohttp.client._RequestContextManager":
        assert self._session is not None
        access = self._access
        auth = aiohttp.BasicAuth(*access.basic) if access.basic else None
        return self._session.get(
            access.server + path,
            params=query,
            headers={"Accept": "application/json", **_bearer(access)},
            auth=auth,
            ssl=access.tls if access.tls is not None else True,
            timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=_LIST_S),
            allow_redirects=False,
        )


def _bearer(access: Access) -> dict[str, str]:
    token = Path(access.token_file).read_text("utf-8").strip() if access.token_file else access.token
    return {"Authorization": f"Bearer {token}"} if token else {}


def _judge(status: int) -> None:
    if status == 200:
        return
    kind = Denied if status in _DENIED else Expired if status == _EXPIRED else ClusterError
    raise kind(f"answered {status}")


async def _read_body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _LONGEST_PAGE:
            raise ClusterError(f"an answer of more than {_LONGEST_PAGE} bytes")
    return bytes(body)


def read_page(body: bytes) -> ObjectList:
    """Return a page of a list. Raises ClusterError."""
    try:
        return msgspec.json.decode(body, type=ObjectList)
    except (ValueError, RecursionError) as error:
        raise ClusterError(f"an answer that is no list: {error}") from error


def read_event(line: bytes) -> WatchEvent:
    """Return the change in a line of a watch. Raises ClusterError; Expired when there is nothing to go on from."""
    try:
        event = msgspec.json.decode(line, type=WatchEvent)
        if event.type != "ERROR":
            return event
        failure = msgspec.json.decode(event.object, type=Failure)
    except (ValueError, RecursionError) as error:
        raise ClusterError(f"a line of a watch that is none: {error}") from error
    raise (Expired if failure.code == _EXPIRED else ClusterError)(f"the watch ended with {failure.code}")


def _reason(error: Exception) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.InvalidURL):
        return "not a usable URL"  # its own text holds the whole of it, with a password
    return f"{type(error).__name__}: {error}"[:200]
