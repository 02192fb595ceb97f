"""The IP addresses of host names, as the system's resolver gives them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable

Resolve = Callable[[str], Awaitable[list[str]]]
"""Host name → its IP addresses; raises OSError, or UnicodeError for what cannot be a host name."""


async def resolve_host(host: str) -> list[str]:
    """Return the IP addresses of a host, IPv4 first. Raises OSError and UnicodeError. Cancelling it is safe."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for _, _, _, _, address in sorted(found, key=lambda each: (each[0], each[4][0]))]


async def resolve_hosts(hosts: Iterable[str], resolve: Resolve, timeout_s: float) -> dict[str, list[str]]:
    """Return host → IP addresses, all asked for at once; those that cannot be resolved in time are left out.

    Cancelling it is safe.
    """
    found: dict[str, list[str]] = {}

    async def look_up(host: str) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                found[host] = await resolve(host)
        except (OSError, UnicodeError):  # a TimeoutError is an OSError
            return

    async with asyncio.TaskGroup() as tasks:
        for host in dict.fromkeys(hosts):
            tasks.create_task(look_up(host))
    return found
