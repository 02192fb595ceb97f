"""Whether anybody accepts connections where the registries should be: asked once, at the start, all at once.

A registry that is down refuses a connection, and its source says so. Where packets are swallowed (a node or a network
that is away) nobody says anything, and each address costs a source its whole time-out, one after the other.
"""

import asyncio
import logging
import math
import socket
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

_log = logging.getLogger(__name__)

Address = tuple[str, int]
"""Host name or IP address, and port."""

_MOST_ADDRESSES: Final = 32
"""Of one source; of a cluster one that answers is enough."""


class Contact:
    """Owner of which sources' registries were reached."""

    def __init__(
        self, addresses: Mapping[str, Collection[Address]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`addresses` by source; one of which they are not known is taken for reached."""
        self._addresses = addresses
        self._clock = clock
        self._silent = {source for source, each in addresses.items() if each}
        self._began_at = math.inf

    def silent_for(self, source: str) -> float:
        """Return for how many seconds a source's registries have been called and none has taken the call; or 0."""
        return max(0.0, self._clock() - self._began_at) if source in self._silent else 0.0

    async def run(self, limit_s: float) -> None:
        """Call every address once and hang up, within a limit. Cancelling is safe."""
        self._began_at = self._clock()
        calls = [(source, each) for source in self._addresses for each in [*self._addresses[source]][:_MOST_ADDRESSES]]
        async with asyncio.TaskGroup() as tasks:
            for source, address in calls:
                tasks.create_task(self._call(source, address, limit_s))

    async def _call(self, source: str, address: Address, limit_s: float) -> None:
        host, port = address
        try:
            async with asyncio.timeout(limit_s):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
                async with asyncio.TaskGroup() as tasks:
                    for name in {str(each[4][0]) for each in found}:
                        tasks.create_task(self._reach(source, name, port))
        except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError
            _log.debug("contact.none source=%s address=%s:%d error=%r", source, host, port, str(error))

    async def _reach(self, source: str, name: str, port: int) -> None:
        try:
            _, writer = await asyncio.open_connection(name, port)
        except OSError as error:
            _log.debug("contact.none source=%s address=%s:%d error=%r", source, name, port, str(error))
            return
        self._silent.discard(source)
        writer.close()
