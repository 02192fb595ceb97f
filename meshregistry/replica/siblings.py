"""Who the siblings are now: names resolved to all their addresses, without our own."""

import asyncio
import logging
import socket

from meshregistry.replica.options import ReplicaOptions

_log = logging.getLogger(__name__)

Address = tuple[str, int]


async def find_siblings(options: ReplicaOptions) -> list[Address]:
    """Return the IP address and port of every other replica, sorted; names that do not resolve add nothing.

    Takes at most the connect timeout. Cancelling is safe.
    """
    found: set[Address] = set()
    try:
        async with asyncio.timeout(options.connect_timeout_s):
            for answer in await asyncio.gather(*(_resolve(host, port) for host, port in options.siblings)):
                found |= answer
    except TimeoutError:
        _log.debug("replica.resolve_timeout")
    return sorted(each for each in found if not _is_own(each, options.own_ports))


async def _resolve(host: str, port: int) -> set[Address]:
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter: a name that no resolver can be asked for, such as `a..b`
        _log.debug("replica.unresolved host=%s error=%s", host, error)
        return set()
    return {(str(address[0]), port) for *_, address in answers}


def _is_own(address: Address, own_ports: frozenset[int]) -> bool:
    """Whether the address is one of this machine's, with a port of ours: only then can a socket be bound to it."""
    host, port = address
    if port not in own_ports:
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
