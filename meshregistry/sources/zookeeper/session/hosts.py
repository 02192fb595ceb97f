"""The servers of an ensemble: names in, addresses out, each in its turn."""

import asyncio
import ipaddress
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from meshregistry.errors import SourceUnavailable

T = TypeVar("T")

DEFAULT_PORT = 2181


class Host(NamedTuple):
    """A server as configured."""

    name: str
    port: int


class Target(NamedTuple):
    """One address of a server."""

    host: Host
    address: str

    def __str__(self) -> str:
        place = f"[{self.address}]" if ":" in self.address else self.address
        name = "" if self.address == self.host.name else f"{self.host.name}/"
        return f"{name}{place}:{self.host.port}"


Resolve = Callable[[Host], Awaitable[Sequence[str]]]


def parse_host(text: str) -> Host:
    """Return the server that `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address names.

    Raises ValueError if the port is no number from 1 to 65535 or there is no name.
    """
    text = text.strip()
    name, separator, port = text.rpartition(":")
    if not separator or (":" in name and not name.startswith("[")) or text.endswith("]"):
        name, port = text, str(DEFAULT_PORT)
    name = name.removeprefix("[").removesuffix("]")
    if not name or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is no host:port")
    return Host(name, int(port))


async def resolve(host: Host) -> Sequence[str]:
    """Return the addresses of a host now. Raises OSError. Cancelling it is safe; the look-up ends in its thread."""
    try:
        return [str(ipaddress.ip_address(host.name))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class HostRing:
    """Gives one target after the other, hosts in an order of their own per process.

    Owner of whose turn it is. Names are resolved when it is their turn; all their addresses are used.
    """

    def __init__(self, hosts: Sequence[Host], dice: Callable[[], float], resolve: Resolve = resolve) -> None:
        self._dice = dice
        self._resolve = resolve
        if not hosts:
            raise ValueError("no ZooKeeper hosts")
        self._hosts = deque(self._shuffled(hosts))
        self._targets: deque[Target] = deque()
        self._turns = 0

    @property
    def is_round(self) -> bool:
        """Whether every address of every host has been tried as often as the others, since the last connection."""
        return not self._targets and self._turns % len(self._hosts) == 0

    async def next(self) -> Target:
        """Return who is to be tried next.

        Raises SourceUnavailable if its name cannot be resolved. Cancelling it is safe: the next host follows.
        """
        if not self._targets:
            host = self._hosts[0]
            self._hosts.rotate(-1)
            self._turns += 1
            try:
                addresses = await self._resolve(host)
            except (OSError, UnicodeError) as error:
                raise SourceUnavailable(f"{host.name}: cannot be resolved: {error}") from error
            self._targets.extend(Target(host, address) for address in self._shuffled(addresses))
        if not self._targets:
            raise SourceUnavailable(f"{host.name}: has no address")
        return self._targets.popleft()

    def forget(self) -> None:
        """Drop the addresses that were not tried: they get old while a connection lasts."""
        self._targets.clear()
        self._turns = 0

    def _shuffled(self, items: Sequence[T]) -> list[T]:
        return sorted(items, key=lambda _item: self._dice())
