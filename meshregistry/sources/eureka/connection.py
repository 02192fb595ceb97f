"""One peer of one registry, spoken to with the registry's credentials: answers as replies."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from urllib.parse import quote

from msgspec import Raw

from meshregistry.errors import SourceDataError, SourceError
from meshregistry.sources.decoding import fingerprint
from meshregistry.sources.eureka.client import Node, NotFound
from meshregistry.sources.eureka.options import EurekaServerOptions
from meshregistry.sources.eureka.wire import Reply, decode_application, decode_applications, decode_lazily
from meshregistry.sources.failures import worst

Get = Callable[[Node, str, str, Mapping[str, str]], Awaitable[list[bytes]]]
"""Asks a peer: API path, regions and headers in, the body of a 200 answer in parts out: `EurekaClient.get`."""

_ALL = "/apps"
_DELTA = "/apps/delta"
_NOBODY = "/vips/none"
"""Answered with an empty list by every Eureka (Spring Cloud 2025.0, measured), with 404 by anything else."""


class Connection:
    """How a peer is read. Holds nothing that changes."""

    def __init__(self, get: Get, node: Node, headers: Mapping[str, str], server: EurekaServerOptions) -> None:
        self.node = node
        self._get_parts = get
        self._headers = headers
        self._regions = ",".join(server.regions)

    async def get_all(self) -> list[Reply]:
        """Return the whole registry, whose applications are decoded as they are asked for.

        Raises SourceError, and asking for applications SourceDataError. Cancelling it is safe.
        """
        parts = await self._get_parts(self.node, _ALL, self._regions, self._headers)
        try:
            reply = decode_lazily(parts)
        except SourceDataError as error:
            raise self._located(_ALL, error) from error
        return [reply._replace(applications=self._read_on(_ALL, reply.applications))]

    async def get_delta(self, known: int | None) -> tuple[int, Reply | None]:
        """Return the fingerprint of the latest changes and these, None when the fingerprint is the known one.

        Raises SourceError. Cancelling it is safe.
        """
        body = b"".join(await self._get_parts(self.node, _DELTA, self._regions, self._headers))
        digest = fingerprint(body)
        return digest, None if digest == known else self._decoded(_DELTA, decode_applications, body)

    async def get_part(self, server: EurekaServerOptions, concurrency: int) -> list[Reply]:
        """Return the applications that the options name, by name and by VIP address.

        An application that is unknown is left out; when all of them are, the server must show that it is Eureka.
        Raises SourceError. Cancelling it is safe.
        """
        names = [f"{_ALL}/{quote(name, safe='')}" for name in server.applications]
        vips = [f"/vips/{quote(vip, safe='')}" for vip in server.vips]
        vips += [f"/svips/{quote(vip, safe='')}" for vip in server.secure_vips]
        gate = asyncio.Semaphore(concurrency)
        read: list[Reply] = []
        failed: list[SourceError] = []

        async def fetch(path: str, decode: Callable[[bytes], Reply]) -> None:
            try:
                async with gate:
                    read.append(await self._get(path, decode))
            except NotFound as error:
                if decode is not decode_application:
                    failed.append(error)
            except SourceError as error:
                failed.append(error)

        async with asyncio.TaskGroup() as group:
            for path in names:
                group.create_task(fetch(path, decode_application))
            for path in vips:
                group.create_task(fetch(path, decode_applications))
        if failed:
            raise worst(failed)
        return read or [await self._get(_NOBODY, decode_applications)]

    async def _get(self, path: str, decode: Callable[[bytes], Reply]) -> Reply:
        parts = await self._get_parts(self.node, path, self._regions, self._headers)
        return self._decoded(path, decode, b"".join(parts))

    def _decoded(self, path: str, decode: Callable[[bytes], Reply], body: bytes) -> Reply:
        try:
            return decode(body)
        except SourceDataError as error:
            raise self._located(path, error) from error

    def _read_on(self, path: str, applications: Iterable[Raw]) -> Iterator[Raw]:
        try:
            yield from applications
        except SourceDataError as error:
            raise self._located(path, error) from error

    def _located(self, path: str, error: SourceDataError) -> SourceDataError:
        return SourceDataError(f"{self.node}{path}: {error}")
