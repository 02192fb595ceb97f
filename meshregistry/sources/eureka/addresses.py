"""The peers behind configured addresses: one each, or one for every address that DNS gives for the host."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.eureka.client import Node, strip_credentials
from meshregistry.sources.failures import displayed

Resolve = Callable[[str], Awaitable[list[str]]]
"""Host name → its IP addresses; raises OSError, or UnicodeError for what cannot be a host name."""


async def resolve_host(host: str) -> list[str]:
    """Return the IP addresses of a host, IPv4 first. Raises OSError and UnicodeError. Cancelling it is safe."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for _, _, _, _, address in sorted(found, key=lambda each: (each[0], each[4][0]))]


def configured_nodes(addresses: tuple[str, ...]) -> tuple[Node, ...]:
    """Return one node for each address."""
    return tuple(dict.fromkeys(Node(strip_credentials(address)) for address in addresses))


async def resolved_nodes(addresses: tuple[str, ...], resolve: Resolve, timeout_s: float) -> tuple[Node, ...]:
    """Return one node for each IP address of each host; a host that cannot be resolved in time is left out.

    Raises SourceUnavailable when no host can be. Cancelling it is safe.
    """
    nodes: list[Node] = []
    errors: list[str] = []
    for address in addresses:
        host = urlsplit(address).hostname or ""
        try:
            async with asyncio.timeout(timeout_s):
                nodes += [Node(strip_credentials(address), ip) for ip in await resolve(host)]
        except TimeoutError:
            errors.append(f"{displayed(address)}: no answer in {timeout_s:g} s")
        except (OSError, UnicodeError) as error:
            errors.append(f"{displayed(address)}: {error}")
    if not nodes:
        raise SourceUnavailable(f"no address can be resolved: {'; '.join(errors)}")
    return tuple(dict.fromkeys(nodes))
