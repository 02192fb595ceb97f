"""Who the siblings are now: names resolved to all their addresses, without our own."""

import asyncio
import logging
import socket

from meshregistry.replica.options import ReplicaOptions

_log = logging.getLogger(__name__)

Address = tuple[str, int]


class SiblingNames:
    """Owner of what each configured name stood for when it could last be resolved."""

    def __init__(self, options: ReplicaOptions) -> None:
        self._options = options
        self._known: dict[Address, set[Address]] = {}

    async def resolve(self) -> list[Address]:
        """Return the IP address and port of every other replica, sorted.

        A name that stands for nobody adds nothing; one that cannot be resolved now adds what it stood for before, as
        an outage of the DNS is no reason to leave a sibling. Takes at most the connect timeout. Cancelling is safe.
        """
        names = self._options.siblings
        await asyncio.gather(*(self._look_up(name) for name in names))
        found = set[Address]().union(*(self._known.get(name, ()) for name in names))
        return sorted(each for each in found if not _is_own(each, self._options.own_ports))

    async def _look_up(self, name: Address) -> None:
        host, port = name
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # the latter: a name that no resolver can be asked for, such as `a..b`
            _log.debug("replica.unresolved host=%s error=%r", host, error)
            if _is_nobody(error):
                self._known.pop(name, None)
        else:
            self._known[name] = {(str(address[0]), port) for *_, address in answers}


async def find_siblings(options: ReplicaOptions) -> list[Address]:
    """Return the IP address and port of every other replica, sorted; names that do not resolve add nothing.

    Takes at most the connect timeout. Cancelling is safe.
    """
    return await SiblingNames(options).resolve()


def _is_nobody(error: Exception) -> bool:
    """Whether the DNS has answered that there is no such name, or no address of it."""
    return isinstance(error, socket.gaierror) and error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)


def _is_own(address: Address, own_ports: frozenset[int]) -> bool:
    """Whether the address is one of this machine's, with a port of ours: only then can a socket be bound to it."""
    host, port = address
    if port not in own_ports:
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:  # fails where the kernel has no IPv6
            probe.bind((host, 0))
    except OSError:
        return False
    return True
