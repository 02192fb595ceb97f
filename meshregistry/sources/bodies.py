"""Bodies of HTTP answers, as far as they are read: a registry that never ends one must not fill our memory."""

import aiohttp

from meshregistry.errors import SourceDataError


async def read_parts(response: aiohttp.ClientResponse, max_bytes: int, place: str) -> list[bytes]:
    """Return a body in the parts in which it arrives.

    Raises SourceDataError, which names the `place`, as soon as more than `max_bytes` have come, and what aiohttp
    raises. Cancelling it is safe: the connection is dropped.
    """
    parts: list[bytes] = []
    length = 0
    async for part in response.content.iter_any():
        length += len(part)
        if length > max_bytes:
            raise SourceDataError(f"{place}: body longer than {max_bytes} bytes")
        parts.append(part)
    return parts
